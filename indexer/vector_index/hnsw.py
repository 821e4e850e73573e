"""A graph index (Malkov and Yashunin 2016, arXiv:1603.09320), as FAISS has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from indexer.errors import ConfigError
from indexer.vector_index.base import Floats, Mask, Neighbours, rank_rows
from indexer.vector_index.exact import ExactIndex
from indexer.vector_index.faiss_calls import faiss, look_up, make_selector, one_thread, read_file


@dataclass(frozen=True)
class HnswParams:
    """Settings of the graph: links per row, beam while building, beam while searching, seed of the levels."""

    m: int = 32
    ef_construction: int = 128
    ef_search: int = 384
    seed: int = 12345

    def __post_init__(self) -> None:
        for name, value, low in (
            ("m", self.m, 2),
            ("ef_construction", self.ef_construction, 1),
            ("ef_search", self.ef_search, 1),
            ("seed", self.seed, 0),
        ):
            if not low <= value < 2**31:
                raise ConfigError(f"hnsw {name} must be at least {low} and below 2**31, not {value}")


class HnswIndex(ExactIndex):
    """Finds the first ``POOL`` ranks by walking a graph; further ranks are the exact order of the rest.

    Where scanning the allowed rows costs less than the walk, it scans them, like an exact index. A row that
    the walk missed is late, never lost: it heads the ranks after the pool. Scores are the same numbers as
    those of an exact index.
    """

    kind = "hnsw"
    #: Always found together, whatever page is asked for: a beam that varied with k would make pages overlap.
    POOL: ClassVar[int] = 256
    #: Rows scanned in the time one step of the beam takes, measured on 82,000 × 400.
    ROWS_PER_STEP: ClassVar[int] = 40
    #: Numbers in a link: a row, as int32.
    _LINK_BYTES: ClassVar[int] = 4

    def __init__(self, index: Any, reason: str) -> None:
        super().__init__(index, reason)
        self._flat = faiss.downcast_index(index.storage)

    @classmethod
    def make(cls, vectors: Floats, reason: str, params: HnswParams | None = None) -> HnswIndex:
        """Index checked vectors (n, d); one thread only, since links depend on the order of insertion."""
        params = params or HnswParams()
        index = faiss.IndexHNSWFlat(vectors.shape[1], params.m, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.rng = faiss.RandomGenerator(params.seed)
        index.hnsw.efConstruction = params.ef_construction
        index.hnsw.efSearch = params.ef_search
        with one_thread():
            index.add(vectors)
        return cls(index, reason)

    @classmethod
    def open(cls, path: Path, reason: str) -> HnswIndex:
        """Map what ``write`` wrote; VersionDamaged for anything else."""
        return cls(read_file(path, cls.kind, faiss.IndexHNSWFlat), reason)

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"ef_search": int(self._index.hnsw.efSearch)}

    def with_beam(self, ef_search: int) -> HnswIndex:
        """The same graph, searched with another beam."""
        self._index.hnsw.efSearch = ef_search
        return HnswIndex(self._index, self._reason)

    @property
    def resident_bytes(self) -> int:
        links = 2 * int(self._index.hnsw.nb_neighbors(1)) * self._LINK_BYTES
        return super().resident_bytes + self.size * links

    def _first(self, query: Floats, depth: int, allowed: Mask | None, matches: int) -> Neighbours:
        # The walk passes through rows it may not return, so the beam widens as fewer are allowed.
        beam = min(max(int(self._index.hnsw.efSearch), self.POOL) * self.size // matches, self.size)
        if matches <= beam * self.ROWS_PER_STEP:
            return super()._first(query, depth, allowed, matches)
        selector, packed = make_selector(allowed)
        params = faiss.SearchParametersHNSW(sel=selector, efSearch=beam)
        walked = look_up(self._index, query, min(self.POOL, matches), params).rows
        del packed  # FAISS held a bare pointer into it until here
        pool = rank_rows(walked, self.scores(query, walked), len(walked))
        if depth <= len(walked):
            return Neighbours(pool.rows[:depth], pool.scores[:depth])
        others = np.ones(self.size, np.bool_) if allowed is None else allowed.copy()
        others[walked] = False
        rest = super()._first(query, depth - len(walked), others, matches - len(walked))
        return Neighbours(np.concatenate((pool.rows, rest.rows)), np.concatenate((pool.scores, rest.scores)))
