"""Milvus as an engine: an alias says which version is served, and that version's collections are searched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from indexer import index_version as versions
from indexer.catalogue.records import Medium
from indexer.engine import Engine
from indexer.errors import EngineMismatch, EngineMissing, VersionNotFound
from indexer.filter_columns import FilterColumns
from indexer.index_version import IndexVersion
from indexer.milvus.collections import Held, name_collection, read_version
from indexer.milvus.connection import Connection
from indexer.milvus.index import MilvusIndex
from indexer.milvus.params import MilvusParams


class MilvusEngine(Engine):
    """Vectors on Milvus; all else of a version is read from its folder, which needs no files of its indexes."""

    name = "milvus"

    def __init__(self, params: MilvusParams) -> None:
        self.params = params
        self.connection = Connection(params)

    @property
    def prefix(self) -> str:
        """What the names of all collections begin with, which is the name of the alias as well."""
        return self.params.prefix

    def current_name(self, indexes: Path) -> str:  # noqa: ARG002
        try:
            described = self.connection.call("describe_alias", self.prefix)
        except EngineMissing as error:
            raise VersionNotFound(
                f"no index version is published on Milvus as {self.prefix}; "
                "publish one with: python -m indexer publish VERSION --engine milvus"
            ) from error
        collection = str(described["collection_name"])
        name = read_version(self.prefix, collection)
        if name is None:
            raise EngineMismatch(
                f"the alias {self.prefix} on Milvus is that of {collection}, no index version"
            )
        return name

    def open_version(self, indexes: Path, name: str) -> IndexVersion:
        return versions.open_version(indexes, name, self.source(name))

    def source(self, name: str) -> versions.IndexSource:
        """Opens the indexes of a version from its collections."""
        return _OnMilvus(self, name)

    def held(self, name: str, medium: Medium) -> Held:
        """What a version's collection says of itself; ``EngineMissing`` where there is none."""
        return self.read_held(name_collection(self.prefix, name, medium))

    def read_held(self, collection: str) -> Held:
        """What a collection says of itself; ``EngineMismatch`` where it is none of an index version."""
        described = self.connection.call("describe_collection", collection)
        return Held.read(described, self.connection.call("list_aliases", collection)["aliases"])

    def close(self) -> None:
        self.connection.close()


class _OnMilvus:
    """The indexes of one version, in its collections."""

    def __init__(self, engine: MilvusEngine, name: str) -> None:
        self._engine = engine
        self._name = name

    def needs(self, file: str) -> bool:  # noqa: ARG002
        return False

    def open(
        self, folder: Path, medium: Medium, manifest: dict[str, Any], columns: FilterColumns
    ) -> MilvusIndex:
        held = self._engine.held(self._name, medium)
        if held.manifest_sha256 != versions.hash_manifest(folder):
            raise EngineMismatch(f"{held.name} on Milvus was made from another version named {self._name}")
        if held.dimension != manifest["dimension"]:
            raise EngineMismatch(
                f"{held.name} on Milvus has {held.dimension} dimensions, the version {manifest['dimension']}"
            )
        if held.rows != manifest["counts"][medium]:
            raise EngineMismatch(
                f"{held.name} on Milvus is of {held.rows} rows, not {manifest['counts'][medium]}"
            )
        if not held.is_whole:
            raise EngineMismatch(f"{held.name} on Milvus is not whole; publish the version again")
        return MilvusIndex(self._engine.connection, held, columns)
