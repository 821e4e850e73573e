"""Reading many files: each once, whatever is broken among them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from indexer.mel.decoding import decode_clip
from indexer.mel.estimator import MelEstimator
from indexer.mel.network import FEATURES
from indexer.mel.readings import read_files
from indexer.mel.training import Trained
from indexer.mel.weights import MelNetwork

Floats = npt.NDArray[np.float32]


class CountingDecoder:
    """Decodes and notes what."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, path: Path) -> tuple[Floats, int]:
        self.names.append(path.name)
        return decode_clip(path)


@pytest.fixture
def sounds(tmp_path: Path, write_sound: Callable[[Path, float], Path]) -> list[Path]:
    paths = [write_sound(tmp_path / "audio" / f"{pitch}.wav", pitch) for pitch in range(300, 2100, 100)]
    paths[4].write_bytes(b"RIFF and no more")
    paths[7].unlink()
    return paths


def test_files_are_read_as_they_are_one_by_one_and_broken_ones_reported(
    trained: Trained, trained_folder: Path, sounds: list[Path]
) -> None:
    told: list[tuple[int, int]] = []
    read = read_files(sounds, trained_folder, decode_clip, on_progress=lambda *at: told.append(at))
    assert sorted(read.failed) == ["1000.wav", "700.wav"]
    assert read.failed["1000.wav"] == "No such file or directory"
    assert read.failed["700.wav"].startswith("cannot be decoded (")
    assert str(sounds[4].parent) not in read.failed["700.wav"]
    broken = np.isnan(read.features).any(axis=1)
    assert np.flatnonzero(broken).tolist() == [4, 7]
    assert read.reused == 0
    assert told == [(16, 17), (17, 17)]
    estimator = MelEstimator.open(trained_folder)
    for at in (0, 17):
        alone = estimator.estimate_file(sounds[at])
        assert list(alone) == list(FEATURES)
        np.testing.assert_allclose(list(alone.values()), read.features[at], atol=1e-5)


def test_what_was_read_is_not_read_again(
    trained: Trained,
    trained_folder: Path,
    sounds: list[Path],
    tmp_path: Path,
    write_sound: Callable[[Path, float], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del sounds[4]
    decode = CountingDecoder()
    first = read_files(sounds[:10], trained_folder, decode, tmp_path / "cache")
    assert sorted(decode.names) == sorted(path.name for path in sounds[:10] if path.exists())
    write_sound(sounds[6], 1000)
    decode.names.clear()
    second = read_files(sounds[:10], trained_folder, decode, tmp_path / "cache")
    assert decode.names == ["1000.wav"]
    assert second.reused == 9
    known = np.isfinite(first.features).all(axis=1)
    np.testing.assert_array_equal(second.features[known], first.features[known])
    assert np.isfinite(second.features).all()

    def refuse(folder: Path) -> MelNetwork:
        raise AssertionError("all of it is known: no network is needed")

    monkeypatch.setattr(MelNetwork, "open", refuse)
    third = read_files(sounds[:10], trained_folder, decode, tmp_path / "cache")
    np.testing.assert_array_equal(third.features, second.features)


def test_an_interrupted_reading_goes_on_where_it_stopped(
    trained: Trained, trained_folder: Path, sounds: list[Path], tmp_path: Path
) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    decode = CountingDecoder()
    with pytest.raises(KeyboardInterrupt):
        read_files(sounds, trained_folder, decode, tmp_path / "cache", interrupt)
    assert len(decode.names) == 16
    read = read_files(sounds, trained_folder, decode, tmp_path / "cache")
    assert sorted(decode.names[16:]) == ["2000.wav", "700.wav"]
    assert read.reused == 15


def test_other_weights_read_afresh(
    trained: Trained, trained_folder: Path, sounds: list[Path], tmp_path: Path
) -> None:
    from indexer.mel.weights import new_network

    new_network(-60.0, 20.0, seed=6).save(tmp_path / "other", {})
    one = read_files(sounds[:1], trained_folder, decode_clip, tmp_path / "cache")
    other = read_files(sounds[:1], tmp_path / "other", decode_clip, tmp_path / "cache")
    assert other.reused == 0
    assert not np.array_equal(one.features, other.features)
