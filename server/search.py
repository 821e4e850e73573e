"""Search: a query in, ranked hits with their reasons out. Knows nothing of HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium, Movie, Track
from indexer.errors import QueryError, UnknownItem
from indexer.features.mood_scale import describe_mood
from indexer.filter_columns import Filters
from indexer.index_version import IndexVersion, open_version

Floats = npt.NDArray[np.float32]

METHODS = ("segue",)
NO_FILTERS = Filters()
#: Words worth naming as shared; a longer list is no longer a reason.
_MOST_SHARED = 5
_CACHED_TEXTS = 1024


@dataclass(frozen=True, slots=True)
class Query:
    """What is wanted: items and words to be near, items and words to stay away from, filters, and a page."""

    target: Medium
    tracks: tuple[str, ...] = ()
    movies: tuple[str, ...] = ()
    text: str = ""
    avoid_tracks: tuple[str, ...] = ()
    avoid_movies: tuple[str, ...] = ()
    avoid_text: str = ""
    filters: Filters = NO_FILTERS
    limit: int = 10
    offset: int = 0
    explain: bool = True
    method: str = "segue"


@dataclass(frozen=True, slots=True)
class Reason:
    """One term of the raw score: its name, what it adds, and what it says in words."""

    term: str
    value: float
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer. ``score`` is the match score in [0, 1]; the values of ``reasons`` add up to ``raw_score``."""

    id: str
    rank: int
    score: float
    raw_score: float
    reasons: tuple[Reason, ...]
    item: Movie | Track


@dataclass(frozen=True, slots=True)
class Answer:
    """A page of hits; ``total`` counts all rows that could have been returned."""

    index_version: str
    total: int
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class _Inputs:
    vectors: Floats
    rows: dict[Medium, list[int]]


class Search:
    """Answers queries from one opened index version; safe to use from many threads."""

    def __init__(self, version: IndexVersion) -> None:
        self._version = version
        self._embed = lru_cache(maxsize=_CACHED_TEXTS)(self._embed_text)

    @classmethod
    def open(cls, indexes: Path) -> Search:
        """Open the published version; raises ``VersionError``."""
        return cls(open_version(indexes))

    @property
    def name(self) -> str:
        """The version that answers."""
        return self._version.name

    @property
    def manifest(self) -> dict[str, Any]:
        """The version's manifest."""
        return self._version.manifest

    def close(self) -> None:
        """Release the version's files."""
        self._version.close()

    def item(self, medium: Medium, id: str) -> Movie | Track:
        """The item with this id; raises ``UnknownItem``."""
        return self._items(medium, [self._version.store.row(medium, id)])[0]

    def look_up(self, medium: Medium, text: str, limit: int) -> list[tuple[float, Movie | Track]]:
        """Items by title and artist, best first, each with how well it fits in [0, 1]."""
        found = self._version.store.look_up(medium, text, limit)
        items = self._items(medium, [entry.row for entry in found])
        return [(entry.score, item) for entry, item in zip(found, items, strict=True)]

    def find(self, query: Query) -> Answer:
        """Rank the items of ``query.target``; the inputs themselves are never among the answers.

        Raises ``QueryError`` (nothing to search by, unknown method), ``UnknownItem`` or ``BadFilter``.
        """
        if query.method not in METHODS:
            raise QueryError(f"unknown method {query.method!r}; known: {', '.join(METHODS)}", "method")
        wanted = self._gather(query.movies, query.tracks, query.text, "")
        if not len(wanted.vectors):
            raise QueryError("nothing to search by: give tracks, movies or text", "")
        avoided = self._gather(query.avoid_movies, query.avoid_tracks, query.avoid_text, "avoid.")
        vector = self._version.space.combine(wanted.vectors, avoided.vectors)
        allowed = self._allowed(query, [*wanted.rows[query.target], *avoided.rows[query.target]])
        total = int(allowed.sum())
        if query.offset >= total:
            return Answer(self.name, total, ())
        index = self._version.indexes[query.target]
        found = index.search(vector, query.limit, query.offset, None if total == len(allowed) else allowed)
        scores = self._version.space.curve.apply(found.scores)
        items = self._items(query.target, found.rows.tolist())
        reasons = (
            self._explain(query, wanted, vector, found.rows, items) if query.explain else [()] * len(items)
        )
        hits = tuple(
            Hit(
                item.id, query.offset + place + 1, float(scores[place]), float(found.scores[place]), why, item
            )
            for place, (item, why) in enumerate(zip(items, reasons, strict=True))
        )
        return Answer(self.name, total, hits)

    def _items(self, medium: Medium, rows: Sequence[int]) -> Sequence[Movie | Track]:
        store = self._version.store
        return store.movies(rows) if medium == "movies" else store.tracks(rows)

    def _embed_text(self, text: str) -> Floats:
        return self._version.space.ask_text(self._version.encoder.encode([text])[0])

    def _gather(self, movies: Sequence[str], tracks: Sequence[str], text: str, prefix: str) -> _Inputs:
        rows: dict[Medium, list[int]] = {"movies": [], "tracks": []}
        parts: list[Floats] = []
        wanted: tuple[tuple[Medium, Sequence[str]], ...] = (("movies", movies), ("tracks", tracks))
        for medium, ids in wanted:
            try:
                # The same song twice, or under two ids, is one wish.
                rows[medium] = list(dict.fromkeys(self._version.store.rows(medium, list(ids))))
            except UnknownItem as error:
                raise UnknownItem(str(error), f"{prefix}{medium}") from error
            if rows[medium]:
                parts.append(self._version.indexes[medium].vectors(rows[medium]))
        if text.strip():
            parts.append(self._embed(text.strip())[None])
        dimension = self._version.space.dimension
        vectors = np.concatenate(parts) if parts else np.zeros((0, dimension), dtype=np.float32)
        return _Inputs(vectors, rows)

    def _allowed(self, query: Query, inputs: Iterable[int]) -> npt.NDArray[np.bool_]:
        columns = self._version.filters[query.target]
        mask = columns.mask(query.filters)
        allowed = np.ones(columns.size, dtype=np.bool_) if mask is None else mask.copy()
        allowed[list(inputs)] = False
        return allowed

    def _explain(
        self,
        query: Query,
        wanted: _Inputs,
        vector: Floats,
        rows: npt.NDArray[np.int64],
        items: Sequence[Movie | Track],
    ) -> list[tuple[Reason, ...]]:
        if not len(rows):
            return []
        space = self._version.space
        terms = space.terms(vector, self._version.indexes[query.target].vectors(rows.tolist()))
        asked: set[str] = set(query.text.casefold().replace(",", " ").split())
        for medium, places in wanted.rows.items():
            for item in self._items(medium, places):
                asked |= _labels(item)
        moods = self._version.moods[query.target]
        explained = []
        for place, item in enumerate(items):
            texts = {
                "text": _say_shared(asked & _labels(item)),
                "mood": f"mood: {describe_mood(*(float(v) for v in moods[rows[place]]))}",
                "hub": "fits almost anything, so it counts for less",
            }
            # A term of exactly nothing (a medium without data, the hub before it is fitted) is no reason.
            reasons = [
                Reason(block.name, float(terms[place, number]), texts[block.name])
                for number, block in enumerate(space.blocks)
                if terms[place, number] != 0
            ]
            explained.append(tuple(sorted(reasons, key=lambda reason: -reason.value)))
        return explained


def _labels(item: Movie | Track) -> set[str]:
    words = (*item.genres, *(item.keywords if isinstance(item, Movie) else item.tags))
    return {word.casefold() for word in words}


def _say_shared(shared: set[str]) -> str:
    if not shared:
        return "alike in what their descriptions mean"
    return f"shared: {', '.join(sorted(shared)[:_MOST_SHARED])}"


__all__ = ["METHODS", "Answer", "Hit", "Query", "Reason", "Search"]
