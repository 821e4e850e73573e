"""What is asked in a benchmark of searches: real query vectors, real filters, and the exact answers to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.benchmarks.filter_cases import FilterCase, find_cases
from indexer.catalogue.records import Medium
from indexer.filter_columns import FilterColumns
from indexer.index_version import IndexVersion
from indexer.space import MEDIA

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: Hits that a search is asked for, and that recall is taken over.
DEPTH = 10
#: Two scores this near to each other, relative to the larger, are a tie: sums in another order differ by less.
_TIE = 1e-5
_BLOCK = 4096


@dataclass(frozen=True)
class Workload:
    """Searches of one medium: vectors (n, d), queries (q, d), cases of filters and the exact scores.

    ``own``: (q,) int64, the row that a query was made from, -1 for a query from the other medium.
    """

    medium: Medium
    vectors: Floats
    queries: Floats
    own: Rows
    cases: list[FilterCase]
    columns: FilterColumns

    def mask(self, case: FilterCase) -> Mask | None:
        """The rows that pass a case's filter, or None where it filters nothing."""
        mask = self.columns.mask(case.filters)
        return None if mask is None else mask[: len(self.vectors)]

    def queries_of(self, number: int) -> Rows:
        """Which queries are asked under case ``number``: those of a share are dealt to its cases in turn."""
        share = [n for n, case in enumerate(self.cases) if case.wanted == self.cases[number].wanted]
        return np.arange(share.index(number), len(self.queries), len(share))


def sample(
    version: IndexVersion,
    medium: Medium,
    queries: int,
    shares: tuple[float, ...],
    cases: int,
    seed: int,
    size: int | None = None,
) -> Workload:
    """Draw ``queries`` query vectors, half from either medium, and ``cases`` filters for every share.

    ``size``: only the first rows of the medium are searched.
    """
    random = np.random.default_rng(seed)
    asked, own = [], []
    for source in MEDIA:
        count = queries // 2 if source == medium else queries - queries // 2
        rows = np.sort(random.permutation(version.indexes[source].size)[:count])
        asked.append(version.space.queries(version.indexes[source].vectors(rows.tolist())))
        own.append(rows if source == medium else np.full(len(rows), -1, np.int64))
    mixed = random.permutation(sum(len(part) for part in asked))
    vectors = all_vectors(version, medium, size)
    return Workload(
        medium,
        vectors,
        np.ascontiguousarray(np.concatenate(asked)[mixed]),
        np.concatenate(own)[mixed],
        find_cases(version.filters[medium], shares, cases, seed, len(vectors)),
        version.filters[medium],
    )


def all_vectors(version: IndexVersion, medium: Medium, size: int | None = None) -> Floats:
    """The kept vectors of a medium, or of its first ``size`` rows: (n, d) float32."""
    index = version.indexes[medium]
    count = index.size if size is None else min(size, index.size)
    vectors = np.empty((count, index.dimension), np.float32)
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        vectors[start:stop] = index.vectors(range(start, stop))
    return vectors


def is_as_good(score: float, last: float) -> bool:
    """Whether a score is not below that of the last of the best rows, but for rounding."""
    return score >= last - _TIE * max(1.0, abs(last))


class Truth:
    """The exact scores of all rows, against which recall is taken; those of the last query are kept."""

    def __init__(self, vectors: Floats, queries: Floats) -> None:
        self._vectors = vectors
        self._queries = queries
        self._at = -1
        self._scores = np.empty(0, np.float32)

    def recall(self, number: int, found: npt.ArrayLike, mask: Mask | None, own: int = -1) -> float:
        """Share of the ``DEPTH`` best allowed rows (fewer where fewer are there) that query ``number`` found.

        A row that scores as much as the last of the best counts as one of them; a row that is not allowed, or is
        found twice, does not count. 1.0 where nothing is allowed. ``own``: a row that is not allowed.
        """
        if self._at != number:
            self._scores, self._at = self._vectors @ self._queries[number], number
        scores = self._scores
        if mask is not None or own >= 0:
            scores = scores.copy()
            if mask is not None:
                scores[~mask] = -np.inf
            if own >= 0:
                scores[own] = -np.inf
        possible = min(DEPTH, int(np.count_nonzero(scores > -np.inf)))
        if not possible:
            return 1.0
        last = float(np.partition(scores, len(scores) - possible)[len(scores) - possible])
        rows = np.unique(np.asarray(found, np.int64))
        rows = rows[(rows >= 0) & (rows < len(scores))]
        right = sum(is_as_good(float(score), last) for score in scores[rows])
        return min(right, possible) / possible
