"""Search: a query in, ranked hits with their reasons out. Knows nothing of HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer import methods
from indexer.catalogue.records import Medium, Movie, Track
from indexer.errors import QueryError, UnknownItem, UnsupportedQuery
from indexer.filter_columns import Filters
from indexer.index_version import METHODS as METHODS_FOLDER
from indexer.index_version import IndexVersion, open_version, report_file
from indexer.methods.method import Method
from indexer.space import MEDIA, NO_DIALS, Dials
from server.explain import Explainer, Reason
from server.ranking import DIVERSE_POOL, Inputs, ask, diversify, nearest_inputs, rank

Floats = npt.NDArray[np.float32]

SEGUE = "segue"
METHODS = (SEGUE, *methods.names())
NO_FILTERS = Filters()
#: Below this match score a pair is more likely a random one than a real one.
GOOD_MATCH = 0.5
_CACHED_TEXTS = 1024


@dataclass(frozen=True, slots=True)
class Query:
    """What is wanted: items and words to be near, others to stay away from, filters, dials and a page.

    ``diversity`` 0 … 1: how much results should differ from each other.
    """

    target: Medium
    tracks: tuple[str, ...] = ()
    movies: tuple[str, ...] = ()
    text: str = ""
    avoid_tracks: tuple[str, ...] = ()
    avoid_movies: tuple[str, ...] = ()
    avoid_text: str = ""
    filters: Filters = NO_FILTERS
    dials: Dials = NO_DIALS
    diversity: float = 0.0
    limit: int = 10
    offset: int = 0
    explain: bool = True
    method: str = SEGUE


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer. ``score`` is the match score in [0, 1]; the values of ``reasons`` add up to ``raw_score``.

    ``based_on``: the id of the input that the hit is nearest to ("text" for the words); without it the score is lower
    wherever there are several. None from methods other than segue.
    """

    id: str
    rank: int
    score: float
    raw_score: float
    reasons: tuple[Reason, ...]
    item: Movie | Track
    based_on: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A page of hits; ``total`` counts all rows that could have been returned.

    ``good_match``: whether the best of all hits, on whatever page, is more likely a real match than a random one.
    """

    index_version: str
    total: int
    hits: tuple[Hit, ...]
    good_match: bool = False


class Search:
    """Answers queries from one opened index version; safe to use from many threads."""

    def __init__(self, version: IndexVersion) -> None:
        self._version = version
        self._explainer = Explainer(version)
        self._embed = lru_cache(maxsize=_CACHED_TEXTS)(self._embed_text)
        self._method = lru_cache(maxsize=None)(self._open_method)

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

    @property
    def report(self) -> Path | None:
        """The page of this version's evaluation, if one was written."""
        path = report_file(self._version.folder.parent, self.name)
        return path if path.is_file() else None

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
        if not wanted.count:
            raise QueryError("nothing to search by: give tracks, movies or text", "")
        avoided = self._gather(query.avoid_movies, query.avoid_tracks, query.avoid_text, "avoid.")
        allowed = self._allowed(query, [*wanted.rows[query.target], *avoided.rows[query.target]])
        total = int(allowed.sum())
        if query.method != SEGUE:
            return self._find_by_method(query, wanted, avoided, allowed, total)
        asked = ask(self._version, wanted, avoided, query.dials, query.target)
        depth = min(query.offset + query.limit, total)
        if query.diversity > 0:
            depth = min(max(depth, DIVERSE_POOL), total)
        if not total:
            return Answer(self.name, total, ())
        rows, raw = rank(
            self._version, asked, query.target, depth, None if total == len(allowed) else allowed
        )
        scores = self._version.space.curve_for(query.target).apply(raw)
        good = bool(len(scores)) and float(scores[0]) >= GOOD_MATCH
        page = diversify(self._version, query.target, rows, raw, query.diversity)
        page = page[query.offset : query.offset + query.limit]
        items = self._items(query.target, rows[page].tolist())
        reasons: Sequence[tuple[Reason, ...]] = [()] * len(items)
        if query.explain:
            words = query.text.casefold().replace(",", " ").split()
            reasons = self._explainer.explain(asked, wanted, words, query.target, rows[page], items)
        nearest = nearest_inputs(self._version, asked, query.target, rows[page])
        hits = tuple(
            Hit(item.id, query.offset + place + 1, float(scores[at]), float(raw[at]), why, item, near)
            for place, (at, item, why, near) in enumerate(
                zip(page.tolist(), items, reasons, self._name_inputs(wanted, nearest), strict=True)
            )
        )
        return Answer(self.name, total, hits, good)

    def _name_inputs(self, wanted: Inputs, numbers: npt.NDArray[np.int64]) -> list[str]:
        names = [id for medium in MEDIA for id in self._version.store.ids(medium, list(wanted.rows[medium]))]
        names += ["text"] * len(wanted.texts)
        return [names[number] for number in numbers.tolist()]

    def _find_by_method(
        self, query: Query, wanted: Inputs, avoided: Inputs, allowed: npt.NDArray[np.bool_], total: int
    ) -> Answer:
        """Rank by another method. Its match score is the share of the gallery that scores lower."""
        for field, given in (
            ("text", wanted.texts),
            ("avoid", avoided.count),
            ("mood", bool(query.dials.valence or query.dials.energy)),
            ("popularity", query.dials.popularity),
            ("diversity", query.diversity),
        ):
            if given:
                raise UnsupportedQuery(f"the method {query.method} takes tracks and movies only", field)
        method = self._method(query.method)
        inputs = {medium: np.array(rows, dtype=np.int64) for medium, rows in wanted.rows.items() if rows}
        all_scores = method.scores_together(inputs, query.target)
        places = np.flatnonzero(allowed)
        order = places[np.argsort(-all_scores[places], kind="stable")]
        page = order[query.offset : query.offset + query.limit]
        ranked = np.sort(all_scores)
        shares = np.searchsorted(ranked, all_scores[page]) / max(len(ranked) - 1, 1)
        hits = tuple(
            Hit(
                item.id,
                query.offset + place + 1,
                float(shares[place]),
                float(all_scores[row]),
                (Reason(query.method, float(all_scores[row]), method.about),) if query.explain else (),
                item,
            )
            for place, (row, item) in enumerate(
                zip(page.tolist(), self._items(query.target, page.tolist()), strict=True)
            )
        )
        # Scores of other methods are not calibrated, so nothing is claimed of them beyond there being hits.
        return Answer(self.name, total, hits, bool(total))

    def _open_method(self, name: str) -> Method:
        held = self.manifest["methods"].get(name, {"missing": "it was built without --methods"})
        if "missing" in held:
            raise QueryError(f"the method {name} is not in this version: {held['missing']}", "method")
        return methods.open_method(self._version.folder / METHODS_FOLDER, name)

    def _items(self, medium: Medium, rows: Sequence[int]) -> Sequence[Movie | Track]:
        store = self._version.store
        return store.movies(rows) if medium == "movies" else store.tracks(rows)

    def _embed_text(self, text: str) -> Floats:
        embedding: Floats = self._version.encoder.encode([text])[0]
        return embedding

    def _gather(self, movies: Sequence[str], tracks: Sequence[str], text: str, prefix: str) -> Inputs:
        rows: dict[Medium, list[int]] = {"movies": [], "tracks": []}
        wanted: tuple[tuple[Medium, Sequence[str]], ...] = (("movies", movies), ("tracks", tracks))
        for medium, ids in wanted:
            try:
                # The same song twice, or under two ids, is one wish.
                rows[medium] = list(dict.fromkeys(self._version.store.rows(medium, list(ids))))
            except UnknownItem as error:
                raise UnknownItem(str(error), f"{prefix}{medium}") from error
        return Inputs(rows, (self._embed(text.strip()),) if text.strip() else ())

    def _allowed(self, query: Query, inputs: Iterable[int]) -> npt.NDArray[np.bool_]:
        columns = self._version.filters[query.target]
        mask = columns.mask(query.filters)
        allowed = np.ones(columns.size, dtype=np.bool_) if mask is None else mask.copy()
        allowed[list(inputs)] = False
        return allowed


__all__ = ["GOOD_MATCH", "METHODS", "SEGUE", "Answer", "Hit", "Query", "Reason", "Search"]
