"""CrossTune: film genres are put into song tags by the meaning of words, and films and songs meet there."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import SEPARATOR, Medium
from indexer.errors import UnreadableFile, UnsupportedQuery, VersionDamaged
from indexer.methods.arrays import read_array, read_plain
from indexer.methods.method import Floats, Material, Method, Rows

_MOST_TERMS = 500
_MOST_TAGS = 10
_LEAST_COSINE = 0.5

_CARD = "crosstune.json"
_ARRAYS = {"starts": np.int64, "terms": np.int32, "weights": np.float32}
_OTHER: dict[Medium, Medium] = {"movies": "tracks", "tracks": "movies"}


@dataclass(frozen=True)
class _TermRows:
    """Sparse unit rows: row i has ``weights`` at ``terms`` from ``starts[i]`` to ``starts[i + 1]``."""

    starts: npt.NDArray[np.int64]
    terms: npt.NDArray[np.int32]
    weights: Floats

    def __post_init__(self) -> None:
        for name, dtype in _ARRAYS.items():
            if getattr(self, name).dtype != dtype or getattr(self, name).ndim != 1:
                raise ValueError(f"{name} is not a list of {np.dtype(dtype).name} numbers")
        ends = (int(self.starts[0]), int(self.starts[-1])) if len(self.starts) else (-1, -1)
        if ends != (0, len(self.terms)) or len(self.terms) != len(self.weights):
            raise ValueError("starts, terms and weights do not fit together")
        if (np.diff(self.starts) < 0).any():
            raise ValueError("starts do not rise")


class Crosstune(Method):
    """Films to songs by tags: the CrossTune project (github.com/sohamwas/CrossTune).

    A song is the TF-IDF of its genres and tags over at most 500 terms; a term is a whole tag ("classic rock"),
    not its words. A film is its genres, each put into the at most 10 of those terms whose cosine to the genre's
    name is above 0.5, weighed by the same TF-IDF. Several films are the mean of their vectors, and songs are
    ranked by cosine.

    TF-IDF is scikit-learn's ``TfidfVectorizer``: the terms of the most songs, idf = ln((1 + n) / (1 + df)) + 1
    over the songs, unit rows. The words' meaning is GloVe's where ``word_vectors`` is given (a phrase is
    the mean of its words), as in the original, else the sentence encoder's. Songs to films, by the same map the
    other way round, is this project's extension. An item without any term scores 0, the lowest.
    """

    name: ClassVar[str] = "crosstune"
    about: ClassVar[str] = (
        "Film genres turned into song tags by word meaning, then TF-IDF cosine (CrossTune)."
    )

    def __init__(
        self,
        terms: Sequence[str],
        genre_tags: Mapping[str, Sequence[str]],
        vectors: Mapping[Medium, _TermRows],
        words: str,
    ) -> None:
        self._terms = list(terms)
        self._genre_tags = {genre: list(tags) for genre, tags in genre_tags.items()}
        self._vectors = vectors
        self._words = words
        self._postings = {medium: _transpose(rows, len(self._terms)) for medium, rows in vectors.items()}

    @classmethod
    def fit(cls, material: Material) -> Self:
        """Count the tags, map the genres and weigh both; raises ``UnreadableFile`` for bad ``word_vectors``."""
        tracks, movies = material.catalogue.tracks, material.catalogue.movies
        songs = [
            list(dict.fromkeys([*_split(genres), *_split(tags)]))
            for genres, tags in zip(tracks["genres"], tracks["tags"], strict=True)
        ]
        films = [_split(genres) for genres in movies["genres"]]
        counts = Counter(term for song in songs for term in song)
        # Ties go by the alphabet, so that the vocabulary hangs on no sort's whim.
        terms = sorted(sorted(counts, key=lambda term: (-counts[term], term))[:_MOST_TERMS])
        genres = sorted({genre for film in films for genre in film})
        path = material.files.get("word_vectors")
        meanings = material.encode if path is None else lambda texts: _read_word_vectors(path, texts)
        genre_tags = _map_genres(genres, terms, meanings([*genres, *terms]))
        idf = np.log((1 + len(songs)) / (1 + np.array([counts[term] for term in terms]))) + 1.0
        expanded = [[tag for genre in film for tag in genre_tags[genre]] for film in films]
        vectors: dict[Medium, _TermRows] = {
            "movies": _weigh(expanded, terms, idf),
            "tracks": _weigh(songs, terms, idf),
        }
        return cls(terms, genre_tags, vectors, "sentence encoder" if path is None else "word vectors file")

    def scores(self, source: Medium, rows: Rows, target: Medium) -> Floats:
        """Cosines of tag vectors, (rows, items) float32 in [0, 1]; ``UnsupportedQuery`` within a medium."""
        _refuse_same(source, target)
        scores = np.empty((len(rows), len(self._vectors[target].starts) - 1), dtype=np.float32)
        for at, row in enumerate(rows):
            scores[at] = self._cosines(self._profile(source, [row]), target)
        return scores

    def scores_together(self, rows: Mapping[Medium, Rows], target: Medium) -> Floats:
        """Cosines to the mean of the inputs' vectors, (items,) float32; ``UnsupportedQuery`` within a medium."""
        for source, some in rows.items():
            if len(some):
                _refuse_same(source, target)
        return self._cosines(self._profile(_OTHER[target], rows.get(_OTHER[target], ())), target)

    @property
    def facts(self) -> Mapping[str, Any]:
        """Terms, whose word meaning, genres that reached no tag, items without any term, songs no film can reach."""
        reached = {tag for tags in self._genre_tags.values() for tag in tags}
        songs = self._vectors["tracks"]
        near = np.array([term in reached for term in self._terms], dtype=np.bool_)[songs.terms]
        owners = np.repeat(np.arange(len(songs.starts) - 1), np.diff(songs.starts))
        return {
            "terms": len(self._terms),
            "word_meaning": self._words,
            "terms_reached": len(reached),
            "tracks_out_of_reach": len(songs.starts) - 1 - len(np.unique(owners[near])),
            "genres": len(self._genre_tags),
            "genres_without_tags": sorted(genre for genre, tags in self._genre_tags.items() if not tags),
            "items_without_terms": {
                medium: int((np.diff(rows.starts) == 0).sum()) for medium, rows in self._vectors.items()
            },
        }

    @property
    def genre_tags(self) -> Mapping[str, Sequence[str]]:
        """The map: genre in lower case → tags, nearest first."""
        return self._genre_tags

    def write(self, folder: Path) -> None:
        """Write the map with the terms as JSON, and three arrays per medium."""
        folder.mkdir(parents=True, exist_ok=True)
        card = {"terms": self._terms, "genre_tags": self._genre_tags, "word_meaning": self._words}
        text = json.dumps(card, ensure_ascii=False, indent=1, sort_keys=True)
        (folder / _CARD).write_text(text + "\n", encoding="utf-8")
        for medium, rows in self._vectors.items():
            for name in _ARRAYS:
                np.save(folder / f"{medium}_{name}.npy", getattr(rows, name), allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read what ``write`` wrote; raises ``VersionDamaged``."""
        card = read_plain(folder / _CARD)
        try:
            vectors: dict[Medium, _TermRows] = {
                medium: _TermRows(
                    **{
                        name: read_array(folder / f"{medium}_{name}.npy", dtype, 1)
                        for name, dtype in _ARRAYS.items()
                    }
                )
                for medium in _OTHER
            }
            return cls(card["terms"], card["genre_tags"], vectors, card["word_meaning"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise VersionDamaged(f"{folder.name} cannot be read as a crosstune method: {error}") from error

    def _profile(self, source: Medium, rows: Iterable[int] | Rows) -> Floats:
        """The mean direction of the rows over the terms: unit length, or zero."""
        vectors = self._vectors[source]
        profile = np.zeros(len(self._terms), dtype=np.float32)
        for row in rows:
            own = slice(vectors.starts[row], vectors.starts[row + 1])
            profile[vectors.terms[own]] += vectors.weights[own]
        length = np.linalg.norm(profile)
        return profile / length if length > 0 else profile

    def _cosines(self, profile: Floats, target: Medium) -> Floats:
        postings = self._postings[target]
        scores = np.zeros(len(self._vectors[target].starts) - 1, dtype=np.float32)
        for term in np.flatnonzero(profile):
            own = slice(postings.starts[term], postings.starts[term + 1])
            # A row has a term once, so no index repeats here.
            scores[postings.terms[own]] += profile[term] * postings.weights[own]
        return np.clip(scores, 0.0, 1.0, out=scores)


def _refuse_same(source: Medium, target: Medium) -> None:
    if source == target:
        raise UnsupportedQuery(
            f"crosstune goes between films and songs, not from {source} to {target}", "target"
        )


def _split(cell: str) -> list[str]:
    return [term for part in cell.split(SEPARATOR) if (term := part.strip().lower())]


def _map_genres(genres: Sequence[str], terms: Sequence[str], meanings: Floats) -> dict[str, list[str]]:
    """Genre → its nearest terms by the rows of ``meanings`` (genres, then terms); zero rows are near nothing."""
    lengths = np.linalg.norm(meanings, axis=1, keepdims=True)
    unit = meanings / np.where(lengths > 0, lengths, 1.0)
    cosines = unit[: len(genres)] @ unit[len(genres) :].T
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :_MOST_TAGS]
    return {
        genre: [terms[at] for at in nearest[row] if cosines[row, at] > _LEAST_COSINE]
        for row, genre in enumerate(genres)
    }


def _read_word_vectors(path: Path, phrases: Sequence[str]) -> Floats:
    """Vectors of phrases, each the mean of its words' in a file of GloVe's text layout; zero where none is there.

    A word that is not there as it stands ("power-pop") is taken apart at what is neither letter nor digit.
    Raises ``UnreadableFile``.
    """
    pieces = {word: re.findall(r"\w+", word) for phrase in phrases for word in phrase.split()}
    wanted = pieces.keys() | {piece for some in pieces.values() for piece in some}
    found: dict[str, Floats] = {}
    width = 0
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                word, _, rest = line.partition(" ")
                # word2vec's text layout opens with how many words and numbers there are.
                if width == 0 and len(rest.split()) > 1:
                    width = len(rest.split())
                if width == 0 or word not in wanted or word in found:
                    continue
                values = rest.split()
                if len(values) < width:
                    raise UnreadableFile(f"{path}, line {number}: {len(values)} numbers, not {width}")
                # More than the width is another word, one with a space in it.
                if len(values) == width:
                    found[word] = np.array(values, dtype=np.float32)
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{path} is not a file of word vectors: {error}") from error
    if not found:
        raise UnreadableFile(f"{path} has no vector for any word of the genres and tags")
    means = np.zeros((len(phrases), width), dtype=np.float32)
    for row, phrase in enumerate(phrases):
        words = [piece for word in phrase.split() for piece in ([word] if word in found else pieces[word])]
        known = [found[word] for word in words if word in found]
        if known:
            means[row] = np.mean(known, axis=0)
    return means


def _weigh(
    documents: Iterable[Iterable[str]], terms: Sequence[str], idf: npt.NDArray[np.float64]
) -> _TermRows:
    """TF-IDF rows at unit length over ``terms``; other terms are left out."""
    place = {term: at for at, term in enumerate(terms)}
    starts, columns, weights = [0], [np.empty(0, np.int32)], [np.empty(0, np.float32)]
    for document in documents:
        counts = sorted(Counter(place[term] for term in document if term in place).items())
        if counts:
            at, times = (np.array(side) for side in zip(*counts, strict=True))
            weight = times * idf[at]
            columns.append(at.astype(np.int32))
            weights.append((weight / np.linalg.norm(weight)).astype(np.float32))
        starts.append(starts[-1] + len(counts))
    return _TermRows(np.array(starts, np.int64), np.concatenate(columns), np.concatenate(weights))


def _transpose(rows: _TermRows, terms: int) -> _TermRows:
    """From row → terms to term → rows."""
    if len(rows.terms) and not 0 <= int(rows.terms.min()) <= int(rows.terms.max()) < terms:
        raise ValueError("a row has a term that is not in the vocabulary")
    order = np.argsort(rows.terms, kind="stable")
    owners = np.repeat(np.arange(len(rows.starts) - 1, dtype=np.int32), np.diff(rows.starts))
    counts = np.bincount(rows.terms, minlength=terms)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
    return _TermRows(starts, owners[order], rows.weights[order])
