"""The seven audio features of a piece from what librosa measures of it; nothing is trained."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from indexer.sound.decoding import Sound
from indexer.sound.measurements import RATE_HZ, Measurements, measure


def estimate(sound: Sound) -> dict[str, Any]:
    """Estimate a decoded piece; the answer as JSON has it."""
    measured = measure(sound.samples)
    return {
        "features": estimate_features(measured, sound.loudness_db),
        "tempo_bpm": round(measured.tempo_bpm, 2) if measured.tempo_bpm > 0 else None,
        "loudness_db": round(sound.loudness_db, 2),
        "duration_s": round(sound.duration_s, 3),
        "container": sound.container,
    }


def estimate_features(m: Measurements, loudness_db: float) -> dict[str, float]:
    """Map measurements to the seven features, each in [0, 1], by fixed weights (docs/sound.md says where from)."""
    loud = _ramp(loudness_db, -28, -6)
    bright = _ramp(math.log2(max(m.centroid_hz, 50)), math.log2(800), math.log2(5_000))
    busy = _ramp(m.onsets_per_s, 0, 6)
    pulse = _ramp(m.pulse, 0.1, 0.9)
    driven = _ramp(m.timbre.local_crest_db, 11, 3)
    peaks = _ramp(m.crest_db, 4, 17)
    noisy = _ramp(m.noisiness, 0.1, 0.9)
    peaked = _ramp(m.timbre.peakedness, 0.1, 1.2)
    picked = _ramp(m.timbre.mid_crest_db, 7.5, 13)
    bass = _ramp(m.timbre.bass_db, -20, -2)
    bass_filled = _ramp(m.timbre.bass_fill_db, -13, -4)
    air = _ramp(m.timbre.air_db, -42, -9)
    steady = _ramp(m.timbre.steady_db, -34, -9)
    halfway = _ramp(m.timbre.half_power_octave, 6.5, 10.5)
    even = _ramp(m.slope_db, -25, 0)
    dying = _ramp(math.log10(max(m.tail, 1.0)), 0.7, 2.3)
    syllables = _ramp(m.syllables, 0.1, 0.6)
    struck = _ramp(math.log10(max(m.percussive, 1e-6)), -1.2, -0.2)
    major = _ramp(m.major, -0.15, 0.15)
    fast = _ramp(m.tempo_bpm, 60, 180)
    speech = 0.45 * dying + 0.15 * syllables + 0.65 * (1 - pulse) - 0.4
    values = {
        "danceability": 0.4 * pulse + 0.3 * peaks + 0.2 * even + 0.2 * _near(m.tempo_bpm, 118) - 0.2,
        "energy": 0.09
        + 0.38 * loud
        + 0.23 * bright
        - 0.07 * halfway
        + 0.1 * busy
        + 0.1 * pulse
        + 0.06 * picked
        + 0.1 * steady
        + 0.1 * driven
        - 0.1 * bass_filled,
        # Weak signs of speech are no speech: real instruments show them, made ones do not.
        "speechiness": 0.04 + 0.9 * _ramp(speech, 0.5, 0.8),
        "acousticness": 0.89
        - 0.14 * bright
        - 0.38 * noisy
        + 0.34 * peaked
        + 0.19 * picked
        - 0.27 * bass
        - 0.23 * air
        - 0.21 * steady,
        "instrumentalness": 1 - _ramp(speech, 0.5, 0.8),
        "liveness": 0.1 + 0.5 * max(0.0, 0.5 - 0.6 * struck - 0.4 * driven + 0.2 * noisy),
        "valence": 0.1 + 0.42 * major + 0.22 * bright + 0.12 * fast,
    }
    return {name: round(min(1.0, max(0.0, value)), 4) for name, value in values.items()}


def warm_up() -> None:
    """Have everything loaded that measuring needs."""
    import soundfile  # noqa: F401

    random = np.random.default_rng(0)
    measure(random.standard_normal(4 * RATE_HZ).astype(np.float32))


def _ramp(value: float, low: float, high: float) -> float:
    """From 0 at ``low`` to 1 at ``high``, straight, and flat beyond."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _near(tempo_bpm: float, best_bpm: float) -> float:
    return math.exp(-(math.log2(tempo_bpm / best_bpm) ** 2) / 0.32) if tempo_bpm > 0 else 0.0
