"""The vectors that candidates are re-ranked by: float32 mapped into memory, or float16 read row by row."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from indexer.errors import VersionDamaged
from indexer.vector_index.base import Floats, Mask, Neighbours, Rows, check_rows, rank_rows
from indexer.vector_index.faiss_calls import faiss, one_thread

Halves = npt.NDArray[np.float16]

#: A number of more than this is infinite in float16.
LARGEST_HALF = 65_504.0
_CHUNK = 4_096


class KeptRows(Protocol):
    """Vectors (n, d) by row, and their exact scores; ``ExactIndex`` is one."""

    @property
    def size(self) -> int: ...

    @property
    def dimension(self) -> int: ...

    @property
    def resident_bytes(self) -> int: ...

    def vectors(self, rows: Sequence[int] | Rows) -> Floats: ...

    def scores(self, query: Floats, rows: Rows) -> Floats: ...

    def rank_allowed(self, query: Floats, depth: int, allowed: Mask | None, matches: int) -> Neighbours: ...

    def write(self, path: Path) -> None: ...


class HalfRows:
    """Vectors in float16: half the room, and once opened none of it in memory, since rows are read when asked for."""

    def __init__(self, array: Halves | None, file: int, offset: int, shape: tuple[int, int]) -> None:
        self._array = array
        self._file = file
        self._offset = offset
        self._shape = shape

    @classmethod
    def build(cls, vectors: Floats) -> HalfRows:
        """Round checked vectors (n, d); ValueError where a number is too large for float16."""
        if max(vectors.max(), -vectors.min()) > LARGEST_HALF:
            raise ValueError(f"vectors kept as float16 must hold numbers of at most {LARGEST_HALF:,.0f}")
        array = vectors.astype(np.float16)
        return cls(array, -1, 0, (array.shape[0], array.shape[1]))

    @classmethod
    def open(cls, path: Path) -> HalfRows:
        """Open what ``write`` wrote; VersionDamaged for anything else."""
        try:
            mapped: Any = np.load(path, mmap_mode="r", allow_pickle=False)
            if mapped.dtype != np.float16 or mapped.ndim != 2 or not mapped.flags.c_contiguous:
                raise ValueError("it does not hold float16 rows")
            rows = cls(None, os.open(path, os.O_RDONLY), int(mapped.offset), mapped.shape)
        except (OSError, ValueError, EOFError) as error:
            raise VersionDamaged(f"{path.name} cannot be read as vectors: {error}") from error
        weakref.finalize(rows, os.close, rows._file)
        return rows

    @property
    def size(self) -> int:
        return self._shape[0]

    @property
    def dimension(self) -> int:
        return self._shape[1]

    @property
    def resident_bytes(self) -> int:
        return 0 if self._array is None else self._array.nbytes

    def vectors(self, rows: Sequence[int] | Rows) -> Floats:
        """Copies (n, d) float32 of ``rows``; IndexError for one that is not there."""
        wanted = check_rows(rows, self.size)
        if self._array is not None:
            return self._array[wanted].astype(np.float32)
        found = np.empty((len(wanted), self.dimension), np.float16)
        row_bytes = 2 * self.dimension
        for place, row in zip(found, wanted.tolist(), strict=True):
            read = os.preadv(self._file, [place.data], self._offset + row * row_bytes)
            if read != row_bytes:
                raise OSError(f"row {row} of the vectors could be read in part only: {read} bytes")
        return found.astype(np.float32)

    def scores(self, query: Floats, rows: Rows) -> Floats:
        """Scores (n,) float32 of ``rows`` (n,) int64 for a (1, d) query."""
        scores = np.empty(len(rows), np.float32)
        with one_thread():
            for start in range(0, len(rows), _CHUNK):
                chunk = slice(start, start + _CHUNK)
                near = self.vectors(rows[chunk])
                part = scores[chunk]
                faiss.fvec_inner_products_ny(
                    faiss.swig_ptr(part),
                    faiss.swig_ptr(query),
                    faiss.swig_ptr(near),
                    self.dimension,
                    len(near),
                )
        return scores

    def rank_allowed(self, query: Floats, depth: int, allowed: Mask | None, matches: int) -> Neighbours:
        """Rank the first ``depth`` of the allowed rows exactly: reads all of them, so it is for few or for once."""
        rows = np.arange(self.size) if allowed is None else np.flatnonzero(allowed)
        return rank_rows(rows, self.scores(query, rows), min(depth, matches))

    def write(self, path: Path) -> None:
        """Write one .npy file; OSError where it cannot."""
        array = self._array
        if array is None:
            array = self.vectors(np.arange(self.size)).astype(np.float16)
        try:
            np.save(path, array, allow_pickle=False)
        except OSError as error:
            raise OSError(f"cannot write the index {path.name}: {error.strerror}") from error
