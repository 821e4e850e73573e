"""What every index promises, wherever its vectors are, and what those in files add to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from indexer.filter_columns import NO_FILTERS, Filters

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: Larger numbers could overflow a float32 inner product to infinity, which has no order.
LARGEST_NUMBER = 1e15


@dataclass(frozen=True)
class Neighbours:
    """Found rows (n,) int64 and their scores (n,) float32, best first, equal scores by row."""

    rows: Rows
    scores: Floats


@dataclass(frozen=True, slots=True)
class Allowed:
    """The rows that a search may find, said twice: as a mask (n,) bool, and as the filters that exactly those pass.

    An index in this process goes by the mask; one elsewhere is told the filters, since a mask is too long to send.
    """

    mask: Mask
    filters: Filters = NO_FILTERS

    @classmethod
    def of(cls, allowed: Allowed | Mask | None) -> Allowed | None:
        """The same, where a bare mask may stand for it."""
        return cls(allowed) if isinstance(allowed, np.ndarray) else allowed


class VectorIndex(ABC):
    """Vectors that can be searched, wherever they are; safe to search from several threads at once."""

    kind: ClassVar[str]

    def __init__(self, reason: str) -> None:
        self._reason = reason

    @property
    def reason(self) -> str:
        """Why the index is of this kind, for logs and the manifest."""
        return self._reason

    @property
    def settings(self) -> Mapping[str, Any]:
        """What a search of this index goes by, as plain values for the manifest."""
        return {}

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of vectors."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Numbers in a vector."""

    @property
    @abstractmethod
    def resident_bytes(self) -> int:
        """Bytes that searches keep in memory, mapped pages included; what is only read row by row is not counted."""

    @abstractmethod
    def vectors(self, rows: Sequence[int] | Rows) -> Floats:
        """Copy the kept vectors of ``rows``: (n, d) float32. IndexError for a row that is not there."""

    @abstractmethod
    def _find(self, query: Floats, depth: int, allowed: Allowed | None, matches: int) -> Neighbours:
        """Rank the first ``depth`` (1 … ``matches``) of the ``matches`` allowed rows for a (1, d) query."""

    def probe(self) -> None:
        """Raise ``EngineError`` where a search could not be answered now; in this process it always can."""
        return

    def bounded(self) -> AbstractContextManager[None]:
        """Bound the time of all that is asked in here; in this process nothing has to be waited for."""
        return nullcontext()

    def search(
        self, query: Floats, k: int, offset: int = 0, allowed: Allowed | Mask | None = None
    ) -> Neighbours:
        """Find ``k`` neighbours of ``query`` (d,) float32 from rank ``offset`` (0 is the best).

        ``allowed`` leaves only some rows; a bare mask (n,) bool suits indexes in this process. Fewer come back where
        fewer are there. ValueError for a wrong shape, dtype, NaN, or a negative count.
        """
        checked = check_numbers(query, "the query", (self.dimension,))[None, :]
        if k < 1 or offset < 0:
            raise ValueError(f"k must be at least 1 and offset at least 0, not {k} and {offset}")
        matches = self.size
        allowed = Allowed.of(allowed)
        if allowed is not None:
            mask = allowed.mask
            if mask.dtype != np.bool_ or mask.shape != (self.size,):
                raise ValueError(
                    f"allowed must be bool of shape ({self.size},), not {mask.dtype} {mask.shape}"
                )
            matches = int(np.count_nonzero(mask))
        if offset >= matches:
            return Neighbours(np.empty(0, np.int64), np.empty(0, np.float32))
        found = self._find(checked, min(offset + k, matches), allowed, matches)
        return Neighbours(found.rows[offset : offset + k], found.scores[offset : offset + k])


class FileIndex(VectorIndex):
    """Vectors searched in this process, kept in files of an index version."""

    @abstractmethod
    def write(self, path: Path) -> None:
        """Write ``path`` and, for some kinds, files whose names begin with its stem.

        The same vectors and settings give the same bytes. OSError where it cannot.
        """

    @abstractmethod
    def _first(self, query: Floats, depth: int, allowed: Mask | None, matches: int) -> Neighbours:
        """As ``_find``, by the mask alone."""

    def _find(self, query: Floats, depth: int, allowed: Allowed | None, matches: int) -> Neighbours:
        return self._first(query, depth, allowed.mask if allowed is not None else None, matches)


def rank_rows(rows: Rows, scores: Floats, depth: int) -> Neighbours:
    """The best ``depth`` of some rows, best first, equal scores by row."""
    if len(rows) > 4 * depth:
        # Only what reaches the last place needs an order; ties with it are kept.
        least = np.partition(scores, len(scores) - depth)[len(scores) - depth]
        reached = scores >= least
        rows, scores = rows[reached], scores[reached]
    order = np.lexsort((rows, -scores))[:depth]
    return Neighbours(rows[order], scores[order])


def check_numbers(numbers: Floats, name: str, shape: tuple[int, ...]) -> Floats:
    """The numbers, contiguous; ValueError for another dtype or shape, and for what has no order."""
    if numbers.dtype != np.float32 or numbers.shape != shape:
        raise ValueError(f"{name} must be float32 of shape {shape}, not {numbers.dtype} {numbers.shape}")
    if not (numbers.min() >= -LARGEST_NUMBER and numbers.max() <= LARGEST_NUMBER):  # also false for NaN
        raise ValueError(f"{name} must hold finite numbers of at most {LARGEST_NUMBER:g}")
    return np.ascontiguousarray(numbers)


def check_rows(rows: Sequence[int] | Rows, size: int) -> Rows:
    """The rows as (n,) int64; IndexError for one that is not there."""
    wanted = np.asarray(rows, dtype=np.int64).reshape(-1)
    if wanted.size and (wanted.min() < 0 or wanted.max() >= size):
        raise IndexError(f"rows must be from 0 to {size - 1}")
    return wanted
