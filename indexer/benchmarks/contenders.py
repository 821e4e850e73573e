"""What is compared in ``search``: our index and its peers behind one interface, every one on inner products.

A contender that has no filter of its own on metadata (ours, FAISS, hnswlib, USearch) is handed the rows that pass,
as this project's filter columns find them; that time counts as part of its search.
"""

from __future__ import annotations

import gc
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium
from indexer.filter_columns import FilterColumns, Filters
from indexer.index_version import open_version
from indexer.space import MEDIA
from indexer.vector_index import IndexPlan, VectorIndex, build_index

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: Links a row and the beam while building, the same for every graph.
LINKS = 32
BUILD_BEAM = 200
#: Beams while searching, from narrow to wide: the first that reaches the wanted recall is used.
BEAMS = (16, 64, 256, 1024, 4096)
NO_FILTERS = Filters()
#: Queries of either medium that our index is tuned by while it is built, drawn apart from those that are timed.
_PLAN_QUERIES = 600
_PLAN_SEED = 99


@dataclass(frozen=True)
class Material:
    """What a contender may use: a version's medium, its vectors (n, d) on disk, and a folder to write in.

    ``size``: how many rows there are, from the first one; ``whole``: whether that is all of them.
    """

    indexes: Path
    medium: Medium
    vectors_file: Path
    scratch: Path
    size: int
    whole: bool

    def vectors(self) -> Floats:
        """Read the vectors into memory."""
        return np.asarray(np.load(self.vectors_file, allow_pickle=False))


class Contender(ABC):
    """One way to search. ``settings``: its steps from fast to thorough, a single 0 where it has none."""

    name: ClassVar[str]
    #: The distribution that pip installs, and the module it brings.
    distribution: ClassVar[str]
    module: ClassVar[str]
    settings: ClassVar[tuple[int, ...]] = BEAMS
    #: What a reader of its figures has to know.
    note: str = ""

    def __init__(self, material: Material, library: Any) -> None:
        self.material = material
        self.library = library

    def ready(self) -> None:
        """Gather what is needed besides the vectors; not timed."""
        version = open_version(self.material.indexes)
        version.close()
        self.columns: FilterColumns = version.filters[self.material.medium]

    @abstractmethod
    def build(self) -> None:
        """Index all rows, ready to be searched; timed."""

    def settle(self) -> None:
        """Let go of what building left; not timed, before memory is read."""
        gc.collect()

    def tune(self, setting: int) -> None:
        """Use a setting for the searches that follow; not timed."""
        self.setting = setting

    def prepare(self, filters: Filters) -> Any:
        """Put a filter into the contender's own words; not timed. None where nothing is filtered."""
        return None if filters == NO_FILTERS else filters

    @abstractmethod
    def search(self, query: Floats, depth: int, condition: Any) -> npt.ArrayLike:
        """The rows nearest to ``query`` (d,) that pass what ``prepare`` made; timed."""

    def mask(self, condition: Filters) -> Mask:
        """The rows that pass."""
        mask = self.columns.mask(condition)
        if mask is None:
            raise ValueError("a filter that filters nothing has no mask")
        return mask[: self.material.size]


class Segue(Contender):
    """Our index as the version opens it."""

    name = "Segue"
    distribution, module = "faiss-cpu", "faiss"
    settings = (0,)

    def ready(self) -> None:
        super().ready()
        version = open_version(self.material.indexes)
        random = np.random.default_rng(_PLAN_SEED)
        self._plan = IndexPlan(
            {
                str(source): version.space.queries(
                    version.indexes[source].vectors(
                        random.permutation(version.indexes[source].size)[:_PLAN_QUERIES]
                    )
                )
                for source in MEDIA
            }
        )
        version.close()

    def build(self) -> None:
        self._index: VectorIndex = build_index(self.material.vectors(), plan=self._plan).index

    def settle(self) -> None:
        if self.material.whole:
            del self._index
            gc.collect()
            version = open_version(self.material.indexes)
            self._index = version.indexes[self.material.medium]
            version.close()
        del self._plan
        self.note = f"an index of the kind {self._index.kind}; {self._index.reason}"

    def search(self, query: Floats, depth: int, condition: Any) -> npt.ArrayLike:
        return self._index.search(
            query, depth, allowed=None if condition is None else self.mask(condition)
        ).rows


class FaissFlat(Contender):
    """FAISS's exhaustive scan."""

    name = "FAISS flat"
    distribution, module = "faiss-cpu", "faiss"
    settings: ClassVar[tuple[int, ...]] = (0,)

    def build(self) -> None:
        vectors = self.material.vectors()
        self._index = self._make(vectors.shape[1])
        self.library.omp_set_num_threads(1)
        self._index.add(vectors)

    def search(self, query: Floats, depth: int, condition: Any) -> npt.ArrayLike:
        if condition is None:
            return self._look_up(query, depth, None)
        # ``packed`` is held here for as long as the call runs: the selector has a bare pointer to it.
        packed = np.packbits(self.mask(condition), bitorder="little")
        return self._look_up(query, depth, self.library.IDSelectorBitmap(packed))

    def _make(self, dimension: int) -> Any:
        return self.library.IndexFlatIP(dimension)

    def _look_up(self, query: Floats, depth: int, selector: Any) -> npt.ArrayLike:
        params = self.library.SearchParameters(sel=selector)
        return np.asarray(self._index.search(query[None, :], depth, params=params)[1][0])


class FaissHnsw(FaissFlat):
    """FAISS's graph."""

    name = "FAISS HNSW"
    settings = BEAMS

    def _make(self, dimension: int) -> Any:
        index = self.library.IndexHNSWFlat(dimension, LINKS, self.library.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = BUILD_BEAM
        return index

    def _look_up(self, query: Floats, depth: int, selector: Any) -> npt.ArrayLike:
        params = self.library.SearchParametersHNSW(sel=selector, efSearch=self.setting)
        return np.asarray(self._index.search(query[None, :], depth, params=params)[1][0])


class Hnswlib(Contender):
    """hnswlib with its filter function."""

    name = "hnswlib"
    distribution = module = "hnswlib"
    note = (
        "its filter is a Python function called for every row it visits; where it finds fewer than 10 rows its "
        "binding raises an error, which counts as nothing found"
    )

    def build(self) -> None:
        vectors = self.material.vectors()
        self._index = self.library.Index(space="ip", dim=vectors.shape[1])
        self._index.init_index(len(vectors), M=LINKS, ef_construction=BUILD_BEAM, random_seed=1)
        self._index.set_num_threads(1)
        self._index.add_items(vectors, np.arange(len(vectors)), num_threads=1)

    def tune(self, setting: int) -> None:
        self._index.set_ef(setting)

    def search(self, query: Floats, depth: int, condition: Any) -> npt.ArrayLike:
        passes: Callable[[int], bool] | None = None
        if condition is not None:
            mask = self.mask(condition)
            depth = min(depth, int(np.count_nonzero(mask)))
            passes = mask.tolist().__getitem__
        try:
            return np.asarray(self._index.knn_query(query, k=depth, num_threads=1, filter=passes)[0][0])
        except RuntimeError:
            return []


class Usearch(Contender):
    """USearch, filtered afterwards."""

    name = "USearch"
    distribution, module = "usearch", "usearch.index"
    settings = (*BEAMS, 16384)
    note = "its Python binding has no filter, so as many rows as the beam is wide are fetched and filtered afterwards"

    def build(self) -> None:
        vectors = self.material.vectors()
        self._index = self.library.Index(
            ndim=vectors.shape[1],
            metric=self.library.MetricKind.IP,
            dtype="f32",
            connectivity=LINKS,
            expansion_add=BUILD_BEAM,
        )
        self._index.add(np.arange(len(vectors)), vectors, threads=1)

    def tune(self, setting: int) -> None:
        self._beam = min(setting, self.material.size)
        self._index.expansion_search = self._beam

    def search(self, query: Floats, depth: int, condition: Any) -> npt.ArrayLike:
        if condition is None:
            return np.asarray(self._index.search(query, depth, threads=1).keys)
        mask = self.mask(condition)
        found = np.asarray(self._index.search(query, max(self._beam, depth), threads=1).keys).astype(np.int64)
        return found[mask[found]][:depth]


def load(kind: type[Contender], material: Material) -> Contender:
    """Make a contender; ImportError where its library is not installed."""
    # Peers are imported by name: they are no requirement of this package.
    return kind(material, import_module(kind.module))


def use_one_core() -> int:
    """Bind this process, and all threads it starts, to the last core it may use; returns its number."""
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core
