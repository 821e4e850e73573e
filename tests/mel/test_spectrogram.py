"""What the network hears."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from indexer.mel.spectrogram import make_spectrogram

Floats = npt.NDArray[np.float32]


def sine(pitch_hz: float, seconds: float, rate_hz: int = 44_100, level: float = 1.0) -> Floats:
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    return (level * np.sin(2 * np.pi * pitch_hz * at)).astype(np.float32)


def loudest(spectrogram: Floats) -> int:
    return int(spectrogram[0, :, 410].argmax())


def test_twenty_seconds_are_two_channels_of_64_mels_and_820_frames() -> None:
    heard = make_spectrogram(np.stack([sine(1000, 20), np.zeros(882_000, np.float32)]), 44_100)
    assert (heard.shape, heard.dtype) == ((2, 64, 820), np.float32)
    assert heard[1].min() == heard[1].max() == -100


def test_a_sine_at_full_scale_is_near_0_db_and_follows_its_level() -> None:
    full = make_spectrogram(sine(1000, 20), 44_100)
    assert -3 < full[0, :, 100:700].max() < 1
    quiet = make_spectrogram(sine(1000, 20, level=0.1), 44_100)
    band = loudest(full)
    np.testing.assert_allclose(quiet[0, band, 100:700], full[0, band, 100:700] - 20, atol=0.01)


def test_higher_pitches_lie_in_higher_bands() -> None:
    bands = [loudest(make_spectrogram(sine(pitch, 20), 44_100)) for pitch in (100, 500, 2000, 8000, 16_000)]
    assert bands == sorted(set(bands))
    assert bands[0] < 4
    assert bands[-1] > 55


def test_one_channel_is_heard_on_both_sides_and_a_third_is_not_heard() -> None:
    mono = make_spectrogram(sine(700, 1), 44_100)
    np.testing.assert_array_equal(mono[0], mono[1])
    both = np.stack([sine(700, 1), sine(700, 1), sine(5000, 1)])
    np.testing.assert_array_equal(make_spectrogram(both, 44_100), mono)


def test_silence_follows_a_short_clip() -> None:
    heard = make_spectrogram(sine(1000, 10), 44_100)
    assert heard[0, :, :400].max() > -3
    assert heard[0, :, 415:].max() == -100


def test_of_a_long_clip_the_middle_counts() -> None:
    parts = [np.zeros(441_000, np.float32), sine(1000, 20), np.zeros(441_000, np.float32)]
    np.testing.assert_allclose(
        make_spectrogram(np.concatenate(parts), 44_100), make_spectrogram(parts[1], 44_100), atol=1e-3
    )


def test_another_rate_is_resampled() -> None:
    assert loudest(make_spectrogram(sine(3000, 20, rate_hz=22_050), 22_050)) == loudest(
        make_spectrogram(sine(3000, 20), 44_100)
    )


def test_what_is_not_a_number_is_silence() -> None:
    broken = np.full((2, 44_100), np.nan, dtype=np.float32)
    broken[1] = np.inf
    assert make_spectrogram(broken, 44_100).max() == -100


@pytest.mark.parametrize("shape", [(0,), (2, 0), (2, 3, 4)])
def test_without_samples_there_is_no_spectrogram(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="needs samples"):
        make_spectrogram(np.zeros(shape, np.float32), 44_100)
