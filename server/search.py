"""Search: a query in, ranked hits with their reasons out. Knows nothing of HTTP."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer import methods
from indexer.catalogue.records import Medium, Movie, Track, other_medium
from indexer.errors import QueryError, UnknownItem, UnsupportedQuery, VersionChanged
from indexer.features.mood_text import Understood
from indexer.filter_columns import NO_FILTERS, Facets, Filters
from indexer.index_folder import report_file
from indexer.index_version import METHODS as METHODS_FOLDER
from indexer.index_version import IndexVersion, open_version
from indexer.methods.method import Method
from indexer.playlists.entries import Entry
from indexer.playlists.resolving import Resolution, resolve
from indexer.ranking import DIVERSE_POOL, Inputs, ask, diversify, nearest_inputs, rank
from indexer.soundtracks import SOURCES
from indexer.space import MEDIA, NO_DIALS, Dials
from indexer.unseen import Placed
from indexer.unseen_items import UnseenItem, UnseenMovie, UnseenTrack, given_parts
from indexer.vector_index import Allowed
from server.answer_cache import AnswerCache
from server.explain import Explainer, Page, Reason
from server.map_points import MapPoints

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
#: Gets a stage of a search ("prepare", "rank", "explain") and the seconds it took.
OnStage = Callable[[str, float], None]

SEGUE = "segue"
METHODS = (SEGUE, *methods.names())
#: Below this match score a pair is more likely no good match than one.
GOOD_MATCH = 0.5
#: Answers kept in memory: some 25 kB each with their records, where ten hits are on a page, so 13 MB at most as long as
#: pages are that long.
KEPT_ANSWERS = 512
#: Larger pages are made anew: a few of them would take the memory of all others.
MOST_HITS = 20
#: Well-known items that are dealt to the pages of ``Search.pick``.
MOST_PICKS = 480
_CACHED_TEXTS = 1024
_CACHED_ITEMS = 256


@dataclass(frozen=True, slots=True)
class Query:
    """What is wanted: items and words to be near, others to stay away from, filters, dials and a page.

    ``diversity`` 0 … 1: how much results should differ from each other. ``facets``: count what the filters leave.
    ``index_version``: the only version that may answer, any where empty. ``items``: songs and films that the version
    does not hold, wanted like the others. ``unique``: of each recording and each artist the best
    first, what repeats one of them after all others.
    ``soundtrack``: tell the known pairs of the items as well.
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
    facets: bool = False
    index_version: str = ""
    items: tuple[UnseenItem, ...] = ()
    unique: bool = True
    soundtrack: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer. ``score`` is the match score in [0, 1]; the values of ``reasons`` add up to ``raw_score``.

    ``based_on``: the id of the input that the hit is nearest to ("text" for the words); without it the score is lower
    wherever there are several. None from methods other than segue. ``heard``: it is a known soundtrack pair with one
    of the inputs.
    """

    id: str
    rank: int
    score: float
    raw_score: float
    reasons: tuple[Reason, ...]
    item: Movie | Track
    based_on: str | None = None
    heard: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """A known soundtrack pair of an input: the item, and where that is known from (``indexer.soundtracks.SOURCES``)."""

    item: Movie | Track
    source: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A page of hits; ``total`` counts all rows that could have been returned, ``facets`` by what they are.

    ``good_match``: whether the best of all hits, on whatever page, is more likely a real match than a random one.
    ``unread``: for each of the query's items, the parts that played no part. ``soundtrack``: known pairs of the items
    with items of the target, all of them; None where nobody asked.
    """

    index_version: str
    total: int
    hits: tuple[Hit, ...]
    good_match: bool = False
    facets: Facets | None = None
    unread: tuple[tuple[str, ...], ...] = ()
    soundtrack: tuple[Known, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Scope:
    """The rows that may be returned: the ``allowed`` (all where None) but for ``left_out``; ``total`` of them."""

    allowed: Allowed | None
    left_out: list[int]
    total: int


class Search:
    """Answers queries from one opened index version; safe to use from many threads."""

    def __init__(self, version: IndexVersion, on_stage: OnStage | None = None) -> None:
        self._version = version
        self._on_stage = on_stage
        self._explainer = Explainer(version)
        self._answers: AnswerCache[Query, Answer] = AnswerCache(KEPT_ANSWERS)
        # Through a weak reference: in a circle, a version that is swapped out would keep its memory until the garbage
        # collector stops all threads for it.
        me = weakref.proxy(self)
        self._read = lru_cache(maxsize=_CACHED_TEXTS)(lambda text: me._read_text(text))
        self._place = lru_cache(maxsize=_CACHED_ITEMS)(lambda item: me._place_item(item))
        self._method = lru_cache(maxsize=None)(lambda name: me._open_method(name))

    @classmethod
    def open(cls, indexes: Path, on_stage: OnStage | None = None) -> Search:
        """Open the published version; raises ``VersionError``.

        ``on_stage`` hears of every stage of every search that is not answered from memory, in the caller's thread.
        """
        return cls(open_version(indexes), on_stage)

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

    def probe(self) -> None:
        """Raise ``EngineError`` where searches cannot be answered now, since their engine is out of reach."""
        for index in self._version.indexes.values():
            index.probe()

    def item(self, medium: Medium, id: str) -> Movie | Track:
        """The item with this id; raises ``UnknownItem``."""
        return self._items(medium, [self._version.store.row(medium, id)])[0]

    @cached_property
    def map_points(self) -> MapPoints | None:
        """The map's points; None in a version that was built without a map."""
        return MapPoints.of(self._version)

    def items_at(self, medium: Medium, rows: Sequence[int]) -> Sequence[Movie | Track]:
        """The items of these rows, in the order asked."""
        return self._items(medium, rows)

    def rows_of(self, medium: Medium, ids: Sequence[str]) -> list[int | None]:
        """The rows of these ids, in the order asked; None for an id that is not known."""
        return self._version.store.known_rows(medium, ids)

    def look_up(self, medium: Medium, text: str, limit: int) -> list[tuple[float, Movie | Track]]:
        """Items by title and artist, best first, each with how well it fits in [0, 1]."""
        found = self._version.store.look_up(medium, text, limit)
        items = self._items(medium, [entry.row for entry in found])
        return [(entry.score, item) for entry, item in zip(found, items, strict=True)]

    def resolve(self, entries: Sequence[Entry]) -> Resolution:
        """Find the songs of a playlist's entries; takes some milliseconds for each."""
        return resolve(self._version.store, entries)

    def pick(self, medium: Medium, page: int, limit: int) -> tuple[int, Sequence[Movie | Track]]:
        """Well-known items to choose from: how many pages there are, and one of them, from 0.

        The best-known items are dealt to the pages like cards, so that each holds some of the most famous.
        """
        known = self._version.filters[medium].best_known[:MOST_PICKS]
        pages = -(-len(known) // limit)
        return pages, self._items(medium, known[page::pages].tolist()) if page < pages else ()

    def find(self, query: Query) -> Answer:
        """Rank the items of ``query.target``; the inputs themselves are never among the answers.

        Raises ``QueryError`` (nothing to search by, unknown method), ``UnknownItem``, ``BadFilter`` or, for a
        query pinned to another index version, ``VersionChanged``.
        """
        if query.index_version and query.index_version != self.name:
            raise VersionChanged
        answer = self._answers.get(query)
        if answer is None:
            # One bound for all that a search asks of its engine.
            with self._version.indexes[query.target].bounded():
                answer = self._find(query)
            # Items may be large, and are seldom asked for twice.
            if len(answer.hits) <= MOST_HITS and not query.items:
                self._answers.put(query, answer)
        return answer

    def _find(self, query: Query) -> Answer:
        started = time.perf_counter()
        if query.method not in METHODS:
            raise QueryError(f"unknown method {query.method!r}; known: {', '.join(METHODS)}", "method")
        wanted = self._gather(query.movies, query.tracks, query.text, "")
        if not wanted.count and not query.items:
            raise QueryError("nothing to search by: give tracks, movies, text or items", "")
        if query.items:
            wanted = replace(wanted, placed=self._place_items(query))
        unread = tuple(item.unread for item in wanted.placed)
        avoided = self._gather(query.avoid_movies, query.avoid_tracks, query.avoid_text, "avoid.")
        scope = self._scope(query, wanted, avoided)
        facets = self._count(query.target, scope) if query.facets else None
        heard = self._heard(wanted, query.target)
        known = self._know(heard, query.target) if query.soundtrack else None
        if query.method != SEGUE:
            return self._find_by_method(query, wanted, avoided, scope, facets, known)
        if not scope.total:
            return Answer(self.name, 0, (), facets=facets, unread=unread, soundtrack=known)
        asked = ask(self._version, wanted, avoided, query.dials)
        prepared = self._report("prepare", started)
        depth = min(query.offset + query.limit, scope.total)
        if query.diversity > 0:
            depth = min(max(depth, DIVERSE_POOL), scope.total)
        rows, raw = rank(
            self._version, asked, query.target, depth, scope.allowed, scope.left_out, query.unique
        )
        scores = self._version.space.curve_for(wanted.source, query.target).apply(raw)
        if query.text:
            scores = scores * wanted.texts[0].sense
        good = bool(len(scores)) and float(scores[0]) >= GOOD_MATCH
        places = diversify(self._version, query.target, rows, raw, query.diversity)
        places = places[query.offset : query.offset + query.limit]
        ranked = self._report("rank", prepared)
        found = rows[places]
        items = self._items(query.target, found.tolist())
        page = Page(found, self._version.indexes[query.target].vectors(found.tolist()))
        reasons: Sequence[tuple[Reason, ...]] = [()] * len(items)
        if query.explain:
            reasons = self._explainer.explain(asked, wanted, query.target, page)
        based_on = self._name_inputs(wanted, nearest_inputs(asked, page.vectors))
        hits = tuple(
            Hit(item.id, rank, score, raw_score, why, item, near, row in heard)
            for rank, (item, score, raw_score, why, near, row) in enumerate(
                zip(
                    items,
                    scores[places].tolist(),
                    raw[places].tolist(),
                    reasons,
                    based_on,
                    found.tolist(),
                    strict=True,
                ),
                start=query.offset + 1,
            )
        )
        self._report("explain", ranked)
        return Answer(self.name, scope.total, hits, good, facets, unread, known)

    def _heard(self, wanted: Inputs, target: Medium) -> dict[int, str]:
        """Rows of ``target`` that are known soundtrack pairs of what is wanted → where that is known from."""
        other = other_medium(target)
        return {
            fact.row: fact.source
            for row in wanted.rows[other]
            for fact in reversed(self._version.soundtracks.of(other, row))
        }

    def _know(self, heard: Mapping[int, str], target: Medium) -> tuple[Known, ...]:
        """Known pairs to show, the surest and best known first, one recording of a song."""
        fame = self._version.filters[target].fame
        rows = sorted(heard, key=lambda row: (SOURCES.index(heard[row]), -fame[row], row))
        recordings = self._version.groups[target][rows, 0].tolist() if rows else []
        first = dict(zip(reversed(recordings), reversed(rows), strict=True))
        rows = [row for row, recording in zip(rows, recordings, strict=True) if first[recording] == row]
        return tuple(
            Known(item, heard[row]) for row, item in zip(rows, self._items(target, rows), strict=True)
        )

    def _report(self, stage: str, started: float) -> float:
        now = time.perf_counter()
        if self._on_stage is not None:
            self._on_stage(stage, now - started)
        return now

    def _name_inputs(self, wanted: Inputs, numbers: npt.NDArray[np.int64]) -> list[str]:
        if wanted.count == 1 and wanted.texts:
            return ["text"] * len(numbers)
        names = [item.id for medium in MEDIA for item in self._items(medium, wanted.rows[medium])]
        names += [item.item.id for item in wanted.placed] + ["text"] * len(wanted.texts)
        return [names[number] for number in numbers.tolist()]

    def _find_by_method(
        self,
        query: Query,
        wanted: Inputs,
        avoided: Inputs,
        scope: _Scope,
        facets: Facets | None,
        known: tuple[Known, ...] | None,
    ) -> Answer:
        """Rank by another method. Its match score is the share of the gallery that scores lower."""
        for field, given in (
            ("text", wanted.texts),
            ("items", wanted.placed),
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
        places = np.flatnonzero(self._mask_of(query.target, scope))
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
        return Answer(self.name, scope.total, hits, bool(scope.total), facets, soundtrack=known)

    def _open_method(self, name: str) -> Method:
        held = self.manifest["methods"].get(name, {"missing": "it was built without --methods"})
        if "missing" in held:
            raise QueryError(f"the method {name} is not in this version: {held['missing']}", "method")
        return methods.open_method(self._version.folder / METHODS_FOLDER, name)

    def _items(self, medium: Medium, rows: Sequence[int]) -> Sequence[Movie | Track]:
        if not rows:
            return ()
        store = self._version.store
        return store.movies(rows) if medium == "movies" else store.tracks(rows)

    def _read_text(self, text: str) -> Understood:
        return self._version.space.readers.text.understand(text, self._version.encoder.encode)

    def _place_items(self, query: Query) -> tuple[Placed, ...]:
        placed = []
        for number, item in enumerate(query.items):
            field = f"items.{number}"
            found = self._place(item)
            if given_parts(item).keys() <= set(found.unread):
                raise QueryError(
                    "nothing that is given of this item can be read; give a title or tags", field
                )
            placed.append(found)
        return tuple(placed)

    def _place_item(self, item: UnseenItem) -> Placed:
        placing = self._version.placing
        if placing is None:
            raise UnsupportedQuery(
                "this index version cannot take songs and films of one's own; build the index again", "items"
            )
        return placing.place(item)

    def _gather(self, movies: Sequence[str], tracks: Sequence[str], text: str, prefix: str) -> Inputs:
        rows: dict[Medium, list[int]] = {"movies": [], "tracks": []}
        wanted: tuple[tuple[Medium, Sequence[str]], ...] = (("movies", movies), ("tracks", tracks))
        for medium, ids in wanted:
            if not ids:
                continue
            try:
                # The same song twice, or under two ids, is one wish.
                rows[medium] = list(dict.fromkeys(self._version.store.rows(medium, list(ids))))
            except UnknownItem as error:
                raise UnknownItem(str(error), f"{prefix}{medium}") from error
        return Inputs(rows, (self._read(text.strip()),) if text.strip() else ())

    def _scope(self, query: Query, wanted: Inputs, avoided: Inputs) -> _Scope:
        columns = self._version.filters[query.target]
        mask = columns.mask(query.filters)
        left_out = list(dict.fromkeys([*wanted.rows[query.target], *avoided.rows[query.target]]))
        if mask is None:
            return _Scope(None, left_out, columns.size - len(left_out))
        left_out = [row for row in left_out if mask[row]]
        return _Scope(Allowed(mask, query.filters), left_out, int(np.count_nonzero(mask)) - len(left_out))

    def _mask_of(self, target: Medium, scope: _Scope) -> Mask:
        size = self._version.filters[target].size
        mask = np.ones(size, dtype=np.bool_) if scope.allowed is None else scope.allowed.mask.copy()
        mask[scope.left_out] = False
        return mask

    def _count(self, target: Medium, scope: _Scope) -> Facets:
        whole = scope.allowed is None and not scope.left_out
        return self._version.filters[target].facets(None if whole else self._mask_of(target, scope))


__all__ = [
    "GOOD_MATCH",
    "METHODS",
    "SEGUE",
    "Answer",
    "Facets",
    "Hit",
    "Query",
    "Reason",
    "Search",
    "UnseenItem",
    "UnseenMovie",
    "UnseenTrack",
]
