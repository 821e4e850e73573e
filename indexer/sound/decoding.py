"""Sound files into samples, a portion at a time, with every limit checked on what is really there.

To be run in the confined process of ``indexer.sound.__main__`` only, wherever files come from strangers.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from math import gcd
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.errors import SoundRefused
from indexer.sound.containers import MOST_S, Container, check_size, check_wav, describe_length, tell_container
from indexer.sound.loudness import SILENCE_DB, LoudnessMeter
from indexer.sound.measurements import RATE_HZ

#: Shorter pieces have no rhythm to speak of.
LEAST_S: Final = 3.0
#: Rhythm and timbre are looked at in so much of the middle of a piece; loudness in all of it.
MEASURED_S: Final = 60.0
MOST_CHANNELS: Final = 8
_RATES_HZ: Final = (8_000, 192_000)
#: How much of what a file announces may be missing: encoders round to frames of up to 0.1 s.
_MISSING_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Sound:
    """One decoded piece: ``samples`` (n,) float32 at 22,050 Hz of its middle, and facts of the whole."""

    samples: NDArray[np.float32]
    container: Container
    duration_s: float
    rate_hz: int
    channels: int
    loudness_db: float


def decode(content: bytes) -> Sound:
    """Decode a whole file; raises ``SoundRefused`` (``NotSound`` where it is no sound file) with the reason."""
    import soundfile

    check_size(len(content))
    container = tell_container(content[:16])
    if container == "wav":
        check_wav(content)
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as opened:
            return _read(opened, container)
    except soundfile.LibsndfileError as error:
        raise SoundRefused(f"the {container} file is damaged: {error.error_string}") from error


def _read(opened: object, container: Container) -> Sound:
    import soundfile

    assert isinstance(opened, soundfile.SoundFile)
    rate_hz, channels, announced = opened.samplerate, opened.channels, opened.frames
    if channels > MOST_CHANNELS:
        raise SoundRefused(f"the file has {channels} channels; at most {MOST_CHANNELS} are read")
    if not _RATES_HZ[0] <= rate_hz <= _RATES_HZ[1]:
        raise SoundRefused(
            f"the file has {rate_hz} samples a second; {_RATES_HZ[0]} to {_RATES_HZ[1]} are read"
        )
    if announced > MOST_S * rate_hz:
        raise SoundRefused(describe_length(announced / rate_hz))
    if announced < LEAST_S * rate_hz:
        raise SoundRefused(f"the piece is too short: at least {LEAST_S:.0f} s are needed")
    wanted = round(MEASURED_S * rate_hz)
    first = max(0, (announced - wanted) // 2)
    middle = np.zeros(min(wanted, announced), np.float32)
    meter = LoudnessMeter(rate_hz, max(2, channels))
    read = 0
    while True:
        block = opened.read(rate_hz, dtype="float32", always_2d=True)
        if not len(block):
            break
        if not np.isfinite(block).all():
            raise SoundRefused("the file holds samples that are no numbers")
        # Some coding lets samples go beyond full scale; nothing that is meant to be played goes far.
        block = np.clip(block, -4, 4)
        # One channel is played by two loudspeakers.
        meter.feed(np.repeat(block, 2, axis=1) if channels == 1 else block)
        mono = block.mean(axis=1)
        begin, end = max(first, read), min(first + len(middle), read + len(block))
        if begin < end:
            middle[begin - first : end - first] = mono[begin - read : end - read]
        read += len(block)
        if read > MOST_S * rate_hz:
            raise SoundRefused(describe_length(read / rate_hz))
    if announced - read > _MISSING_S * rate_hz:
        raise SoundRefused(
            f"the file is cut short: it announces {announced / rate_hz:.1f} s and holds {read / rate_hz:.1f} s"
        )
    loudness_db = meter.loudness_db()
    if loudness_db <= SILENCE_DB or not middle.any():
        raise SoundRefused("there is nothing to hear in the file")
    return Sound(_resample(middle, rate_hz), container, read / rate_hz, rate_hz, channels, loudness_db)


def _resample(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    from scipy.signal import resample_poly

    if rate_hz == RATE_HZ:
        return samples
    shared = gcd(rate_hz, RATE_HZ)
    up, down = RATE_HZ // shared, rate_hz // shared
    if max(up, down) > 2_000:
        # An odd rate, off by at most 1/1000 of itself when rounded.
        up, down = (
            round(1_000 * RATE_HZ / max(rate_hz, RATE_HZ)),
            round(1_000 * rate_hz / max(rate_hz, RATE_HZ)),
        )
    resampled: NDArray[np.float32] = resample_poly(samples, up, down).astype(np.float32)
    return resampled
