"""How driven, filled and spread a sound is: numbers that tell plain notes from distortion, drums and noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

#: Windows that the samples' own shape is looked at in: a few periods of a note, and a tenth of a second, at 22,050 Hz.
_SHORT: Final = 512
_LONG: Final = 2_048
_FLOOR: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Timbre:
    """Numbers of one piece; levels in dB relative to the piece's mean power, fills in dB below the peak of a frame."""

    peakedness: (
        float  # natural log of the kurtosis within 23 ms: 0.4 a sine, 1.1 noise, lower the more it is driven
    )
    local_crest_db: float  # peaks above mean power within 93 ms: low where a sound is driven into saturation
    mid_crest_db: float  # the same between 150 Hz and 2 kHz, where notes are and cymbals are not
    bass_db: float  # 60 to 125 Hz: drums and bass
    air_db: float  # above 6.5 kHz: cymbals, hiss, and the overtones that saturation makes
    steady_db: float  # 1 to 2 kHz in the median frame: what sounds on between strokes
    bass_fill_db: float  # between the peaks from 60 to 125 Hz: struck and noisy sounds have no gaps
    half_power_octave: float  # log2 of the frequency (Hz) that half of the power lies below


def measure_timbre(
    samples: NDArray[np.float32], heard: Floats, frequencies_hz: Floats, rate_hz: int
) -> Timbre:
    """Measure samples (n,), and the power spectra (bins, frames) of those frames that are not silent."""
    from scipy.signal import butter, sosfilt

    mid = sosfilt(butter(4, (150, 2_000), btype="band", output="sos", fs=rate_hz), samples)
    mean, median = heard.mean(axis=1), np.median(heard, axis=1)
    total = float(mean.sum()) + 1e-12

    def band(low_hz: float, high_hz: float) -> NDArray[np.bool_]:
        chosen: NDArray[np.bool_] = (frequencies_hz >= low_hz) & (frequencies_hz < high_hz)
        return chosen

    def level_db(power: Floats, chosen: NDArray[np.bool_]) -> float:
        return float(10 * np.log10(power[chosen].sum() / total + 1e-8))

    floor = total / len(frequencies_hz) * _FLOOR
    half = int(np.searchsorted(np.cumsum(mean), total / 2))
    return Timbre(
        peakedness=float(np.median(_peakedness(samples))),
        local_crest_db=_local_crest(samples),
        mid_crest_db=_local_crest(mid),
        bass_db=level_db(mean, band(60, 125)),
        air_db=level_db(mean, band(6_500, rate_hz / 2)),
        steady_db=level_db(median, band(1_000, 2_000)),
        bass_fill_db=_fill(heard[band(60, 125)], floor),
        half_power_octave=float(np.log2(max(frequencies_hz[min(half, len(mean) - 1)], 20))),
    )


def _louder(samples: Floats, window: int) -> Floats:
    """The windows of the louder half, (windows, window); all of them are silent only where all samples are."""
    frames = samples[: len(samples) // window * window].reshape(-1, window)
    power = np.mean(np.square(frames), axis=1)
    louder: Floats = frames[power >= np.median(power)]
    return louder


def _peakedness(samples: Floats) -> Floats:
    squares = np.square(_louder(samples, _SHORT).astype(np.float64))
    kurtosis: Floats = np.mean(np.square(squares), axis=1) / (np.square(squares.mean(axis=1)) + 1e-18)
    logarithms: Floats = np.log(kurtosis + _FLOOR)
    return logarithms


def _local_crest(samples: Floats) -> float:
    frames = _louder(samples, _LONG)
    rms = np.sqrt(np.mean(np.square(frames), axis=1))
    return float(np.median(20 * np.log10(np.abs(frames).max(axis=1) / (rms + _FLOOR) + _FLOOR)))


def _fill(bins: Floats, floor: float) -> float:
    """The median over frames of the median bin's power below the strongest bin's, dB."""
    return float(np.median(10 * np.log10((np.median(bins, axis=0) + floor) / (np.max(bins, axis=0) + floor))))
