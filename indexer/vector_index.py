"""Vector indexes: the only file that knows FAISS, its index kinds, filters, padding and score direction.

Scores are inner products of the vectors as given (nothing is normalised here); higher is better. Results are
ordered by score, best first, equal scores by row, so that pages of one query never repeat or skip a row.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import faiss as faiss_module
import numpy as np
import numpy.typing as npt

from indexer.errors import ConfigError, VersionDamaged, VersionFormat

#: FAISS ships type stubs that lack half of what is used here.
faiss: Any = faiss_module

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: "auto" scans everything up to this many bytes of vectors: 82,000 × 400 (131 MB) take about 5 ms.
EXACT_LIMIT_BYTES = 512 * 2**20
#: Larger numbers could overflow a float32 inner product to infinity, which has no order.
LARGEST_NUMBER = 1e15


@dataclass(frozen=True)
class Neighbours:
    """Found rows (n,) int64 and their scores (n,) float32, best first, equal scores by row."""

    rows: Rows
    scores: Floats


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


class VectorIndex(ABC):
    """Vectors that can be searched; safe to search from several threads at once."""

    kind: ClassVar[str]

    def __init__(self, reason: str) -> None:
        self._reason = reason

    @property
    def reason(self) -> str:
        """Why the index is of this kind, for logs and the manifest."""
        return self._reason

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of vectors."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Numbers in a vector."""

    @abstractmethod
    def vectors(self, rows: Sequence[int]) -> Floats:
        """Copy the stored vectors of ``rows``: (n, d) float32. IndexError for a row that is not there."""

    @abstractmethod
    def write(self, path: Path) -> None:
        """Write one file; the same vectors and settings give the same bytes. OSError where it cannot."""

    @abstractmethod
    def _first(self, query: Floats, depth: int, allowed: Mask | None, matches: int) -> Neighbours:
        """Rank the first ``depth`` (1 … ``matches``) of the ``matches`` allowed rows for a (1, d) query."""

    def search(self, query: Floats, k: int, offset: int = 0, allowed: Mask | None = None) -> Neighbours:
        """Find ``k`` neighbours of ``query`` (d,) float32 from rank ``offset`` (0 is the best).

        ``allowed`` (n,) bool leaves only its true rows. Fewer come back where fewer are there.
        ValueError for a wrong shape, dtype, NaN, or a negative count.
        """
        checked = _checked(query, "the query", (self.dimension,))[None, :]
        if k < 1 or offset < 0:
            raise ValueError(f"k must be at least 1 and offset at least 0, not {k} and {offset}")
        matches = self.size
        if allowed is not None:
            if allowed.dtype != np.bool_ or allowed.shape != (self.size,):
                raise ValueError(
                    f"allowed must be bool of shape ({self.size},), not {allowed.dtype} {allowed.shape}"
                )
            matches = int(np.count_nonzero(allowed))
        if offset >= matches:
            return Neighbours(np.empty(0, np.int64), np.empty(0, np.float32))
        found = self._first(checked, min(offset + k, matches), allowed, matches)
        return Neighbours(found.rows[offset : offset + k], found.scores[offset : offset + k])


class ExactIndex(VectorIndex):
    """Compares the query with every allowed vector."""

    kind = "exact"

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

    @property
    def size(self) -> int:
        return int(self._index.ntotal)

    @property
    def dimension(self) -> int:
        return int(self._index.d)

    def vectors(self, rows: Sequence[int]) -> Floats:
        wanted = np.asarray(rows, dtype=np.int64).reshape(-1)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= self.size):
            raise IndexError(f"rows must be from 0 to {self.size - 1}")
        copies = np.empty((len(wanted), self.dimension), np.float32)
        if wanted.size:
            self._flat.reconstruct_batch(wanted, x=copies)
        return copies

    def write(self, path: Path) -> None:
        try:
            faiss.write_index(self._index, str(path))
        except RuntimeError as error:
            raise OSError(f"cannot write the index {path.name}: {_first_line(error)}") from error

    def _first(self, query: Floats, depth: int, allowed: Mask | None, matches: int) -> Neighbours:
        # FAISS keeps arbitrary members of a tie that crosses the last place, so look until it is whole.
        fetched = min(depth + 16, matches)
        while True:
            found = _look_up(self._flat, query, fetched, allowed)
            if fetched == matches or found.scores[-1] < found.scores[depth - 1]:
                break
            fetched = min(4 * fetched, matches)
        return _ranked(found.rows, found.scores, depth)


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

    def __init__(self, index: Any, reason: str) -> None:
        super().__init__(index, reason)
        self._flat = faiss.downcast_index(index.storage)

    @classmethod
    def build(cls, vectors: Floats, reason: str, params: HnswParams | None = None) -> HnswIndex:
        """Index checked vectors (n, d); one thread only, since links depend on the order of insertion."""
        params = params or HnswParams()
        index = faiss.IndexHNSWFlat(vectors.shape[1], params.m, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.rng = faiss.RandomGenerator(params.seed)
        index.hnsw.efConstruction = params.ef_construction
        index.hnsw.efSearch = params.ef_search
        with _one_thread():
            index.add(vectors)
        return cls(index, reason)

    def _first(self, query: Floats, depth: int, allowed: Mask | None, matches: int) -> Neighbours:
        # The walk passes through rows it may not return, so the beam widens as fewer are allowed.
        beam = min(max(int(self._index.hnsw.efSearch), self.POOL) * self.size // matches, self.size)
        if matches <= beam * self.ROWS_PER_STEP:
            return super()._first(query, depth, allowed, matches)
        walked = _look_up(self._index, query, min(self.POOL, matches), allowed, beam).rows
        pool = _ranked(walked, self._scores(query, walked), len(walked))
        if depth <= len(walked):
            return Neighbours(pool.rows[:depth], pool.scores[:depth])
        others = np.ones(self.size, np.bool_) if allowed is None else allowed.copy()
        others[walked] = False
        rest = super()._first(query, depth - len(walked), others, matches - len(walked))
        return Neighbours(np.concatenate((pool.rows, rest.rows)), np.concatenate((pool.scores, rest.scores)))

    def _scores(self, query: Floats, rows: Rows) -> Floats:
        scores = np.empty(len(rows), np.float32)
        self._flat.compute_distance_subset(
            1, faiss.swig_ptr(query), len(rows), faiss.swig_ptr(scores), faiss.swig_ptr(rows)
        )
        return scores


_KINDS: dict[str, tuple[type[ExactIndex], type[Any]]] = {
    ExactIndex.kind: (ExactIndex, faiss.IndexFlat),
    HnswIndex.kind: (HnswIndex, faiss.IndexHNSWFlat),
}


def build_index(vectors: Floats, kind: str = "auto", params: HnswParams | None = None) -> VectorIndex:
    """Index ``vectors`` (n, d) float32 as "exact", "hnsw", or "auto": what suits their size (see ``reason``).

    ``params`` are used if a graph is built. ValueError for vectors that cannot be indexed, ConfigError for an
    unknown kind.
    """
    if kind not in ("auto", *_KINDS):
        raise ConfigError(f"unknown index kind {kind!r}; known are: auto, {', '.join(_KINDS)}")
    if kind == ExactIndex.kind and params is not None:
        raise ConfigError("an exact index has no settings; hnsw settings were given")
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise ValueError(f"vectors must have shape (n, d), neither of them 0, not {vectors.shape}")
    checked = _checked(vectors, "the vectors", vectors.shape)
    reason = "asked for"
    if kind == "auto":
        kind = ExactIndex.kind if checked.nbytes <= EXACT_LIMIT_BYTES else HnswIndex.kind
        size = f"{len(checked):,} × {checked.shape[1]} vectors are {checked.nbytes / 2**20:,.0f} MiB"
        place = "within" if kind == ExactIndex.kind else "above"
        reason = f"{size}, {place} the {EXACT_LIMIT_BYTES / 2**20:,.0f} MiB that are scanned whole"
    if kind == HnswIndex.kind:
        return HnswIndex.build(checked, reason, params)
    return ExactIndex.build(checked, reason)


def open_index(path: Path, kind: str) -> VectorIndex:
    """Read an index that ``write`` made; verify its SHA-256 before: FAISS misses flipped bits.

    VersionDamaged for a missing, truncated or other file; VersionFormat for an unknown kind.
    """
    if kind not in _KINDS:
        raise VersionFormat(f"{path.name} is of the kind {kind!r}; this program reads: {', '.join(_KINDS)}")
    made, stored = _KINDS[kind]
    try:
        index = faiss.read_index(str(path))
    except (RuntimeError, MemoryError) as error:
        raise VersionDamaged(f"{path.name} cannot be read as an index: {_first_line(error)}") from error
    if not isinstance(index, stored) or index.metric_type != faiss.METRIC_INNER_PRODUCT or index.ntotal < 1:
        raise VersionDamaged(f"{path.name} does not hold {kind} vectors compared by inner product")
    return made(index, f"opened from {path.name}")


def set_threads(count: int) -> None:
    """Let FAISS use ``count`` OpenMP threads in the calling thread: OpenMP counts per thread.

    A search uses one thread whatever is set here, and so does building.
    """
    if count < 1:
        raise ValueError(f"at least one thread is needed, not {count}")
    faiss.omp_set_num_threads(count)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _look_up(index: Any, query: Floats, k: int, allowed: Mask | None, beam: int | None = None) -> Neighbours:
    # A selector goes in even if all rows are allowed: without one, FAISS splits a lone query over its threads
    # with BLAS, which rounds differently, so that equal vectors and filtered searches would score unequally.
    # ``packed``, ``selector`` and ``params`` must outlive the call: C++ holds bare pointers to them.
    packed = None if allowed is None else np.packbits(allowed, bitorder="little")
    selector = faiss.IDSelectorAll() if packed is None else faiss.IDSelectorBitmap(packed)
    if beam is None:
        params = faiss.SearchParameters(sel=selector)
    else:
        params = faiss.SearchParametersHNSW(sel=selector, efSearch=beam)
    scores, rows = index.search(query, k, params=params)
    there = rows[0] >= 0
    return Neighbours(rows[0][there], scores[0][there])


def _ranked(rows: Rows, scores: Floats, depth: int) -> Neighbours:
    order = np.lexsort((rows, -scores))[:depth]
    return Neighbours(rows[order], scores[order])


def _checked(numbers: Floats, name: str, shape: tuple[int, ...]) -> Floats:
    if numbers.dtype != np.float32 or numbers.shape != shape:
        raise ValueError(f"{name} must be float32 of shape {shape}, not {numbers.dtype} {numbers.shape}")
    if not (numbers.min() >= -LARGEST_NUMBER and numbers.max() <= LARGEST_NUMBER):  # also false for NaN
        raise ValueError(f"{name} must hold finite numbers of at most {LARGEST_NUMBER:g}")
    return np.ascontiguousarray(numbers)


def _first_line(error: BaseException) -> str:
    # FAISS says where in its source it failed before it says what failed.
    return " ".join(str(error).split()).rpartition("Error: ")[2] or type(error).__name__
