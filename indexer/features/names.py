"""Names that a song and a film share: an album that is a film's soundtrack, a film named after a song.

Each item is a unit vector of weighted terms: words and pairs of neighbouring words. Weights are term frequency
times inverse document frequency, the frequency damped by a logarithm (Salton & Buckley, "Term-weighting
approaches in automatic text retrieval", 1988). Only terms that both media use are kept, after the vectors were
made unit: the inner product of a song and a film is their cosine over all terms.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import SEPARATOR, Medium
from indexer.features.columns import Table

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Weights = npt.NDArray[np.float64]
#: Item, phrase and word of each word of a column, in reading order.
_Text = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]

#: A film is the unit sum of its parts' unit vectors: its title names it, the rest only mentions.
_MOVIE_PARTS = {"title": 1.0, "overview": 0.3, "keywords": 0.3}
#: A song is one vector of all that it is called.
_TRACK_PARTS = ("title", "artists", "album")

#: Terms of more than this share of a medium's items tell nothing apart and cost the most to look up; a film's
#: own title is never dropped for that. In a small catalogue a share is a handful of items, so no term that this
#: few items have is too common.
_TOO_COMMON_SHARE, _NEVER_TOO_COMMON = 0.02, 20

#: English function words, and the articles of French and Spanish titles.
_FUNCTION_WORDS = (
    "the a an of and in to is for on with his her by at from as it that he she who are be an this their they i you "
    "me my your we so no not or but its de la el le les"
)
_STOP_WORDS = frozenset(_FUNCTION_WORDS.split())
_SHORTEST_WORD = 2
#: Items whose terms are in memory at a time: some 2 GB of films with their overviews.
_ITEMS_AT_ONCE = 131_072

# Letters that Unicode does not decompose into a base letter and a mark; ß is done by casefold.
_LETTERS = str.maketrans(
    {"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ħ": "h"}
)
# Marks of Latin, Greek and Cyrillic; those of other scripts are part of the spelling and stay.
_MARKS = re.compile("[\u0300-\u036f]")
# Apostrophes, and symbols of Latin-1 inside a word ("WALL·E"), do not divide it.
_SILENT = re.compile(r"['’‘ʼ`´]|[^\w\s\x00-\x7f\u00c0-\U0010ffff]")
_PHRASE_END = re.compile(f"[;{re.escape(SEPARATOR)}]")
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class SparseRows:
    """A sparse matrix by rows: row r has ``columns`` and ``values`` from ``indptr[r]`` to ``indptr[r + 1]``.

    ``indptr`` (n + 1,) int64; ``columns`` int32, ascending within a row; ``values`` float32.
    """

    indptr: Ints
    columns: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32]
    n_columns: int

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    def transposed(self) -> SparseRows:
        """The same matrix by columns: its rows are this one's columns."""
        order = np.argsort(self.columns, kind="stable")
        rows = np.repeat(np.arange(self.n_rows, dtype=np.int32), np.diff(self.indptr))
        return SparseRows(_starts(self.columns, self.n_columns), rows[order], self.values[order], self.n_rows)


@dataclass(frozen=True)
class NameTerms:
    """Films and songs over one vocabulary: column c of both stands for ``terms[c]``; terms are sorted.

    A term is one word, or two with a space between. A row that shares no term with the other medium is empty.
    """

    movies: SparseRows
    tracks: SparseRows
    terms: Sequence[str]


@dataclass(frozen=True)
class NameWeights:
    """What terms weigh: hashes (t,) uint64, ascending, of those that two items or more have, and how many do.

    ``items``: films and songs together; ``common_in_movies`` (columns,) bool: dropped from a film that is not named so.
    """

    hashes: npt.NDArray[np.uint64]
    seen: npt.NDArray[np.uint32]
    items: int
    common_in_movies: Flags

    def weigh(self, terms: Sequence[str]) -> Weights:
        """Inverse document frequencies of terms, 0 for those that fewer than two items have."""
        asked = _hashes(terms)
        places = np.searchsorted(self.hashes, asked)
        places[places == len(self.hashes)] = 0
        found = self.hashes[places] == asked if len(self.hashes) else np.zeros(len(asked), np.bool_)
        seen = np.zeros(len(asked), np.int64)
        seen[found] = self.seen[places[found]]
        return _idf(seen, self.items)

    def read(self, medium: Medium, table: Table, terms: Sequence[str]) -> SparseRows:
        """Terms of items that need not be in the catalogue, weighed as ``name_terms`` does; ``terms``: all columns."""
        words: dict[str, int] = {}
        names = tuple(_MOVIE_PARTS) if medium == "movies" else _TRACK_PARTS
        parts, codes = _grams([_read(table[name], words) for name in names], list(words))
        spelt = _spelt(codes, list(words))
        idf = self.weigh(spelt)
        columns = np.array([_find(terms, term) for term in spelt], np.int64)
        size = len(table[names[0]])
        if medium == "tracks":
            return _rows(_unit(_weighed(_joined(parts), idf), size), columns, size, len(terms))
        weighed, entries = _weigh_movies(parts, idf, size)
        named = np.isin(_cells(entries, len(idf)), _cells(weighed[0], len(idf)))
        known = columns[entries.terms]
        common = np.zeros(len(known), np.bool_)
        common[known >= 0] = self.common_in_movies[known[known >= 0]]
        return _rows(_some(entries, named | ~common), columns, size, len(terms))


class _Entries(NamedTuple):
    """Entries of a matrix: item and term of each, sorted by both, every pair once."""

    items: Ints
    terms: Ints
    values: Weights


class _Part(NamedTuple):
    """Grams of a column: the item and the term of each, in reading order."""

    items: Ints
    terms: Ints


def name_terms(movies: Table, tracks: Table) -> NameTerms:
    """The terms of catalogue tables, as ``weigh_names`` has them."""
    return weigh_names(movies, tracks)[0]


def weigh_names(movies: Table, tracks: Table) -> tuple[NameTerms, NameWeights]:
    """Weigh the terms of catalogue tables; the same tables give the same bytes.

    Films: columns ``title``, ``overview``, ``keywords``. Songs: ``title``, ``artists``, ``album``. Parts of a
    cell that ``SEPARATOR`` or ";" divides are phrases of their own: no pair of words reaches across.
    """
    words: dict[str, int] = {}
    of_movies = [_read(movies[name], words) for name in _MOVIE_PARTS]
    of_tracks = [_read(tracks[name], words) for name in _TRACK_PARTS]
    vocabulary = _Vocabulary.of(list(words))
    counted_movies = vocabulary.count_items(of_movies, len(movies))
    counted_tracks = vocabulary.count_items(of_tracks, len(tracks))
    codes = np.union1d(counted_movies[0], counted_tracks[0])
    in_movies, in_tracks = (_spread(codes, *counted) for counted in (counted_movies, counted_tracks))
    del counted_movies, counted_tracks
    seen = in_movies + in_tracks
    # A term of one item has no say in the length of its vector either: misspellings and codes are many.
    idf = _idf(seen, len(movies) + len(tracks))

    common = _common(in_movies, len(movies))
    some_movies, some_tracks = [], []
    for start, parts in vocabulary.read_parts(of_movies, len(movies), codes):
        weighed, entries = _weigh_movies(parts, idf, _ITEMS_AT_ONCE)
        named = np.isin(_cells(entries, len(codes)), _cells(weighed[0], len(codes)))
        # Of what no song has nothing is kept in the end.
        entries = _some(entries, (named | ~common[entries.terms]) & (in_tracks[entries.terms] > 0))
        some_movies.append(entries._replace(items=entries.items + start))
    common = _common(in_tracks, len(tracks))
    for start, parts in vocabulary.read_parts(of_tracks, len(tracks), codes):
        entries = _unit(_weighed(_joined(parts), idf), _ITEMS_AT_ONCE)
        entries = _some(entries, ~common[entries.terms] & (in_movies[entries.terms] > 0))
        some_tracks.append(entries._replace(items=entries.items + start))
    movie_entries, track_entries = _concatenated(some_movies), _concatenated(some_tracks)
    del of_movies, of_tracks, some_movies, some_tracks
    kept = np.intersect1d(movie_entries.terms, track_entries.terms)
    names = _spelt(codes[kept], list(words))
    order = sorted(range(len(names)), key=names.__getitem__)
    columns = np.full(len(codes), -1, np.int64)
    columns[kept[order]] = np.arange(len(order))
    terms = NameTerms(
        _rows(movie_entries, columns, len(movies), len(order)),
        _rows(track_entries, columns, len(tracks), len(order)),
        [names[place] for place in order],
    )
    counted = np.flatnonzero(seen >= 2)
    hashes = _hashes(_spelt(codes[counted], list(words)))
    by_hash = np.argsort(hashes, kind="stable")
    weights = NameWeights(
        hashes[by_hash],
        seen[counted][by_hash].astype(np.uint32),
        len(movies) + len(tracks),
        _common(in_movies, len(movies))[kept[order]],
    )
    return terms, weights


def _idf(seen: Ints, items: int) -> Weights:
    weights: Weights = np.where(seen >= 2, np.log(max(items, 1) / (1.0 + seen)) + 1.0, 0.0)
    return weights


def _hashes(terms: Sequence[str]) -> npt.NDArray[np.uint64]:
    digests = b"".join(blake2b(term.encode(), digest_size=8).digest() for term in terms)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def _find(terms: Sequence[str], term: str) -> int:
    """Place of a term among sorted ones, −1 where it is none of them."""
    place = bisect_left(terms, term)
    return place if place < len(terms) and terms[place] == term else -1


def _weigh_movies(parts: Sequence[_Part], idf: Weights, size: int) -> tuple[list[_Entries], _Entries]:
    """The weighed parts of films, and the films as the unit sums of them."""
    weighed = [_unit(_weighed(part, idf), size) for part in parts]
    return weighed, _unit(_summed(weighed, list(_MOVIE_PARTS.values()), len(idf)), size)


def _folded(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.casefold()).translate(_LETTERS)
        text = unicodedata.normalize("NFC", _MARKS.sub("", text))
    return _SILENT.sub("", text).casefold()


def _read(cells: Iterable[object], words: dict[str, int]) -> _Text:
    """Item, phrase and word number of each word of a column; ``words`` gains those it had not."""
    items, phrases, numbers = array("i"), array("i"), array("i")
    phrase = 0
    for item, cell in enumerate(cells):
        if not isinstance(cell, str):  # unknown
            continue
        for text in _PHRASE_END.split(_folded(cell)):
            for word in _WORD.findall(text):
                items.append(item)
                phrases.append(phrase)
                numbers.append(words.setdefault(word, len(words)))
            phrase += 1
    return np.array(items, np.int32), np.array(phrases, np.int32), np.array(numbers, np.int32)


@dataclass(frozen=True)
class _Vocabulary:
    """All words of a catalogue by number; ``stops``: function words, ``alone``: words that are terms by themselves.

    A term's code is a word's number, or (1 + first) · words + second. Items are read ``_ITEMS_AT_ONCE``: of a million
    overviews all terms at once would take tens of gigabytes.
    """

    size: int
    stops: Flags
    alone: Flags

    @classmethod
    def of(cls, words: Sequence[str]) -> _Vocabulary:
        stops = np.array([word in _STOP_WORDS for word in words], np.bool_)
        long_enough = np.array([len(word) >= _SHORTEST_WORD for word in words], np.bool_)
        return cls(len(words), stops, ~stops & long_enough)

    def list_codes(self, text: _Text) -> tuple[Ints, Ints]:
        """The items and codes of all terms of a column, single words first."""
        item, phrase, word = text
        paired = (phrase[1:] == phrase[:-1]) & ~(self.stops[word[1:]] & self.stops[word[:-1]])
        pairs = (1 + word[:-1].astype(np.int64)) * self.size + word[1:]
        single = self.alone[word]
        codes = np.concatenate([word[single], pairs[paired]])
        return np.concatenate([item[single], item[1:][paired]]).astype(np.int64), codes

    def count_items(self, texts: Sequence[_Text], n_items: int) -> tuple[Ints, Ints]:
        """The codes that occur in some columns, ascending, and how many items have each."""
        found, counts = np.empty(0, np.int64), np.empty(0, np.int64)
        for _, parts in self._cut(texts, n_items):
            listed = [self.list_codes(part) for part in parts]
            codes, places = np.unique(np.concatenate([part[1] for part in listed]), return_inverse=True)
            cells = np.unique(np.concatenate([part[0] for part in listed]) * len(codes) + places)
            both, places = np.unique(np.concatenate([found, codes]), return_inverse=True)
            added = np.bincount(cells % max(len(codes), 1), minlength=len(codes))
            joined = np.zeros(len(both), np.int64)
            joined[places[: len(found)]] = counts
            joined[places[len(found) :]] += added
            found, counts = both, joined
        return found, counts

    def read_parts(
        self, texts: Sequence[_Text], n_items: int, codes: Ints
    ) -> Iterator[tuple[int, list[_Part]]]:
        """Some items at a time, from number ``start`` on: the terms of every column, as places in ``codes``."""
        for start, parts in self._cut(texts, n_items):
            listed = [self.list_codes(part) for part in parts]
            yield start, [_Part(items, np.searchsorted(codes, some)) for items, some in listed]

    def _cut(self, texts: Sequence[_Text], n_items: int) -> Iterator[tuple[int, list[_Text]]]:
        for start in range(0, n_items, _ITEMS_AT_ONCE):
            cut = []
            for item, phrase, word in texts:
                low, high = np.searchsorted(item, (start, start + _ITEMS_AT_ONCE))
                cut.append((item[low:high] - start, phrase[low:high], word[low:high]))
            yield start, cut


def _grams(texts: Sequence[_Text], words: Sequence[str]) -> tuple[list[_Part], Ints]:
    """Terms of every column, and the code of each term."""
    vocabulary = _Vocabulary.of(words)
    listed = [vocabulary.list_codes(text) for text in texts]
    known, numbers = np.unique(np.concatenate([codes for _, codes in listed]), return_inverse=True)
    ends = np.cumsum([len(codes) for _, codes in listed])[:-1]
    items = [part for part, _ in listed]
    return [_Part(*both) for both in zip(items, np.split(numbers, ends), strict=True)], known


def _spread(codes: Ints, some: Ints, counts: Ints) -> Ints:
    """Counts of some of the codes, for all codes."""
    spread = np.zeros(len(codes), np.int64)
    spread[np.searchsorted(codes, some)] = counts
    return spread


def _concatenated(parts: Sequence[_Entries]) -> _Entries:
    if not parts:
        return _Entries(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))
    return _Entries(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _spelt(codes: Ints, words: Sequence[str]) -> list[str]:
    firsts, seconds = np.divmod(codes, max(len(words), 1))
    both = zip(firsts.tolist(), seconds.tolist(), strict=True)
    return [f"{words[first - 1]} {words[second]}" if first else words[second] for first, second in both]


def _joined(parts: Sequence[_Part]) -> _Part:
    return _Part(
        np.concatenate([part.items for part in parts]), np.concatenate([part.terms for part in parts])
    )


def _counted(part: _Part, n_terms: int) -> _Entries:
    cells, counts = np.unique(part.items * n_terms + part.terms, return_counts=True)
    items, terms = np.divmod(cells, max(n_terms, 1))
    return _Entries(items, terms, counts.astype(np.float64))


def _weighed(part: _Part, idf: Weights) -> _Entries:
    items, terms, counts = _counted(part, len(idf))
    return _Entries(items, terms, (1.0 + np.log(counts)) * idf[terms])


def _unit(entries: _Entries, n_items: int) -> _Entries:
    lengths = np.sqrt(np.bincount(entries.items, entries.values**2, minlength=n_items))
    lengths[lengths == 0] = 1.0
    return entries._replace(values=entries.values / lengths[entries.items])


def _summed(parts: Sequence[_Entries], weights: Sequence[float], n_terms: int) -> _Entries:
    cells = np.concatenate([_cells(part, n_terms) for part in parts])
    values = np.concatenate([weight * part.values for part, weight in zip(parts, weights, strict=True)])
    kinds, places = np.unique(cells, return_inverse=True)
    items, terms = np.divmod(kinds, max(n_terms, 1))
    sums: Weights = np.bincount(places, values, minlength=len(kinds)).astype(np.float64)
    return _Entries(items, terms, sums)


def _cells(entries: _Entries, n_terms: int) -> Ints:
    return entries.items * n_terms + entries.terms


def _some(entries: _Entries, which: Flags) -> _Entries:
    return _Entries(entries.items[which], entries.terms[which], entries.values[which])


def _common(items_with: Ints, n_items: int) -> Flags:
    flags: Flags = items_with > max(_TOO_COMMON_SHARE * n_items, _NEVER_TOO_COMMON)
    return flags


def _starts(groups: npt.NDArray[np.integer], size: int) -> Ints:
    """Where each of ``size`` groups starts once they are sorted, and the end of the last: (size + 1,)."""
    starts = np.zeros(size + 1, np.int64)
    np.cumsum(np.bincount(groups, minlength=size), out=starts[1:])
    return starts


def _rows(entries: _Entries, columns: Ints, n_items: int, n_columns: int) -> SparseRows:
    """Keep the entries whose term has a column."""
    there = columns[entries.terms] >= 0
    items, places = entries.items[there], columns[entries.terms[there]]
    order = np.lexsort((places, items))
    return SparseRows(
        _starts(items, n_items),
        places[order].astype(np.int32),
        entries.values[there][order].astype(np.float32),
        n_columns,
    )
