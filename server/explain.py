"""Says why a hit is one: the terms of its raw score, in a person's words. Nothing is added or left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium, Movie, Track, other_medium
from indexer.features.mood_scale import describe_mood
from indexer.index_version import IndexVersion
from server.ranking import Asked, Inputs

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

#: Words worth naming as shared; a longer list is no longer a reason.
_MOST_SHARED = 5
_MOST_EMOTIONS = 2
#: Moods closer than this on both axes (of a scale of 1) are called the same.
_SAME_MOOD = 0.2
#: Multiplications of a matrix product that OpenBLAS does in the calling thread.
_SMALL_PRODUCT = 2**18

#: What a term says that speaks against a hit.
_UNLIKE = {
    "text": "their descriptions mean different things",
    "themes": "their themes differ",
    "mood": "their moods differ",
    "emotion": "they differ in emotion",
    "learned": "unlike songs and films of known soundtracks",
    "dials": "the dials ask for something else",
    "hub": "fits almost anything, so it counts for less",
}


class Reason(NamedTuple):
    """One term of the raw score: its name, what it adds, and what it says in words."""

    term: str
    value: float
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """The hits of a page: rows (n,), their vectors (n, dimension), and what they are."""

    rows: Rows
    vectors: Floats
    items: Sequence[Movie | Track]


class Explainer:
    """Words for the terms of one version's scores; safe to use from many threads."""

    def __init__(self, version: IndexVersion) -> None:
        self._version = version
        blocks = version.space.blocks
        self._blocks = [block.name for block in blocks if block.start < block.stop]
        self._starts = [block.start for block in blocks if block.start < block.stop]
        self._emotion_start = next((block.start for block in blocks if block.name == "emotion"), 0)

    def explain(
        self,
        asked: Asked,
        wanted: Inputs,
        words: Iterable[str],
        target: Medium,
        page: Page,
    ) -> list[tuple[Reason, ...]]:
        """Reasons of each hit, the largest first; they add up to its raw score. ``words``: what was asked in words."""
        if not len(page.rows):
            return []
        labels = set(words)
        for medium, places in wanted.rows.items():
            for item in self._items(medium, places):
                labels |= _labels(item)
        for placed in wanted.placed:
            labels |= _labels(placed.item)
        shared_names, named = self._names(asked, target, page.rows)
        said: dict[str, Callable[[int], str]] = {
            "text": lambda place: _say_shared(labels, page.items[place]),
            "themes": lambda _: "alike in their themes",
            "mood": self._say_moods(self._wanted_mood(wanted), self._version.moods[target][page.rows]),
            "emotion": self._say_emotions(asked.vector, page.vectors),
            "learned": self._say_pairs(asked.vector, page.vectors, wanted, target),
            "dials": lambda _: "as the dials ask",
            "hub": lambda _: "seldom fits anything else, so it counts for more",
        }
        explained = []
        for place, values in enumerate(self._terms(asked.vector, page.vectors)):
            # A term of exactly nothing (a medium without data, a dial left alone) is no reason.
            reasons = [
                Reason(name, value, said[name](place) if value > 0 else _UNLIKE[name])
                for name, value in zip(self._blocks, values, strict=True)
                if value != 0
            ]
            if shared_names[place] > 0:
                names = ", ".join(named[place])
                reasons.append(Reason("names", shared_names[place], f"named by both: {names}"))
            reasons.sort(key=_by_value, reverse=True)
            explained.append(tuple(reasons))
        return explained

    def _terms(self, query: Floats, items: Floats) -> list[list[float]]:
        """What each block adds to the score of each item, as ``Space.terms`` has it, in one pass."""
        products = np.multiply(items, query.astype(np.float64))
        terms: list[list[float]] = np.add.reduceat(products, self._starts, axis=1).tolist()
        return terms

    def _names(self, asked: Asked, target: Medium, rows: Rows) -> tuple[list[float], list[list[str]]]:
        """What shared names add to the score of each row, and which they are."""
        if asked.names_weight <= 0 or not len(asked.names.columns):
            return [0.0] * len(rows), [[]] * len(rows)
        values, named = self._version.names.explain(asked.names, target, rows)
        return (asked.names_weight * values.astype(np.float64)).tolist(), named

    def _items(self, medium: Medium, rows: Sequence[int]) -> Sequence[Movie | Track]:
        store = self._version.store
        return store.movies(rows) if medium == "movies" else store.tracks(rows)

    def _wanted_mood(self, wanted: Inputs) -> Floats:
        """Mean mood (2,) of the items that are wanted, NaN where none is known."""
        if wanted.count == 1 and not wanted.texts and not wanted.placed:
            medium, (row,) = next((medium, rows) for medium, rows in wanted.rows.items() if len(rows))
            only: Floats = self._version.moods[medium][row]
            return only
        moods = [self._version.moods[medium][list(rows)] for medium, rows in wanted.rows.items() if len(rows)]
        moods += [placed.mood[None] for placed in wanted.placed]
        stacked = np.concatenate(moods) if moods else np.full((1, 2), np.nan, dtype=np.float32)
        known = (~np.isnan(stacked)).sum(axis=0)
        total = np.nansum(stacked, axis=0)
        mean: Floats = np.divide(total, known, out=np.full(2, np.nan, dtype=np.float32), where=known > 0)
        return mean

    def _say_emotions(self, vector: Floats, items: Floats) -> Callable[[int], str]:
        model = self._version.space.emotion
        if model is None:
            return lambda _: "alike in emotion"
        columns = slice(self._emotion_start, self._emotion_start + len(model.words))
        asked = np.maximum(vector[columns], 0)
        if not asked.any():
            return lambda _: "alike in valence and arousal"
        # Two that both lack an emotion do not speak of it.
        shared = asked * np.maximum(items[:, columns], 0)
        order = np.argsort(-shared, axis=1)[:, :_MOST_EMOTIONS]

        def say(place: int) -> str:
            words = [model.words[at] for at in order[place].tolist() if shared[place, at] > 0]
            return f"both speak of {' and '.join(words)}" if words else "alike in valence and arousal"

        return say

    @staticmethod
    def _say_moods(wanted: Floats, found: Floats) -> Callable[[int], str]:
        middle = ((wanted + found) / 2).tolist()
        # Unknown moods are like none.
        same = (np.abs(wanted - found) < _SAME_MOOD).all(axis=1).tolist()
        plain = found.tolist()

        def say(place: int) -> str:
            if same[place]:
                return f"both {_describe(*middle[place])}"
            return f"mood: {_describe(*plain[place])}"

        return say

    @cached_property
    def _pairs(self) -> _Pairs | None:
        """The films and songs of the known pairs, None where nothing was learned from any."""
        pairs, indexes, store = self._version.pairs, self._version.indexes, self._version.store
        block = self._version.space.block("learned")
        if not len(pairs) or block.start == block.stop:
            return None
        columns = slice(block.start, block.stop)
        movies, tracks = pairs[:, 0].tolist(), pairs[:, 1].tolist()
        return _Pairs(
            columns,
            {
                "movies": np.ascontiguousarray(indexes["movies"].vectors(movies)[:, columns].T),
                "tracks": np.ascontiguousarray(indexes["tracks"].vectors(tracks)[:, columns].T),
            },
            [
                f"as “{song.title}” stands in “{film.title}”"
                for film, song in zip(store.movies(movies), store.tracks(tracks), strict=True)
            ],
        )

    def _say_pairs(
        self, vector: Floats, items: Floats, wanted: Inputs, target: Medium
    ) -> Callable[[int], str]:
        """Name, for each hit, the known pair that is nearest to the query and the hit at once."""
        pairs = self._pairs
        if pairs is None:
            return lambda _: "as songs and films of known soundtracks go together"
        other = other_medium(target)
        # Within a medium both are likened to the same side of the pair.
        here = pairs.sides[target]
        there = pairs.sides[other] if wanted.holds(other) or not wanted.holds(target) else here
        learned = np.ascontiguousarray(items[:, pairs.columns])
        asked = np.einsum("k,kp->p", vector[pairs.columns], there)
        # In small products, of two rows at least (the last one twice where they are odd): BLAS shares others among
        # threads, whose start costs more than the work.
        learned = np.concatenate([learned, learned[-1:]]) if len(learned) % 2 else learned
        some = max(2, _SMALL_PRODUCT // here.size // 2 * 2)
        likeness = np.empty((len(learned), here.shape[1]), dtype=np.float32)
        for first in range(0, len(learned), some):
            np.matmul(learned[first : first + some], here, out=likeness[first : first + some])
        likeness += asked
        nearest = likeness.argmax(axis=1).tolist()
        return lambda place: pairs.said[nearest[place]]


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Known pairs: their learned ``columns`` of a vector, both ``sides`` there (k, pairs), and what is said of each."""

    columns: slice
    sides: dict[Medium, Floats]
    said: list[str]


def _describe(valence: float, arousal: float) -> str:
    """A mood in words; those of a fifth of the scale are all the same, and looked up."""
    if valence != valence or arousal != arousal:  # unknown
        return describe_mood(valence, arousal)
    return _describe_fifths(int(valence * 5), int(arousal * 5))


@lru_cache(maxsize=64)
def _describe_fifths(valence: int, arousal: int) -> str:
    return describe_mood((valence + 0.5) / 5, (arousal + 0.5) / 5)


def _by_value(reason: Reason) -> float:
    return reason.value


def _labels(item: Movie | Track) -> set[str]:
    words = (*item.genres, *(item.keywords if isinstance(item, Movie) else item.tags))
    return {word.casefold() for word in words}


def _say_shared(labels: set[str], item: Movie | Track) -> str:
    words = item.genres + (item.keywords if isinstance(item, Movie) else item.tags)
    shared = {word for word in map(str.casefold, words) if word in labels} if labels and words else ()
    if not shared:
        return "alike in what their descriptions mean"
    return f"shared: {', '.join(sorted(shared)[:_MOST_SHARED])}"
