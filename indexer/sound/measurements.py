"""What can be measured of a piece of sound: rhythm, spectrum, harmony; no training.

librosa gives spectra, filters and scales. Those of its parts that load scikit-learn, or code compiled at import, are
left alone where scipy has the same (onsets, medians): loading them takes longer than the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from indexer.sound.timbre import Timbre, measure_timbre

Floats = NDArray[np.floating[Any]]

#: The rate that everything is measured at.
RATE_HZ: Final = 22_050
_HOP: Final = 256
_WINDOW: Final = 2_048
_BANDS: Final = 96
_FRAMES_PER_S: Final = RATE_HZ / _HOP
#: Every how many frames of the spectrogram timbre and harmony are looked at.
_COARSE: Final = 4
_TEMPI_BPM: Final = np.exp(np.arange(np.log(50), np.log(210), 0.005))
#: Albrecht and Shanahan's profiles (2013): how often each of twelve tones occurs in a major and in a minor key.
_MAJOR: Final = np.array([0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081])
_MINOR: Final = np.array([0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052])


@dataclass(frozen=True, slots=True)
class Measurements:
    """Numbers measured of one piece; ``tempo_bpm`` is 0 where nothing recurs."""

    tempo_bpm: float
    pulse: float  # how clearly the tempo's period recurs, 0 to 1
    onsets_per_s: float
    centroid_hz: float
    percussive: float  # share of the power in what is steep in time, 0 to 1
    noisiness: float  # share of the power beside the peaks of the spectrum
    crest_db: float  # peaks of the samples above their mean power
    slope_db: float  # fall of the spectrum from 250-1,000 Hz to 1-4 kHz
    syllables: float  # share of the level's changes at 3 to 8 a second, unrhythmic
    major: float  # how much better a major key fits than a minor one, -1 to 1
    tail: float  # how slowly the sound dies away after onsets, dB a second
    timbre: Timbre


def measure(samples: NDArray[np.float32]) -> Measurements:
    """Measure one channel (n,) float32 at 22,050 Hz."""
    import librosa

    power = np.square(np.abs(librosa.stft(samples, n_fft=_WINDOW, hop_length=_HOP)))
    bands = librosa.filters.mel(sr=RATE_HZ, n_fft=_WINDOW, n_mels=_BANDS) @ power
    levels = librosa.power_to_db(bands, ref=np.max, top_db=70)
    # How much the bands rise from one frame to the next: spectral flux, as librosa.onset.onset_strength has it.
    onset = np.maximum(np.diff(levels, axis=1, prepend=levels[:, :1]), 0).mean(axis=0)
    tempo_bpm, pulse = find_tempo(onset)
    coarse = power[:, ::_COARSE]
    level = coarse.sum(axis=0)
    heard = coarse[:, level > level.max() * 1e-4]
    mean = heard.mean(axis=1)
    frequencies = librosa.fft_frequencies(sr=RATE_HZ, n_fft=_WINDOW)
    amplitude = np.sqrt(heard)
    centroid = frequencies @ amplitude / (amplitude.sum(axis=0) + 1e-12)
    level = librosa.power_to_db(power.sum(axis=0) + 1e-12, top_db=60)
    rms = float(np.sqrt(np.mean(np.square(samples)))) + 1e-9
    return Measurements(
        tempo_bpm=tempo_bpm,
        pulse=pulse,
        onsets_per_s=_count_onsets(onset) / (len(samples) / RATE_HZ),
        centroid_hz=float(np.median(centroid)),
        percussive=_percussive(np.sqrt(bands[:, ::2])),
        noisiness=_noisiness(heard),
        crest_db=float(20 * np.log10(np.percentile(np.abs(samples), 99.9) / rms)),
        slope_db=_band_db(mean, frequencies, 1_000, 4_000) - _band_db(mean, frequencies, 250, 1_000),
        syllables=_syllables(level),
        major=_major(samples),
        tail=float(-np.percentile(np.diff(level[::4]) * _FRAMES_PER_S / 4, 15)),
        timbre=measure_timbre(samples, heard, frequencies, RATE_HZ),
    )


def find_tempo(onset: Floats) -> tuple[float, float]:
    """Find the tempo (BPM) whose multiples recur best in an onset envelope (frames,), and how clearly (0 to 1)."""
    centred = onset - onset.mean()
    n = len(centred)
    spectrum = np.fft.rfft(centred, 2 * n)
    recurrence = np.fft.irfft(np.square(np.abs(spectrum)))[:n]
    if n < 2 * _FRAMES_PER_S or recurrence[0] <= 1e-9:
        return 0.0, 0.0
    recurrence = recurrence / recurrence[0] / (1 - np.arange(n) / n * 0.9)
    periods = 60 * _FRAMES_PER_S / _TEMPI_BPM
    scores = np.zeros(len(periods))
    weights = 0.0
    for multiple in (0.5, 1, 2, 3, 4, 6, 8):
        lags = periods * multiple
        weight = {0.5: 0.4, 1: 1.0, 2: 1.0, 3: 0.5, 4: 1.0, 6: 0.4, 8: 0.7}[multiple]
        values = np.interp(lags, np.arange(n), recurrence)
        scores += weight * np.where(lags < n * 0.75, values, 0)
        weights += weight
    scores /= weights
    prior = np.exp(-(np.log2(_TEMPI_BPM / 112) ** 2) / (2 * 0.9**2))
    best = int(np.argmax((scores + 0.1) * prior))
    return float(_TEMPI_BPM[best]), float(np.clip(scores[best], 0, 1))


def _band_db(power: Floats, frequencies: Floats, low_hz: float, high_hz: float) -> float:
    return float(10 * np.log10(power[(frequencies >= low_hz) & (frequencies < high_hz)].sum() + 1e-12))


def _count_onsets(onset: Floats) -> int:
    """Count the peaks of 0.14 s that stand 1 dB above the mean of 0.5 s around them (Böck et al. 2012)."""
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    peaks = (onset == maximum_filter1d(onset, 13)) & (onset >= uniform_filter1d(onset, 41) + 1.0)
    return int(np.count_nonzero(peaks))


def _percussive(amplitude: Floats) -> float:
    """Share the power out between what is even in time and what is even in frequency, by medians (Fitzgerald 2010).

    The formula is that of librosa.decompose.hpss, which would load scikit-learn.
    """
    from scipy.ndimage import median_filter

    held, struck = (np.square(median_filter(amplitude, size)) for size in ((1, 17), (17, 1)))
    both = held + struck + 1e-20
    power_held, power_struck = (float(np.sum(np.square(amplitude * part / both))) for part in (held, struck))
    return power_struck / (power_held + power_struck + 1e-12)


def _noisiness(power: Floats) -> float:
    """The median over the mean in bands of bins: near 0.7 for noise (its bins spread exponentially), 0 for tones."""
    bins = power[8 : 8 + 32 * 28].reshape(28, 32, -1)
    middle = np.median(bins, axis=1)
    mean = bins.mean(axis=1)
    return float(min(1.0, np.sum(middle) / (np.sum(mean) + 1e-12) / 0.69))


def _syllables(level: Floats) -> float:
    """The share of the level's changes that come 3 to 8 times a second without a sharp peak, as in speech."""
    centred = level - level.mean()
    changes = np.square(np.abs(np.fft.rfft(centred * np.hanning(len(centred)))))
    rates = np.fft.rfftfreq(len(centred), 1 / _FRAMES_PER_S)
    inside = changes[(rates >= 2.5) & (rates <= 9)]
    if not len(inside):
        return 0.0
    peaky = float(inside.max() / (inside.sum() + 1e-12))
    return float(inside.sum() / (changes[rates > 0.2].sum() + 1e-12)) * (1 - peaky)


def _major(samples: NDArray[np.float32]) -> float:
    """Compare how well the tones in use fit the best major and the best minor key.

    Tones are what stands out of the mean spectrum up to 1 kHz, where most are fundamentals, within a fifth of a tone
    of a pitch of equal temperament at 440 Hz.
    """
    import librosa
    from scipy.ndimage import median_filter

    fine = 2 * _WINDOW
    power = np.square(np.abs(librosa.stft(samples, n_fft=fine, hop_length=fine // 4)))
    frequencies = librosa.fft_frequencies(sr=RATE_HZ, n_fft=fine)
    used = (frequencies > 60) & (frequencies < 1_000)
    pitches = librosa.hz_to_midi(frequencies[used])
    nearest = np.round(pitches)
    fold = np.zeros((12, len(pitches)))
    fold[nearest.astype(np.int64) % 12, np.arange(len(pitches))] = np.exp(
        -np.square((pitches - nearest) / 0.2)
    )
    floor = median_filter(power.mean(axis=1), size=31)[used, np.newaxis]
    tones = fold @ np.sqrt(np.maximum(power[used] - 3 * floor, 0))
    chroma = (tones / (tones.sum(axis=0) + 1e-9)).mean(axis=1)
    if float(np.ptp(chroma)) < 1e-6:
        return 0.0
    fits = [
        max(float(np.corrcoef(np.roll(profile, key), chroma)[0, 1]) for key in range(12))
        for profile in (_MAJOR, _MINOR)
    ]
    return fits[0] - fits[1]
