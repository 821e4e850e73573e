"""The network's weights in a folder: Keras' HDF5 file, and a manifest that says whose they are and vouches for them.

No pickle: a .weights.h5 holds arrays alone, and the network itself is built by code.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from indexer.errors import MissingLibrary, MissingModel
from indexer.mel.network import FEATURES, build_network
from indexer.mel.spectrogram import SETTINGS, SHAPE

Floats = npt.NDArray[np.float32]

MANIFEST: Final = "manifest.json"
_FORMAT: Final = 1
_SUFFIX: Final = ".weights.h5"


@dataclass(frozen=True)
class MelNetwork:
    """A network with what belongs to it. ``mean_db``, ``scale_db``: of the spectrograms that it was trained on."""

    network: Any
    mean_db: float
    scale_db: float
    manifest: Mapping[str, Any]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read the weights that ``save`` wrote, after checking their SHA-256.

        Raises ``MissingModel`` where there are none, they were altered, or are of another network or spectrogram,
        and ``MissingLibrary`` without TensorFlow.
        """
        manifest = read_manifest(folder)
        path = folder / manifest["weights"]["file"]
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise MissingModel(f"{path} cannot be read: {error.strerror}") from error
        if found != manifest["weights"]["sha256"]:
            raise MissingModel(f"{path} was altered or cut off: its SHA-256 is not the one in {MANIFEST}")
        try:
            network = build_network()
            network.load_weights(path)
        except ImportError as error:
            raise MissingLibrary(
                f"the mel network needs TensorFlow ({error}); install requirements.txt"
            ) from error
        except (OSError, ValueError, KeyError) as error:
            raise MissingModel(f"{path} does not hold this network's weights: {error}") from error
        scale = manifest["scale"]
        return cls(network, float(scale["mean_db"]), float(scale["scale_db"]), manifest)

    def predict(self, spectrograms: Floats) -> Floats:
        """The seven features of spectrograms (n, 2, 64, 820) in dB: (n, 7) float32 in [0, 1]."""
        parts = [
            np.asarray(self.network(self.scaled(spectrograms[start : start + 32]), training=False))
            for start in range(0, len(spectrograms), 32)
        ]
        return np.concatenate([np.zeros((0, len(FEATURES)), dtype=np.float32), *parts])

    def scaled(self, spectrograms: Floats) -> Floats:
        """As the network takes them: mean 0 and spread 1 over the training set."""
        scaled: Floats = (np.asarray(spectrograms, dtype=np.float32) - self.mean_db) / self.scale_db
        return scaled

    def save(self, folder: Path, facts: Mapping[str, Any]) -> Self:
        """Write weights and manifest; an interruption at any time leaves what was there before, whole.

        ``facts`` (plain JSON values) go into the manifest. Returns the network with its new manifest.
        """
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / f"new{_SUFFIX}"
        self.network.save_weights(fresh)
        content = fresh.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        # Named by their content, so that the manifest of before keeps its weights until it is replaced.
        path = folder / f"mel-{digest[:12]}{_SUFFIX}"
        _make_durable(fresh)
        fresh.replace(path)
        manifest = {
            "format": _FORMAT,
            "features": list(FEATURES),
            "spectrogram": dict(SETTINGS),
            "scale": {"mean_db": self.mean_db, "scale_db": self.scale_db},
            "keras": version("keras"),
            "weights": {"file": path.name, "size_bytes": len(content), "sha256": digest},
            **facts,
        }
        draft = folder / f"{MANIFEST}.new"
        draft.write_text(
            json.dumps(manifest, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8"
        )
        _make_durable(draft)
        draft.replace(folder / MANIFEST)
        for old in folder.glob(f"mel-*{_SUFFIX}"):
            if old != path:
                old.unlink()
        return type(self)(self.network, self.mean_db, self.scale_db, manifest)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read and check a folder's manifest without loading TensorFlow; raises ``MissingModel``."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingModel(
            f"no weights of the mel network in {folder}: {path.name}: {error.strerror}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise MissingModel(f"{path} cannot be read: {error}") from error
    try:
        name, digest = manifest["weights"]["file"], manifest["weights"]["sha256"]
        mean, scale = manifest["scale"]["mean_db"], manifest["scale"]["scale_db"]
        fits = (
            manifest["format"] == _FORMAT
            and manifest["features"] == list(FEATURES)
            and manifest["spectrogram"] == SETTINGS
        )
    except (KeyError, TypeError) as error:
        raise MissingModel(f"{path} is not the manifest of a mel network: {error}") from error
    if not fits:
        raise MissingModel(f"{path} is of another network or another spectrogram; train it again")
    sound = isinstance(name, str) and Path(name).name == name and isinstance(digest, str)
    numbers = isinstance(mean, int | float) and isinstance(scale, int | float)
    if not (sound and numbers and np.isfinite(mean) and np.isfinite(scale) and scale > 0):
        raise MissingModel(f"{path} is not the manifest of a mel network")
    return dict(manifest)


def new_network(mean_db: float, scale_db: float, seed: int) -> MelNetwork:
    """An untrained network for spectrograms of this mean and spread."""
    return MelNetwork(build_network(seed), mean_db, scale_db, {})


def check_shape(spectrograms: Floats) -> None:
    """Raises ``ValueError`` unless these are spectrograms (n, 2, 64, 820)."""
    if spectrograms.ndim != 4 or spectrograms.shape[1:] != SHAPE:
        raise ValueError(f"spectrograms (n, {', '.join(map(str, SHAPE))}) expected, not {spectrograms.shape}")


def _make_durable(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
