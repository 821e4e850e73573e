"""The contenders that keep metadata beside vectors and filter by it themselves: Qdrant Edge and Chroma."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.benchmarks.contenders import BEAMS, BUILD_BEAM, LINKS, NO_FILTERS, Contender, Floats
from indexer.filter_columns import FilterColumns, Filters

_BATCH = 1000
#: Years that are looked for when rows are described; those outside take part in no filter.
_YEARS = range(1870, 2041)


def describe_rows(columns: FilterColumns, size: int) -> list[dict[str, Any]]:
    """What the first ``size`` rows can be filtered by: genres, first_year, last_year, language, explicit.

    Read through filters alone, so that a peer knows exactly what our own filters know; unknown values are left out.
    """
    rows: list[dict[str, Any]] = [{} for _ in range(size)]
    for name in columns.genres:
        for row in _passing(columns, Filters(genres=(name,)), size):
            rows[row].setdefault("genres", []).append(name)
    for name in columns.languages:
        for row in _passing(columns, Filters(language=(name,)), size):
            rows[row]["language"] = name
    for year in _YEARS:
        for row in _passing(columns, Filters(year_min=year), size):
            rows[row]["first_year"] = year
    for year in reversed(_YEARS):
        for row in _passing(columns, Filters(year_max=year), size):
            rows[row]["last_year"] = year
    if columns.medium == "tracks":
        for value in (True, False):
            for row in _passing(columns, Filters(explicit=value), size):
                rows[row]["explicit"] = value
    return rows


def _passing(columns: FilterColumns, filters: Filters, size: int) -> list[int]:
    mask = columns.mask(filters)
    return [] if mask is None else np.flatnonzero(mask[:size]).tolist()


class Database(Contender):
    """A contender that is given metadata. It lies in a file while building, so as not to count as its memory."""

    def ready(self) -> None:
        super().ready()
        rows = describe_rows(self.columns, self.material.size)
        with self._file.open("w", encoding="utf-8") as stream:
            stream.writelines(json.dumps(row) + "\n" for row in rows)

    def settle(self) -> None:
        super().settle()
        self._file.unlink()

    def batches(self) -> Iterator[tuple[range, list[dict[str, Any]]]]:
        """Rows in batches, with their metadata."""
        with self._file.open(encoding="utf-8") as stream:
            for start in range(0, self.material.size, _BATCH):
                batch = range(start, min(start + _BATCH, self.material.size))
                yield batch, [json.loads(line) for line in islice(stream, len(batch))]

    @property
    def folder(self) -> str:
        """Where the database lives."""
        return str(self.material.scratch / "database")

    @property
    def _file(self) -> Path:
        return self.material.scratch / "rows.jsonl"


class QdrantEdge(Database):
    """Qdrant's engine in process, with payload indexes on everything that is filtered by."""

    name = "Qdrant Edge"
    distribution, module = "qdrant-edge-py", "qdrant_edge"
    note = (
        "vectors and graph in memory, payload indexes on all filtered fields; truth values are kept as words, since "
        "its binding matches no booleans"
    )

    def build(self) -> None:
        edge = self.library
        vectors = self.material.vectors()
        config = edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(size=vectors.shape[1], distance=edge.Distance.Dot, on_disk=False),
            hnsw_config=edge.HnswIndexConfig(
                m=LINKS, ef_construct=BUILD_BEAM, full_scan_threshold=10_000, max_indexing_threads=1
            ),
            optimizers=edge.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=1),
            on_disk_payload=False,
            max_search_threads=1,
            wal_enabled=False,
        )
        Path(self.folder).mkdir()
        self._shard = edge.EdgeShard.create(self.folder, config)
        kinds = edge.PayloadSchemaType
        indexed = {"genres": kinds.Keyword, "language": kinds.Keyword, "explicit": kinds.Keyword}
        indexed |= {"first_year": kinds.Integer, "last_year": kinds.Integer}
        for name, kind in indexed.items():
            self._shard.update(edge.UpdateOperation.create_field_index(name, kind))
        for batch, rows in self.batches():
            points = [
                edge.Point(row, vectors[row].tolist(), _word_truth(fields))
                for row, fields in zip(batch, rows, strict=True)
            ]
            self._shard.update(edge.UpdateOperation.upsert_points(points))
        self._shard.optimize()
        info = self._shard.info()
        if info.indexed_vectors_count < len(vectors):
            raise RuntimeError(f"only {info.indexed_vectors_count} of {len(vectors)} vectors were indexed")

    def tune(self, setting: int) -> None:
        self._params = self.library.SearchParams(hnsw_ef=setting)

    def prepare(self, filters: Filters) -> Any:
        if filters == NO_FILTERS:
            return None
        edge, must = self.library, []
        if filters.genres:
            must.append(edge.FieldCondition("genres", match=edge.MatchAny(list(filters.genres))))
        if filters.language:
            must.append(edge.FieldCondition("language", match=edge.MatchAny(list(filters.language))))
        if filters.year_min is not None:
            must.append(edge.FieldCondition("first_year", range=edge.RangeFloat(gte=filters.year_min)))
        if filters.year_max is not None:
            must.append(edge.FieldCondition("last_year", range=edge.RangeFloat(lte=filters.year_max)))
        if filters.explicit is not None:
            must.append(edge.FieldCondition("explicit", match=edge.MatchValue(str(filters.explicit))))
        return edge.Filter(must=must)

    def search(self, query: Floats, depth: int, condition: Any) -> npt.ArrayLike:
        asked = self.library.SearchRequest(
            query=self.library.Query.Nearest(query.tolist()),
            limit=depth,
            filter=condition,
            params=self._params,
        )
        return [point.id for point in self._shard.search(asked)]


class Chroma(Database):
    """Chroma, embedded and on disk."""

    name = "Chroma"
    distribution = module = "chromadb"
    settings = BEAMS
    note = "opened anew for every beam, since it reads a changed one only then"

    def build(self) -> None:
        vectors = self.material.vectors()
        self._client = self._connect()
        self._items = self._client.create_collection(
            "items",
            embedding_function=None,
            configuration={
                "hnsw": {
                    "space": "ip",
                    "ef_construction": BUILD_BEAM,
                    "max_neighbors": LINKS,
                    "num_threads": 1,
                }
            },
        )
        for batch, rows in self.batches():
            self._items.add(
                ids=[str(row) for row in batch],
                embeddings=vectors[batch.start : batch.stop],
                # Metadata must not be empty.
                metadatas=[fields | {"row": row} for row, fields in zip(batch, rows, strict=True)],
            )
        self._beam = 0

    def settle(self) -> None:
        super().settle()
        self.tune(BEAMS[0])

    def tune(self, setting: int) -> None:
        if setting == self._beam:
            return
        self._beam = setting
        self._items.modify(configuration={"hnsw": {"ef_search": setting}})
        shared = import_module("chromadb.api.shared_system_client")
        shared.SharedSystemClient.clear_system_cache()
        del self._client
        self._client = self._connect()
        self._items = self._client.get_collection("items", embedding_function=None)

    def prepare(self, filters: Filters) -> Any:
        if filters == NO_FILTERS:
            return None
        every: list[dict[str, Any]] = []
        if filters.genres:
            every.append(_any([{"genres": {"$contains": name}} for name in filters.genres]))
        if filters.language:
            every.append({"language": {"$in": list(filters.language)}})
        if filters.year_min is not None:
            every.append({"first_year": {"$gte": filters.year_min}})
        if filters.year_max is not None:
            every.append({"last_year": {"$lte": filters.year_max}})
        if filters.explicit is not None:
            every.append({"explicit": filters.explicit})
        return every[0] if len(every) == 1 else {"$and": every}

    def search(self, query: Floats, depth: int, condition: Any) -> npt.ArrayLike:
        found = self._items.query(
            query_embeddings=query[None, :], n_results=depth, where=condition, include=[]
        )
        return [int(row) for row in found["ids"][0]]

    def _connect(self) -> Any:
        settings = import_module("chromadb.config").Settings(anonymized_telemetry=False)
        return self.library.PersistentClient(path=self.folder, settings=settings)


def _word_truth(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with words for true and false: the binding's MatchValue(True) matches no boolean."""
    return {name: str(value) if isinstance(value, bool) else value for name, value in fields.items()}


def _any(conditions: list[dict[str, Any]]) -> dict[str, Any]:
    return conditions[0] if len(conditions) == 1 else {"$or": conditions}
