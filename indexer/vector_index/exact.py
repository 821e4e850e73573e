"""The exact index: the measure of all others, and enough for few rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from indexer.vector_index.base import FileIndex, Floats, Mask, Neighbours, Rows, check_rows, rank_rows
from indexer.vector_index.faiss_calls import faiss, look_up, make_selector, one_thread, read_file, write_file

#: Numbers of four bytes in a page of memory.
_PAGE_NUMBERS = 1_024


class ExactIndex(FileIndex):
    """Compares the query with every allowed vector."""

    kind = "exact"
    #: Scattered rows are compared one by one up to this share of all; beyond, a scan of all is quicker.
    GATHERED_SHARE: ClassVar[float] = 0.25

    def __init__(self, index: Any, reason: str) -> None:
        super().__init__(reason)
        self._index = index
        self._flat = index

    @classmethod
    def build(cls, vectors: Floats, reason: str) -> ExactIndex:
        """Index checked vectors (n, d)."""
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        return cls(index, reason)

    @classmethod
    def open(cls, path: Path, reason: str) -> ExactIndex:
        """Map what ``write`` wrote; VersionDamaged for anything else."""
        index = read_file(path, cls.kind, faiss.IndexFlat)
        # Touched once in order, so that no search waits for the pages it is the first to look at.
        faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)[::_PAGE_NUMBERS].sum()
        return cls(index, reason)

    @property
    def size(self) -> int:
        return int(self._index.ntotal)

    @property
    def dimension(self) -> int:
        return int(self._index.d)

    @property
    def resident_bytes(self) -> int:
        return 4 * self.size * self.dimension

    def vectors(self, rows: Sequence[int] | Rows) -> Floats:
        wanted = check_rows(rows, self.size)
        copies = np.empty((len(wanted), self.dimension), np.float32)
        if wanted.size:
            with one_thread():
                self._flat.reconstruct_batch(wanted, x=copies)
        return copies

    def scores(self, query: Floats, rows: Rows) -> Floats:
        """Scores (n,) float32 of ``rows`` (n,) int64 for a (1, d) query: the same numbers as a search gives."""
        scores = np.empty(len(rows), np.float32)
        if not len(rows):
            return scores
        with one_thread():
            self._flat.compute_distance_subset(
                1, faiss.swig_ptr(query), len(rows), faiss.swig_ptr(scores), faiss.swig_ptr(rows)
            )
        return scores

    def rank_allowed(self, query: Floats, depth: int, allowed: Mask | None, matches: int) -> Neighbours:
        """Rank the first ``depth`` of the allowed rows for a checked (1, d) query."""
        return self._first(query, depth, allowed, matches)

    def write(self, path: Path) -> None:
        write_file(self._index, path)

    def _first(self, query: Floats, depth: int, allowed: Mask | None, matches: int) -> Neighbours:
        if allowed is not None and matches <= self.GATHERED_SHARE * self.size:
            rows = np.flatnonzero(allowed)
            return rank_rows(rows, self.scores(query, rows), depth)
        # FAISS keeps arbitrary members of a tie that crosses the last place, so look until it is whole.
        # A selector goes in even if all rows are allowed: without one, FAISS splits a lone query over its threads
        # with BLAS, which rounds differently, so that equal vectors and filtered searches would score unequally.
        selector, packed = make_selector(allowed)
        params = faiss.SearchParameters(sel=selector)
        fetched = min(depth + 16, matches)
        while True:
            found = look_up(self._flat, query, fetched, params)
            if fetched == matches or found.scores[-1] < found.scores[depth - 1]:
                break
            fetched = min(4 * fetched, matches)
        del packed  # FAISS held a bare pointer into it until here
        return rank_rows(found.rows, found.scores, depth)
