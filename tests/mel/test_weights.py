"""Weights on disk: whole and vouched for, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.errors import MissingModel
from indexer.mel.weights import MANIFEST, MelNetwork, new_network, read_manifest

HEARD = np.full((1, 2, 64, 820), -40.0, dtype=np.float32)


@pytest.fixture
def saved(untrained: MelNetwork, tmp_path: Path) -> Path:
    untrained.save(tmp_path / "weights", {"finished": True})
    return tmp_path / "weights"


def weights_file(folder: Path) -> Path:
    (path,) = folder.glob("*.weights.h5")
    return path


def alter(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")


def test_saving_again_replaces_the_weights(saved: Path, untrained: MelNetwork) -> None:
    before = weights_file(saved).name
    other = new_network(-60.0, 20.0, seed=6)
    other.save(saved, {})
    assert weights_file(saved).name != before
    np.testing.assert_array_equal(MelNetwork.open(saved).predict(HEARD), other.predict(HEARD))
    assert not np.array_equal(other.predict(HEARD), untrained.predict(HEARD))


@pytest.mark.parametrize("damage", ["missing", "empty", "half", "a bit"])
def test_damaged_weights_are_refused(saved: Path, damage: str) -> None:
    path = weights_file(saved)
    whole = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        middle = len(whole) // 2
        altered = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        path.write_bytes({"empty": b"", "half": whole[:middle], "a bit": altered}[damage])
    with pytest.raises(MissingModel, match="cannot be read" if damage == "missing" else "SHA-256"):
        MelNetwork.open(saved)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '"x"', '{"weights": 3}', "\udcff"])
def test_a_damaged_manifest_is_refused(saved: Path, text: str) -> None:
    (saved / MANIFEST).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(MissingModel, match=MANIFEST):
        read_manifest(saved)


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("format", 2, "train it again"),
        ("features", ["energy"], "train it again"),
        ("spectrogram", {"mels": 128}, "train it again"),
        ("weights", {"file": "../other.weights.h5", "sha256": "0"}, "is not the manifest"),
        ("scale", {"mean_db": -60.0, "scale_db": 0}, "is not the manifest"),
        ("scale", {"mean_db": "loud", "scale_db": 20}, "is not the manifest"),
    ],
)
def test_weights_of_something_else_are_refused(saved: Path, key: str, value: object, why: str) -> None:
    alter(saved, lambda manifest: manifest.update({key: value}))
    with pytest.raises(MissingModel, match=why):
        MelNetwork.open(saved)


def test_a_file_that_holds_no_weights_is_refused_even_with_its_own_hash(saved: Path) -> None:
    import hashlib

    path = weights_file(saved)
    path.write_bytes(b"not HDF5")
    digest = hashlib.sha256(b"not HDF5").hexdigest()
    alter(saved, lambda manifest: manifest["weights"].update({"sha256": digest}))
    with pytest.raises(MissingModel, match="does not hold this network's weights"):
        MelNetwork.open(saved)


@pytest.mark.parametrize("step", ["save_weights", "rename", "manifest"])
def test_an_interrupted_save_leaves_the_weights_of_before(
    saved: Path, untrained: MelNetwork, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = new_network(-60.0, 20.0, seed=6)
    replace = Path.replace

    def interrupt(path: Path, target: Path) -> Path:
        if step == "rename" or path.name.startswith(MANIFEST):
            raise KeyboardInterrupt
        return replace(path, target)

    def write_half(path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    if step == "save_weights":
        monkeypatch.setattr(other.network, "save_weights", write_half)
    else:
        monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        other.save(saved, {})
    monkeypatch.undo()
    np.testing.assert_array_equal(MelNetwork.open(saved).predict(HEARD), untrained.predict(HEARD))
    other.save(saved, {})
    np.testing.assert_array_equal(MelNetwork.open(saved).predict(HEARD), other.predict(HEARD))
