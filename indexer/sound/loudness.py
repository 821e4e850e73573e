"""Loudness of a whole piece as ITU-R BS.1770-4 measures it, block by block, so that long pieces need no memory."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Quieter than anything a listener hears: what silence is given.
SILENCE_DB: Final = -70.0
_RELATIVE_GATE_DB: Final = -10.0
_OFFSET_DB: Final = -0.691
_STEPS_PER_BLOCK: Final = 4  # blocks of 400 ms begin every 100 ms


class LoudnessMeter:
    """Takes samples in any portions; all channels weigh the same, as files do not say where a loudspeaker stands."""

    def __init__(self, rate_hz: int, channels: int) -> None:
        self._sections = _k_weighting(rate_hz)
        self._state = np.zeros((len(self._sections), 2, channels))
        self._step = max(1, round(rate_hz / 10))
        self._rest = np.zeros((0, channels))
        self._powers: list[NDArray[np.float64]] = []

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples, (n, channels) float32."""
        from scipy.signal import sosfilt

        weighted, self._state = sosfilt(self._sections, samples, axis=0, zi=self._state)
        joined = np.concatenate([self._rest, weighted])
        whole = len(joined) // self._step * self._step
        steps = joined[:whole].reshape(-1, self._step, joined.shape[1])
        self._powers.append(np.square(steps).mean(axis=1).sum(axis=1))
        self._rest = joined[whole:]

    def loudness_db(self) -> float:
        """The integrated loudness (LUFS): blocks of 400 ms, gated at -70 and then at 10 below their mean."""
        steps = np.concatenate(self._powers) if self._powers else np.zeros(0)
        if len(steps) < _STEPS_PER_BLOCK:
            return SILENCE_DB
        blocks = np.convolve(steps, np.full(_STEPS_PER_BLOCK, 1 / _STEPS_PER_BLOCK), mode="valid")
        heard = blocks[blocks > _power(SILENCE_DB)]
        if not len(heard):
            return SILENCE_DB
        heard = heard[heard > heard.mean() * 10 ** (_RELATIVE_GATE_DB / 10)]
        return max(SILENCE_DB, _OFFSET_DB + 10 * math.log10(float(heard.mean())))


def _power(loudness_db: float) -> float:
    return float(10 ** ((loudness_db - _OFFSET_DB) / 10))


def _k_weighting(rate_hz: int) -> NDArray[np.float64]:
    """The standard's two filters at any rate, (2, 6): a high shelf for the head, a high-pass for low hearing.

    The standard gives coefficients for 48 kHz; these are the analogue filters behind them (De Man, 2014).
    """
    return np.array(
        [_shelf(rate_hz, 1681.974450955533, 3.999843853973347, 0.7071752369554196), _pass(rate_hz)]
    )


def _shelf(rate_hz: int, corner_hz: float, gain_db: float, quality: float) -> list[float]:
    k = math.tan(math.pi * corner_hz / rate_hz)
    high = 10 ** (gain_db / 20)
    middle = high**0.4996667741545416
    scale = 1 + k / quality + k * k
    return [
        (high + middle * k / quality + k * k) / scale,
        2 * (k * k - high) / scale,
        (high - middle * k / quality + k * k) / scale,
        1.0,
        2 * (k * k - 1) / scale,
        (1 - k / quality + k * k) / scale,
    ]


def _pass(rate_hz: int) -> list[float]:
    k = math.tan(math.pi * 38.13547087602444 / rate_hz)
    quality = 0.5003270373238773
    scale = 1 + k / quality + k * k
    return [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / scale, (1 - k / quality + k * k) / scale]
