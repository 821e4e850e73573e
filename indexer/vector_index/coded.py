"""Indexes over short codes: find candidates by codes of a few bytes, then rank them by their vectors.

Vectors are mapped to fewer numbers (see ``projection``) and coded: in 4 bits a number, scanned 32 rows at a time in
registers (André et al. 2015, "Cache locality is not enough"; FAISS's fast scan), or in one bit a number (RaBitQ,
Gao and Long 2024, arXiv:2405.12497). Rows lie in lists by their nearest centre, of which a search scans the nearest.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from indexer.errors import ConfigError, VersionDamaged
from indexer.vector_index.base import FileIndex, Floats, Mask, Neighbours, Rows, rank_rows
from indexer.vector_index.exact import ExactIndex
from indexer.vector_index.faiss_calls import faiss, look_up, make_selector, one_thread, read_file, write_file
from indexer.vector_index.kept_rows import HalfRows, KeptRows
from indexer.vector_index.projection import Projection

#: Training rows for each centre of the lists, and rounds: enough for routing, and minutes less than the default.
_ROWS_PER_CENTRE = 64
_ROUNDS = 10
_CODE_ROWS = 8_192
_ID_BYTES = 8


@dataclass(frozen=True)
class CodedParams:
    """What a search goes by.

    ``dimension``: numbers a vector is mapped to before it is coded; ``lists``: lists the rows are divided into;
    ``probes``: lists that an unfiltered search scans; ``candidates``: rows ranked by their vectors; ``seed``.
    """

    dimension: int = 192
    lists: int = 1
    probes: int = 1
    candidates: int = 512
    seed: int = 12345

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            low = 0 if field.name == "seed" else 1
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value < 2**31:
                raise ConfigError(f"codes {field.name} must be at least {low} and below 2**31, not {value}")
        if self.probes > self.lists:
            raise ConfigError(f"codes probes {self.probes} are more than the {self.lists} lists")


class CodedIndex(FileIndex):
    """Finds the first ``POOL`` ranks among candidates; ranks after them among more; the last ones exactly.

    Where few rows are allowed they are all ranked by their vectors, and among many the ranks up to ``DEEP_POOL`` are
    found among candidates too: all vectors of a million are a gigabyte to read. A row that the codes missed is late,
    never lost, and every rank is the same whatever page is asked for.
    """

    #: What ranking one vector costs, where scanning one coded number costs 1: measured on 82,000 × 192 codes and
    #: 621 numbers a vector. Only used to choose between settings that both suffice.
    RANK_COST: ClassVar[float] = 20_000.0
    #: Ranks that are always found together; a wider pool follows, in which all lists are scanned.
    POOL: ClassVar[int] = 256
    WIDE_POOL: ClassVar[int] = 4_096
    _WIDE_CANDIDATES: ClassVar[int] = 12_288
    DEEP_POOL: ClassVar[int] = 16_384
    _DEEP_CANDIDATES: ClassVar[int] = 49_152
    #: Reading rows here and there costs this many times what reading one after the other does.
    _SCATTERED_COST: ClassVar[int] = 4

    def __init__(
        self, codes: Any, kept: KeptRows, query_map: Floats, params: CodedParams, reason: str
    ) -> None:
        super().__init__(reason)
        self._codes = codes
        self._kept = kept
        self._query_map = query_map
        self._query_axes = np.ascontiguousarray(query_map.T)
        self._params = params

    @classmethod
    @abstractmethod
    def _make_codes(cls, placed: Floats, params: CodedParams) -> Any:
        """Code the mapped vectors (n, r)."""

    @classmethod
    @abstractmethod
    def _keep(cls, vectors: Floats) -> KeptRows: ...

    @classmethod
    @abstractmethod
    def _open_kept(cls, stem: Path) -> KeptRows: ...

    @classmethod
    @abstractmethod
    def _kept_file(cls, stem: Path) -> Path: ...

    @classmethod
    @abstractmethod
    def _stored_type(cls) -> type[Any]: ...

    @classmethod
    @abstractmethod
    def _code_bytes(cls, params: CodedParams) -> int:
        """Bytes of a row's code, its number included."""

    @abstractmethod
    def _search_params(self, selector: Any, probes: int) -> Any: ...

    @classmethod
    def make(
        cls,
        vectors: Floats,
        projection: Projection,
        params: CodedParams,
        reason: str,
        kept: KeptRows | None = None,
    ) -> Self:
        """Index checked vectors (n, d); the same input gives the same codes. ``kept``: these vectors, kept already."""
        turned = projection.turned(params.seed)
        with one_thread():
            codes = cls._make_codes(turned.place_items(vectors), params)
        return cls(codes, kept or cls._keep(vectors), turned.query_map, params, reason)

    @classmethod
    def open(cls, path: Path, reason: str) -> Self:
        """Open what ``write`` wrote; VersionDamaged for anything else."""
        codes = read_file(path, cls.kind, cls._stored_type())
        stem = path.with_suffix("")
        try:
            params = CodedParams(**json.loads(_settings_file(stem).read_bytes()))
            query_map = np.load(_map_file(stem), allow_pickle=False)
        except (OSError, ValueError, TypeError, EOFError, ConfigError) as error:
            raise VersionDamaged(f"the settings of {path.name} cannot be read: {error}") from error
        kept = cls._open_kept(stem)
        shape = (kept.dimension, params.dimension)
        if query_map.dtype != np.float32 or query_map.shape != shape or codes.d != params.dimension:
            raise VersionDamaged(f"the files of {path.name} do not fit together")
        if codes.ntotal != kept.size or codes.nlist != params.lists:
            raise VersionDamaged(f"{path.name} holds {codes.ntotal} codes for {kept.size} vectors")
        return cls(codes, kept, np.ascontiguousarray(query_map), params, reason)

    @property
    def size(self) -> int:
        return self._kept.size

    @property
    def dimension(self) -> int:
        return self._kept.dimension

    @property
    def params(self) -> CodedParams:
        """What a search goes by."""
        return self._params

    @property
    def kept(self) -> KeptRows:
        """The vectors that candidates are ranked by."""
        return self._kept

    @property
    def settings(self) -> Mapping[str, Any]:
        return asdict(self._params)

    @property
    def resident_bytes(self) -> int:
        centres = 4 * self._params.lists * self._params.dimension
        return self.size * self._code_bytes(self._params) + centres + self._kept.resident_bytes

    def with_params(self, params: CodedParams, reason: str) -> Self:
        """The same codes, searched by other settings; dimension and lists must stay."""
        return type(self)(self._codes, self._kept, self._query_map, params, reason)

    def vectors(self, rows: Sequence[int] | Rows) -> Floats:
        return self._kept.vectors(rows)

    def write(self, path: Path) -> None:
        write_file(self._codes, path)
        stem = path.with_suffix("")
        self._kept.write(self._kept_file(stem))
        np.save(_map_file(stem), self._query_map, allow_pickle=False)
        text = json.dumps(asdict(self._params), indent=1, sort_keys=True) + "\n"
        _settings_file(stem).write_bytes(text.encode())

    def candidates(self, query: Floats, count: int, probes: int, allowed: Mask | None = None) -> Rows:
        """The rows that the codes rank first for a checked (1, d) query."""
        mapped = np.empty((1, self._params.dimension), np.float32)
        # Not a matrix product: its threads would wait for those of the search before.
        with one_thread():
            faiss.fvec_inner_products_ny(
                faiss.swig_ptr(mapped),
                faiss.swig_ptr(query),
                faiss.swig_ptr(self._query_axes),
                query.shape[1],
                self._params.dimension,
            )
        selector, packed = make_selector(allowed)
        found = look_up(self._codes, mapped, count, self._search_params(selector, probes)).rows
        del packed  # FAISS held a bare pointer into it until here
        return found

    def _first(self, query: Floats, depth: int, allowed: Mask | None, matches: int) -> Neighbours:
        if matches <= self._gathered_rows():
            return self._kept.rank_allowed(query, depth, allowed, matches)
        # Where a filter leaves a share of the rows, the same number of them lies in that many more lists.
        probes = min(-(-self._params.probes * self.size // matches), self._params.lists)
        tiers = [
            (self.POOL, max(self._params.candidates, self.POOL), probes),
            (self.WIDE_POOL, max(self._params.candidates, self._WIDE_CANDIDATES), self._params.lists),
        ]
        if matches > self._SCATTERED_COST * self._DEEP_CANDIDATES:
            tiers.append((self.DEEP_POOL, self._DEEP_CANDIDATES, self._params.lists))
        found = Neighbours(np.empty(0, np.int64), np.empty(0, np.float32))
        for ranks, count, scanned in tiers:
            rows = self.candidates(query, min(count, matches), scanned, allowed)
            if len(found.rows):
                rows = rows[~np.isin(rows, found.rows)]
            wanted = min(ranks, matches) - len(found.rows)
            found = _join(found, rank_rows(rows, self._kept.scores(query, rows), wanted))
            if depth <= len(found.rows):
                return Neighbours(found.rows[:depth], found.scores[:depth])
        others = np.ones(self.size, np.bool_) if allowed is None else allowed.copy()
        others[found.rows] = False
        left = depth - len(found.rows)
        return _join(found, self._kept.rank_allowed(query, left, others, matches - len(found.rows)))

    def _gathered_rows(self) -> int:
        """Up to this many allowed rows, ranking all by their vectors costs no more than finding candidates."""
        return 4 * self._params.candidates


class CodesIndex(CodedIndex):
    """Scans the 4-bit codes of all rows and ranks the best by float32 vectors: scores as those of an exact index."""

    kind = "codes"

    @classmethod
    def _make_codes(cls, placed: Floats, params: CodedParams) -> Any:
        size = placed.shape[1]
        index = faiss.IndexIVFPQFastScan(
            _make_centres(placed, params), size, params.lists, size, 4, faiss.METRIC_INNER_PRODUCT
        )
        # The inner product with what is left over would need a table for each list instead of one for all.
        index.by_residual = False
        index.pq.cp.seed = params.seed
        index.pq.cp.min_points_per_centroid = 1
        index.pq.cp.niter = _ROUNDS
        sample = placed[:: max(1, len(placed) // _CODE_ROWS)]
        if len(sample) < 16:  # as many values as four bits tell apart
            sample = np.resize(sample, (16, size))
        index.train(np.ascontiguousarray(sample))
        index.add(placed)
        return index

    @classmethod
    def _keep(cls, vectors: Floats) -> KeptRows:
        return ExactIndex.build(vectors, "kept for ranking")

    @classmethod
    def _open_kept(cls, stem: Path) -> KeptRows:
        return ExactIndex.open(cls._kept_file(stem), "kept for ranking")

    @classmethod
    def _kept_file(cls, stem: Path) -> Path:
        return stem.with_name(f"{stem.name}.vectors.faiss")

    @classmethod
    def _stored_type(cls) -> type[Any]:
        stored: type[Any] = faiss.IndexIVFPQFastScan
        return stored

    @classmethod
    def _code_bytes(cls, params: CodedParams) -> int:
        return -(-params.dimension // 2) + _ID_BYTES

    def _search_params(self, selector: Any, probes: int) -> Any:
        return faiss.SearchParametersIVF(sel=selector, nprobe=probes)

    def _gathered_rows(self) -> int:
        # A scan of all codes takes as long as comparing one row in 64 by its vector (82,000 × 192 against 621).
        return 2 * self._params.candidates + self.size // 64


class IvfIndex(CodesIndex):
    """The same over the nearest lists only, ranking by float16 vectors that stay on disk."""

    kind = "ivf"
    RANK_COST: ClassVar[float] = 80_000.0

    @classmethod
    def _keep(cls, vectors: Floats) -> KeptRows:
        return HalfRows.build(vectors)

    @classmethod
    def _open_kept(cls, stem: Path) -> KeptRows:
        return HalfRows.open(cls._kept_file(stem))

    @classmethod
    def _kept_file(cls, stem: Path) -> Path:
        return stem.with_name(f"{stem.name}.vectors.npy")

    def _gathered_rows(self) -> int:
        return CodedIndex._gathered_rows(self)


class RabitqIndex(IvfIndex):
    """One bit a number: the least memory, for more candidates."""

    kind = "rabitq"
    #: Bits of a number of the query; more cost time and gain nothing that is seen here.
    _QUERY_BITS: ClassVar[int] = 8
    #: Two factors of four bytes for each row.
    _FACTOR_BYTES: ClassVar[int] = 8

    @classmethod
    def _make_codes(cls, placed: Floats, params: CodedParams) -> Any:
        index = faiss.IndexIVFRaBitQ(
            _make_centres(placed, params), placed.shape[1], params.lists, faiss.METRIC_INNER_PRODUCT
        )
        index.train(placed)
        index.add(placed)
        return index

    @classmethod
    def _stored_type(cls) -> type[Any]:
        stored: type[Any] = faiss.IndexIVFRaBitQ
        return stored

    @classmethod
    def _code_bytes(cls, params: CodedParams) -> int:
        return -(-params.dimension // 8) + cls._FACTOR_BYTES + _ID_BYTES

    def _search_params(self, selector: Any, probes: int) -> Any:
        return faiss.IVFRaBitQSearchParameters(sel=selector, nprobe=probes, qb=self._QUERY_BITS)


def _make_centres(placed: Floats, params: CodedParams) -> Any:
    """The centres of the lists, as the flat index that FAISS routes by."""
    centres = faiss.IndexFlatIP(placed.shape[1])
    if params.lists == 1:
        centres.add(np.zeros((1, placed.shape[1]), np.float32))
        return centres
    step = max(1, len(placed) // (params.lists * _ROWS_PER_CENTRE))
    # Spherical, since rows go to the centre with the highest inner product: lists come out of even length.
    clusters = faiss.Kmeans(
        placed.shape[1],
        params.lists,
        spherical=True,
        niter=_ROUNDS,
        seed=params.seed,
        min_points_per_centroid=1,
        max_points_per_centroid=2 * _ROWS_PER_CENTRE,
    )
    sample = placed[::step]
    if len(sample) < params.lists:
        sample = np.resize(sample, (params.lists, placed.shape[1]))
    clusters.train(np.ascontiguousarray(sample))
    centres.add(clusters.centroids)
    return centres


def _map_file(stem: Path) -> Path:
    return stem.with_name(f"{stem.name}.query_map.npy")


def _settings_file(stem: Path) -> Path:
    return stem.with_name(f"{stem.name}.search.json")


def _join(first: Neighbours, then: Neighbours) -> Neighbours:
    if not len(first.rows):
        return then
    return Neighbours(np.concatenate((first.rows, then.rows)), np.concatenate((first.scores, then.scores)))
