"""Engines for the tests: milvus-lite in this process, and the standalone server where it was asked for."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.milvus.params import MilvusParams
from tests.faults.small_index import SmallIndex, make_small_index
from tests.milvus.standalone import Standalone
from tests.milvus.standalone_files import StandaloneError, find_package


@pytest.fixture
def milvus_lite(tmp_path: Path) -> Iterator[MilvusParams]:
    """An empty milvus-lite of its own."""
    manager = pytest.importorskip("milvus_lite.server_manager").server_manager_instance
    path = str(tmp_path / "lite.db")
    yield MilvusParams(path, timeout_s=30.0)
    manager.release_server(path)


@pytest.fixture(scope="session")
def milvus_environment() -> Path:
    """Where the standalone server is installed; a skip where these tests were not asked for."""
    asked = os.environ.get("SEGUE_TEST_MILVUS", "")
    if not asked:
        pytest.skip("needs Milvus' standalone server: scripts/milvus_dev test")
    try:
        find_package(Path(asked))
    except StandaloneError as error:
        pytest.skip(f"SEGUE_TEST_MILVUS: {error}")
    return Path(asked)


@pytest.fixture(scope="session")
def milvus_standalone(
    milvus_environment: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Standalone]:
    """A standalone server for tests that leave it as it was; each takes a prefix of its own."""
    server = Standalone(tmp_path_factory.mktemp("milvus"), milvus_environment)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def small_index(tmp_path_factory: pytest.TempPathFactory) -> SmallIndex:
    """A small index with one version, not published on any Milvus. Not to be changed."""
    return make_small_index(tmp_path_factory.mktemp("small") / "home")


@pytest.fixture
def small(small_index: SmallIndex, tmp_path: Path) -> SmallIndex:
    """A copy of it."""
    return SmallIndex(Path(shutil.copytree(small_index.home, tmp_path / "small")))
