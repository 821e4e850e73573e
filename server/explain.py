"""Says why a hit is one: the terms of its raw score, in a person's words. Nothing is added or left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

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


@dataclass(frozen=True, slots=True)
class Reason:
    """One term of the raw score: its name, what it adds, and what it says in words."""

    term: str
    value: float
    text: str


class Explainer:
    """Words for the terms of one version's scores; safe to use from many threads."""

    def __init__(self, version: IndexVersion) -> None:
        self._version = version

    def explain(
        self,
        asked: Asked,
        wanted: Inputs,
        words: Iterable[str],
        target: Medium,
        rows: Rows,
        items: Sequence[Movie | Track],
    ) -> list[tuple[Reason, ...]]:
        """Reasons of each hit, the largest first; they add up to its raw score. ``words``: what was asked in words."""
        if not len(rows):
            return []
        space = self._version.space
        vectors = self._version.indexes[target].vectors(rows.tolist())
        terms = space.terms(asked.vector, vectors)
        shared_names = self._version.names.value(asked.names, target, rows)
        labels = set(words)
        for medium, places in wanted.rows.items():
            for item in self._items(medium, places):
                labels |= _labels(item)
        mood = self._wanted_mood(wanted)
        pairs = self._say_pairs(asked.vector, vectors, wanted, target)
        explained = []
        for place, item in enumerate(items):
            texts = {
                "text": _say_shared(labels & _labels(item)),
                "themes": "alike in their themes",
                "mood": _say_mood(mood, self._version.moods[target][rows[place]]),
                "emotion": self._say_emotion(asked.vector, vectors[place]),
                "learned": pairs[place],
                "dials": "as the dials ask",
                "hub": "seldom fits anything else, so it counts for more",
            }
            # A term of exactly nothing (a medium without data, a dial left alone) is no reason.
            reasons = [
                Reason(
                    block.name,
                    float(terms[place, number]),
                    texts[block.name] if terms[place, number] > 0 else _UNLIKE[block.name],
                )
                for number, block in enumerate(space.blocks)
                if terms[place, number] != 0
            ]
            if shared_names[place] > 0 and asked.names_weight > 0:
                found = self._version.names.shared_terms(asked.names, target, int(rows[place]))
                value = asked.names_weight * float(shared_names[place])
                reasons.append(Reason("names", value, f"named by both: {', '.join(found)}"))
            explained.append(tuple(sorted(reasons, key=lambda reason: -reason.value)))
        return explained

    def _items(self, medium: Medium, rows: Sequence[int]) -> Sequence[Movie | Track]:
        store = self._version.store
        return store.movies(rows) if medium == "movies" else store.tracks(rows)

    def _wanted_mood(self, wanted: Inputs) -> Floats:
        """Mean mood (2,) of the items that are wanted, NaN where none is known."""
        moods = [self._version.moods[medium][list(rows)] for medium, rows in wanted.rows.items() if len(rows)]
        stacked = np.concatenate(moods) if moods else np.full((1, 2), np.nan, dtype=np.float32)
        known = (~np.isnan(stacked)).sum(axis=0)
        total = np.nansum(stacked, axis=0)
        mean: Floats = np.divide(total, known, out=np.full(2, np.nan, dtype=np.float32), where=known > 0)
        return mean

    def _say_emotion(self, vector: Floats, item: Floats) -> str:
        model = self._version.space.emotion
        if model is None:
            return "alike in emotion"
        block = self._version.space.block("emotion")
        words = slice(block.start, block.start + len(model.words))
        # Two that both lack an emotion do not speak of it.
        shared = np.maximum(vector[words], 0) * np.maximum(item[words], 0)
        best = [number for number in np.argsort(-shared)[:_MOST_EMOTIONS].tolist() if shared[number] > 0]
        if not best:
            return "alike in valence and arousal"
        return f"both speak of {' and '.join(model.words[number] for number in best)}"

    @cached_property
    def _pairs(self) -> tuple[Floats, Floats]:
        """Learned coordinates of the films and songs of the known pairs: (n, k) each."""
        block = self._version.space.block("learned")
        pairs, indexes = self._version.pairs, self._version.indexes
        movies, tracks = (
            indexes["movies"].vectors(pairs[:, 0].tolist()),
            indexes["tracks"].vectors(pairs[:, 1].tolist()),
        )
        return movies[:, block.start : block.stop], tracks[:, block.start : block.stop]

    def _say_pairs(self, vector: Floats, items: Floats, wanted: Inputs, target: Medium) -> list[str]:
        """Name, for each hit, the known pair that is nearest to the query and the hit at once."""
        block = self._version.space.block("learned")
        if not len(self._version.pairs) or block.start == block.stop:
            return ["as songs and films of known soundtracks go together"] * len(items)
        movies, tracks = self._pairs
        columns = slice(block.start, block.stop)
        # Within a medium both are likened to the same side of the pair.
        here, there = (movies, tracks) if target == "movies" else (tracks, movies)
        other = other_medium(target)
        asked_side = there if wanted.rows[other] or not wanted.rows[target] else here
        likeness = np.einsum("hk,pk->hp", items[:, columns], here) + asked_side @ vector[columns]
        nearest = self._version.pairs[likeness.argmax(axis=1)]
        films, songs = (np.unique(nearest[:, side], return_inverse=True) for side in (0, 1))
        titles = [film.title for film in self._version.store.movies(films[0].tolist())]
        names = [song.title for song in self._version.store.tracks(songs[0].tolist())]
        return [
            f"as “{names[song]}” stands in “{titles[film]}”"
            for film, song in zip(films[1].tolist(), songs[1].tolist(), strict=True)
        ]


def _labels(item: Movie | Track) -> set[str]:
    words = (*item.genres, *(item.keywords if isinstance(item, Movie) else item.tags))
    return {word.casefold() for word in words}


def _say_shared(shared: set[str]) -> str:
    if not shared:
        return "alike in what their descriptions mean"
    return f"shared: {', '.join(sorted(shared)[:_MOST_SHARED])}"


def _say_mood(wanted: Floats, found: Floats) -> str:
    if not np.isnan(wanted).any() and not np.isnan(found).any() and np.abs(wanted - found).max() < _SAME_MOOD:
        return f"both {describe_mood(*((wanted + found) / 2).tolist())}"
    return f"mood: {describe_mood(*found.tolist())}"
