"""Engines to run the same tests on: milvus-lite always, the standalone server where it was asked for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from indexer.index_folder import current_name
from indexer.milvus.engine import MilvusEngine
from indexer.milvus.params import MilvusParams

ENGINES = ["lite", "standalone"]


@contextmanager
def open_engine(request: pytest.FixtureRequest, folder: Path, prefix: str) -> Iterator[MilvusEngine]:
    """The engine that a fixture's parameter names, with collections of this prefix only; gone afterwards."""
    if request.param == "lite":
        manager = pytest.importorskip("milvus_lite.server_manager").server_manager_instance
        path = str(folder / "lite.db")
        engine = MilvusEngine(MilvusParams(path, prefix=prefix, timeout_s=30.0))
        yield engine
        engine.close()
        manager.release_server(path)
        return
    server = request.getfixturevalue("milvus_standalone")
    engine = MilvusEngine(server.params(prefix=prefix, timeout_s=30.0))
    wipe(engine)
    yield engine
    wipe(engine)
    engine.close()


def wipe(engine: MilvusEngine) -> None:
    """Drop the alias and all collections of an engine's prefix."""
    call = engine.connection.call
    if call("has_collection", engine.prefix):
        call("drop_alias", engine.prefix)
    for name in call("list_collections"):
        if name.startswith(f"{engine.prefix}_"):
            call("drop_collection", name, timeout_s=60.0)


def add_version(indexes: Path, name: str) -> str:
    """Another version beside the served one, with the same contents."""
    shutil.copytree(indexes / current_name(indexes), indexes / name)
    return name


def drop_index_files(folder: Path) -> None:
    """Delete what FAISS would search from a version's folder."""
    for file in folder.glob("*.faiss"):
        file.unlink()
