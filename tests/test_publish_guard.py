"""A version that finds known pairs clearly worse than the served one is not published by mistake."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from indexer import index_folder, publication
from indexer import index_version as versions
from indexer.errors import VersionWorse


def twin_with(indexes: Path, name: str, way: str, figure: str, change: float) -> str:
    """A copy of the served version whose card differs in one figure."""
    folder = Path(shutil.copytree(indexes / index_folder.current_name(indexes), indexes / name))
    manifest: dict[str, Any] = json.loads((folder / versions.MANIFEST).read_bytes())
    manifest["relevance"][way][figure]["value"] += change
    manifest["name"] = name if "name" in manifest else None
    if manifest["name"] is None:
        del manifest["name"]
    written = json.dumps(manifest).encode()
    (folder / versions.MANIFEST).write_bytes(written)
    seal = (folder / versions.SEAL).read_bytes()
    old = hashlib.sha256(
        (indexes / index_folder.current_name(indexes) / versions.MANIFEST).read_bytes()
    ).hexdigest()
    (folder / versions.SEAL).write_bytes(
        seal.replace(old.encode(), hashlib.sha256(written).hexdigest().encode())
    )
    return name


@pytest.mark.parametrize(
    ("way", "figure", "change"),
    [
        ("song_to_film", "recall_100", -0.031),
        ("film_to_song", "recall_100", -0.2),
        ("song_to_film", "median_percentile", 3.1),
    ],
)
def test_a_clearly_worse_version_takes_force(indexes: Path, way: str, figure: str, change: float) -> None:
    before = index_folder.current_name(indexes)
    worse = twin_with(indexes, "worse", way, figure, change)
    with pytest.raises(VersionWorse, match=f"worse is built but not published: its {figure}.*--force"):
        publication.publish(indexes, worse)
    assert index_folder.current_name(indexes) == before
    publication.publish(indexes, worse, force=True)
    assert index_folder.current_name(indexes) == worse


@pytest.mark.parametrize(
    ("figure", "change"),
    [("recall_100", -0.029), ("recall_100", 0.1), ("median_percentile", 2.9), ("median_percentile", -1.0)],
)
def test_noise_and_gains_are_published(indexes: Path, figure: str, change: float) -> None:
    name = twin_with(indexes, "other", "song_to_film", figure, change)
    publication.publish(indexes, name)
    assert index_folder.current_name(indexes) == name
