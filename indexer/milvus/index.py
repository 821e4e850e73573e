"""The vector index of one medium, where the vectors are in a collection of Milvus."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final

import numpy as np

from indexer.errors import EngineMismatch
from indexer.filter_columns import NO_FILTERS, FilterColumns
from indexer.milvus.collections import METRIC, ROW, VECTOR, Held, IndexChoice
from indexer.milvus.connection import Connection
from indexer.milvus.expressions import join, write_expression
from indexer.vector_index import Allowed, Neighbours, VectorIndex, check_rows, rank_rows
from indexer.vector_index.base import Floats, Rows

#: Most rows that Milvus returns for one search.
MOST_FOUND: Final = 16_384
#: Rows that are looked at past the last wanted one, to see whether the last score goes on.
_SPARE: Final = 16
#: Where no more are wanted, the vectors come with the hits: most pages are made of them.
_BROUGHT_ALONG: Final = 64
#: Vectors asked for at once: some 2 MB.
_FETCHED_BYTES: Final = 2 * 2**20
KEPT_BYTES: Final = 16 * 2**20
#: Below all scores.
_LOWEST: Final = -1e30
#: Depths of an approximate search: what it misses depends on how deep it looks, and pages have to agree.
_BLOCKS: Final = (64, 256, 1_024, 4_096, MOST_FOUND)
#: Collections are whole and unchanging when they are searched; anything stronger waits 200 ms for the clock of writes.
_CONSISTENCY: Final = "Eventually"


class MilvusIndex(VectorIndex):
    """Searches a collection; raises ``EngineError`` where Milvus does not answer.

    Filters go to Milvus as an expression; a mask only says how many rows they pass.
    """

    kind = "milvus"

    def __init__(self, connection: Connection, held: Held, columns: FilterColumns) -> None:
        super().__init__(f"searched on Milvus ({held.index.kind})")
        self._connection = connection
        self._held = held
        self._columns = columns
        self._kept: OrderedDict[int, Floats] = OrderedDict()
        self._most_kept = max(1, KEPT_BYTES // (4 * held.dimension))
        self._lock = threading.Lock()

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"collection": self._held.name, "kind": self._held.index.kind, "width": self._held.index.width}

    @property
    def size(self) -> int:
        return self._held.rows

    @property
    def dimension(self) -> int:
        return self._held.dimension

    @property
    def resident_bytes(self) -> int:
        return 4 * self.dimension * len(self._kept)

    def with_choice(self, choice: IndexChoice) -> MilvusIndex:
        """The same collection, searched with another width."""
        return MilvusIndex(self._connection, replace(self._held, index=choice), self._columns)

    def vectors(self, rows: Sequence[int] | Rows) -> Floats:
        wanted = check_rows(rows, self.size)
        found = np.empty((len(wanted), self.dimension), np.float32)
        missing: dict[int, list[int]] = {}
        with self._lock:
            for place, row in enumerate(wanted.tolist()):
                vector = self._kept.get(row)
                if vector is None:
                    missing.setdefault(row, []).append(place)
                else:
                    self._kept.move_to_end(row)
                    found[place] = vector
        step = max(1, _FETCHED_BYTES // (4 * self.dimension))
        lacking = sorted(missing)
        for start in range(0, len(lacking), step):
            for row, vector in self._fetch(lacking[start : start + step]).items():
                found[missing[row]] = vector
        return found

    def bounded(self) -> AbstractContextManager[None]:
        return self._connection.within(self._connection.params.timeout_s)

    def probe(self) -> None:
        self._fetch([0])

    def _find(self, query: Floats, depth: int, allowed: Allowed | None, matches: int) -> Neighbours:
        expression = ""
        if allowed is not None:
            if allowed.filters == NO_FILTERS:
                raise ValueError("a mask is too long for Milvus; give the filters that it stands for")
            expression = write_expression(self._columns.conditions(allowed.filters))
        if self._held.index.is_exact:
            return self._rank(query, depth, expression, matches)
        found = Neighbours(np.empty(0, np.int64), np.empty(0, np.float32))
        for block in (*_BLOCKS, matches):
            size = min(block, matches)
            more = self._rank(query, size, expression, matches)
            new = np.flatnonzero(np.isin(more.rows, found.rows, invert=True))[: size - len(found.rows)]
            # A row that a block missed heads the next one, so no page repeats or skips one.
            found = Neighbours(
                np.concatenate([found.rows, more.rows[new]]), np.concatenate([found.scores, more.scores[new]])
            )
            if len(found.rows) >= depth or size == matches:
                break
        if len(found.rows) < depth:
            found = self._fill(query, found, depth, allowed)
        return Neighbours(found.rows[:depth], found.scores[:depth])

    def _rank(self, query: Floats, depth: int, expression: str, matches: int) -> Neighbours:
        """Rank the first ``depth`` as Milvus finds them; more are looked at until a tie at the end is whole."""
        wanted = min(depth + _SPARE, matches, MOST_FOUND)
        while True:
            found = self._ask(query, wanted, expression)
            is_all = len(found.rows) < wanted or wanted == matches
            if is_all or (len(found.rows) > depth and found.scores[-1] < found.scores[depth - 1]):
                break
            if wanted == MOST_FOUND:
                found = self._walk(query, found, depth, expression, matches)
                break
            wanted = min(4 * wanted, matches, MOST_FOUND)
        return Neighbours(found.rows[:depth], found.scores[:depth])

    def _walk(
        self, query: Floats, found: Neighbours, depth: int, expression: str, matches: int
    ) -> Neighbours:
        """Go on past the most that one search returns, each time from the last score on (a range search)."""
        in_ranges = True
        while len(found.rows) < matches:
            last = float(found.scores[-1])
            if len(found.rows) > depth and last < found.scores[depth - 1]:
                break
            # milvus-lite looks no further than five times the limit for a range; naming all rows takes longer.
            known = found.rows[found.scores == found.scores[-1]] if in_ranges else found.rows
            rest = join(expression, f"{ROW} not in [{', '.join(map(str, known.tolist()))}]")
            bounds = {"radius": _LOWEST, "range_filter": last} if in_ranges else None
            more = self._ask(query, min(MOST_FOUND, matches), rest, bounds)
            new = np.isin(more.rows, found.rows, invert=True)
            if new.any():
                rows = np.concatenate([found.rows, more.rows[new]])
                found = rank_rows(rows, np.concatenate([found.scores, more.scores[new]]), len(rows))
            elif in_ranges:
                in_ranges = False
            else:
                break
        return found

    def _fill(self, query: Floats, found: Neighbours, depth: int, allowed: Allowed | None) -> Neighbours:
        """Rows that an approximate search did not come upon, by row: only pages near the very end hold any."""
        left = np.ones(self.size, np.bool_) if allowed is None else allowed.mask.copy()
        left[found.rows] = False
        rest = np.flatnonzero(left)[: depth - len(found.rows)]
        scores = self.vectors(rest) @ query[0]
        return Neighbours(np.concatenate([found.rows, rest]), np.concatenate([found.scores, scores]))

    def _ask(
        self, query: Floats, wanted: int, expression: str, bounds: Mapping[str, float] | None = None
    ) -> Neighbours:
        brings = wanted <= _BROUGHT_ALONG
        (hits,) = self._connection.call(
            "search",
            self._held.name,
            data=[query[0]],
            anns_field=VECTOR,
            limit=wanted,
            filter=expression,
            output_fields=[VECTOR] if brings else [ROW],
            search_params={
                "metric_type": METRIC,
                "params": {**self._held.index.params(wanted), **(bounds or {})},
            },
            consistency_level=_CONSISTENCY,
        )
        rows = np.fromiter((hit.id for hit in hits), np.int64, len(hits))
        scores = np.fromiter((hit.distance for hit in hits), np.float32, len(hits))
        if brings:
            self._keep({hit.id: np.asarray(hit["entity"][VECTOR], np.float32) for hit in hits})
        return rank_rows(rows, scores, len(rows))

    def _fetch(self, rows: Sequence[int]) -> dict[int, Floats]:
        found = self._connection.call(
            "query",
            self._held.name,
            filter=f"{ROW} in [{', '.join(map(str, rows))}]",
            output_fields=[ROW, VECTOR],
            consistency_level=_CONSISTENCY,
        )
        vectors = {int(entity[ROW]): np.asarray(entity[VECTOR], np.float32) for entity in found}
        if vectors.keys() != set(rows):
            raise EngineMismatch(f"{self._held.name} on Milvus lacks rows of the index version")
        self._keep(vectors)
        return vectors

    def _keep(self, vectors: Mapping[int, Floats]) -> None:
        with self._lock:
            self._kept.update(vectors)
            while len(self._kept) > self._most_kept:
                self._kept.popitem(last=False)
