"""Made-up spectrograms, small audio files, and a network that is trained once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from indexer.mel.network import FEATURES
from indexer.mel.spectrogram import SHAPE
from indexer.mel.training import Clips, Plan, Trained, train
from indexer.mel.weights import MelNetwork, new_network

PLAN = Plan(epochs=2, batch_clips=4, seed=3)


def make_clips(count: int, seed: int, targets: float | None = None) -> Clips:
    """Noise as spectrograms, louder or quieter by the first target; all targets alike where one is given."""
    random = np.random.default_rng(seed)
    wanted = random.random((count, len(FEATURES)), dtype=np.float32)
    if targets is not None:
        wanted[:] = targets
    levels = -60 + 30 * wanted[:, 0]
    heard = levels[:, None, None, None] + random.normal(0, 5, (count, *SHAPE))
    return Clips.of(heard.astype(np.float16), wanted)


@pytest.fixture(scope="session")
def clips() -> Clips:
    return make_clips(12, 1)


@pytest.fixture(scope="session")
def validation() -> Clips:
    return make_clips(4, 2)


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of ``trained``; tests only read it."""
    return tmp_path_factory.mktemp("trained") / "weights"


@pytest.fixture(scope="session")
def trained(clips: Clips, validation: Clips, trained_folder: Path) -> Trained:
    return train(clips, validation, trained_folder, PLAN, {"data": {"clips": "made up"}})


@pytest.fixture(scope="session")
def untrained() -> MelNetwork:
    return new_network(-60.0, 20.0, seed=5)


@pytest.fixture
def write_sound() -> Callable[[Path, float], Path]:
    """Write half a second of a stereo sine of this pitch (Hz)."""

    def write(path: Path, pitch_hz: float) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        at = np.arange(22_050) / 44_100
        left = 0.5 * np.sin(2 * np.pi * pitch_hz * at)
        soundfile.write(path, np.stack([left, 0.5 * left], axis=1), 44_100)
        return path

    return write
