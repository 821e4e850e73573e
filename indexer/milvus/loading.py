"""Loading a medium of an index version into its collection: resumed where it was cut, and checked at the end."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np

from indexer import index_version as versions
from indexer.catalogue.records import Medium
from indexer.errors import EngineMismatch, EngineMissing, EngineUnavailable
from indexer.index_version import IndexVersion
from indexer.milvus.collections import (
    METRIC,
    ROW,
    VECTOR,
    Held,
    RowWriter,
    choose_index,
    make_schema,
    name_collection,
)
from indexer.milvus.engine import MilvusEngine
from indexer.milvus.index import MilvusIndex
from indexer.milvus.library import MilvusClient
from indexer.milvus.widths import choose_width

_log = logging.getLogger(__name__)

#: Gets what is done (a stage), how many rows are through it, and of how many.
Tell = Callable[[str, int, int], None]

#: Vectors sent at once, well below the 64 MB that a server takes.
BATCH_BYTES: Final = 8 * 2**20
#: What loading, flushing and indexing a whole collection may take.
_LONG_S: Final = 3_600.0
_WRITE_S: Final = 60.0
#: Pauses before something that may be done twice is tried again.
PAUSES_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
_LOOK_AGAIN_S: Final = 0.5
_COMPARED: Final = 64


class Loader:
    """Loads collections of one Milvus; ``tell`` hears how far it is."""

    def __init__(self, engine: MilvusEngine, tell: Tell = lambda *_: None) -> None:
        self._engine = engine
        self._tell = tell

    def load(self, version: IndexVersion, medium: Medium, index_kind: str, is_served: bool) -> None:
        """Load what is not loaded yet, wait until it is indexed, and compare it with the version.

        Raises ``EngineError``; what is loaded by then is kept for the next try.
        """
        held = self._make(version, medium, index_kind, is_served)
        if not held.is_whole:
            self._write_rows(version, held)
            self._wait_indexed(held)
        self.check(held)
        self._compare(version, held)
        if not held.is_whole:
            if not held.index.is_exact:
                held = replace(held, index=choose_width(self._open(held, version), version, medium))
            self.make_alias(held.name, held.mark)

    def make_alias(self, collection: str, alias: str) -> None:
        """Make a new alias of a collection."""
        try:
            self.call("create_alias", collection, alias)
        except EngineMissing:
            raise
        except EngineMismatch:
            # It is there, made by a call that seemed to fail, or left over: some servers keep what named a dropped one.
            self.call("alter_alias", collection, alias)

    def drop(self, collection: str) -> None:
        """Drop a collection and its aliases, which some servers would keep; nothing where it is not there."""
        if self.call("has_collection", collection):
            for alias in self.call("list_aliases", collection)["aliases"]:
                self.call("drop_alias", alias)
            self.call("drop_collection", collection)

    def _open(self, held: Held, version: IndexVersion) -> MilvusIndex:
        return MilvusIndex(self._engine.connection, held, version.filters[held.medium])

    def _make(self, version: IndexVersion, medium: Medium, index_kind: str, is_served: bool) -> Held:
        """The collection to load into: what an earlier try has left of it, where it is of the same version."""
        rows = version.manifest["counts"][medium]
        name = name_collection(self._engine.prefix, version.name, medium)
        wanted = Held(
            self._engine.prefix,
            version.name,
            medium,
            rows,
            version.space.dimension,
            versions.hash_manifest(version.folder),
            choose_index(index_kind, rows),
            name=name,
            made=secrets.token_hex(4),
        )
        if self.call("has_collection", name):
            try:
                held = self._engine.held(version.name, medium)
            except EngineMissing:
                held = None
            if held is not None and self._fits(held, wanted, index_kind):
                return held
            if is_served:
                raise EngineMismatch(
                    f"{name} on Milvus is served, and differs from the version in the folder"
                )
            self.drop(name)
        index = MilvusClient.prepare_index_params()
        index.add_index(
            VECTOR, index_type=wanted.index.type, metric_type=METRIC, params=wanted.index.built_with
        )
        columns = version.filters[medium]
        about = f"Segue, index version {version.name}: {rows} {medium}, {wanted.index.type}"
        self.call(
            "create_collection",
            name,
            schema=make_schema(columns, wanted.dimension, about),
            index_params=index,
            properties=wanted.to_properties(),
            consistency_level="Strong",
        )
        return wanted

    def _fits(self, held: Held, wanted: Held, index_kind: str) -> bool:
        same = replace(held, index=wanted.index, is_whole=False) == wanted
        return same and (index_kind == "auto" or held.index.kind == index_kind)

    def _write_rows(self, version: IndexVersion, held: Held) -> None:
        """Load in batches; a row that is there already is replaced by itself."""
        index = version.indexes[held.medium]
        batch = max(1, BATCH_BYTES // (4 * held.dimension))
        writer = RowWriter(version.filters[held.medium])
        stage = f"loading {held.medium}"
        done = self._find_end(held, batch)
        self._tell(stage, done, held.rows)
        for start in range(done, held.rows, batch):
            stop = min(start + batch, held.rows)
            entities = writer.write(start, index.vectors(np.arange(start, stop)))
            self.call("upsert", held.name, entities)
            self._tell(stage, stop, held.rows)
        self.call("flush", held.name, timeout_s=_LONG_S)

    def _find_end(self, held: Held, batch: int) -> int:
        """Where to go on: the rows before are all there. Batches are loaded in order, so it is found by halving."""
        self._make_loaded(held.name)
        low, high = 0, -(-held.rows // batch)
        while low < high:
            middle = (low + high + 1) // 2
            rows = min(middle * batch, held.rows)
            if self._count(held, f"{ROW} < {rows}") == rows:
                low = middle
            else:
                high = middle - 1
        return min(low * batch, held.rows)

    def _wait_indexed(self, held: Held) -> None:
        deadline = time.monotonic() + _LONG_S
        while True:
            state = self.call("describe_index", held.name, VECTOR)
            pending = int(state.get("pending_index_rows") or 0)
            self._tell(f"indexing {held.medium}", held.rows - min(pending, held.rows), held.rows)
            if not pending and state.get("state") == "Finished":
                return
            if time.monotonic() > deadline:
                raise EngineUnavailable(f"Milvus has not indexed {held.name} within {_LONG_S:.0f} s")
            time.sleep(_LOOK_AGAIN_S)

    def _make_loaded(self, collection: str) -> None:
        self.call("load_collection", collection, timeout_s=_LONG_S)

    def check(self, held: Held) -> None:
        """Make a collection ready to be searched and count its rows; ``EngineMismatch`` where some are missing."""
        self._make_loaded(held.name)
        count = self._count(held, f"{ROW} >= 0")
        if count != held.rows:
            raise EngineMismatch(f"{held.name} on Milvus holds {count} rows, not {held.rows}")

    def _count(self, held: Held, expression: str) -> int:
        (found,) = self.call(
            "query",
            held.name,
            filter=expression,
            output_fields=["count(*)"],
            consistency_level="Strong",
        )
        return int(found["count(*)"])

    def _compare(self, version: IndexVersion, held: Held) -> None:
        """Compare some vectors, evenly spread, with the version's own."""
        rows = np.unique(np.linspace(0, held.rows - 1, _COMPARED).astype(np.int64))
        there = self._patiently(lambda: self._open(held, version).vectors(rows))
        if not np.array_equal(there, version.indexes[held.medium].vectors(rows)):
            raise EngineMismatch(f"{held.name} on Milvus holds other vectors than the version in the folder")

    def call(self, method: str, /, *args: Any, timeout_s: float = _WRITE_S, **kwargs: Any) -> Any:
        """A call that may be made twice, and is where Milvus is busy or was restarted."""
        return self._patiently(
            lambda: self._engine.connection.call(method, *args, timeout_s=timeout_s, **kwargs)
        )

    def _patiently(self, do: Callable[[], Any]) -> Any:
        for pause_s in PAUSES_S:
            try:
                return do()
            except EngineUnavailable as error:
                _log.warning("%s; trying again in %g s", error, pause_s)
                time.sleep(pause_s)
        return do()
