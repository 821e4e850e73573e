"""What the network hears: 20 seconds of stereo sound as a mel spectrogram in decibels."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

RATE_HZ: Final = 44_100
SECONDS: Final = 20
CHANNELS: Final = 2
MELS: Final = 64
FRAMES: Final = 820
SHAPE: Final = (CHANNELS, MELS, FRAMES)

#: Windows of 46 ms, one each 24.4 ms: with centred windows, 1 + 882,000 // 1,076 = 820 of them in 20 seconds.
WINDOW: Final = 2_048
HOP: Final = 1_076
#: Quieter than this below full scale counts as this quiet; what is in a file of 16 bits is louder.
FLOOR_DB: Final = -100.0
SETTINGS: Final[dict[str, Any]] = {
    "rate_hz": RATE_HZ,
    "seconds": SECONDS,
    "channels": CHANNELS,
    "mels": MELS,
    "frames": FRAMES,
    "window": WINDOW,
    "hop": HOP,
    "floor_db": FLOOR_DB,
}

_SAMPLES: Final = RATE_HZ * SECONDS


def make_spectrogram(samples: Floats, rate_hz: int) -> Floats:
    """Make the mel spectrogram of a clip's middle 20 seconds, (2, 64, 820) float32 in dB, from −100.

    ``samples``: (channels, n) or (n,), in [−1, 1]. One channel is heard on both sides; of more than two the first
    two count. Another rate is resampled; a shorter clip is followed by silence. 0 dB is the power of a sine at
    full scale in one band. Raises ``ValueError`` without samples.
    """
    import librosa

    stereo = _cut_out(samples, rate_hz)
    if rate_hz != RATE_HZ:
        stereo = librosa.resample(stereo, orig_sr=rate_hz, target_sr=RATE_HZ, res_type="soxr_hq")
    whole = np.zeros((CHANNELS, _SAMPLES), dtype=np.float32)
    used = min(stereo.shape[1], _SAMPLES)
    whole[:, :used] = stereo[:, :used]
    power = librosa.feature.melspectrogram(
        y=whole, sr=RATE_HZ, n_fft=WINDOW, hop_length=HOP, n_mels=MELS, norm=None, power=2.0
    )
    # A Hann window halves the amplitude, and a sine's power lies half on either side: full scale is (n / 4)².
    decibels = 10 * np.log10(np.maximum(power / (WINDOW / 4) ** 2, 1e-20))
    spectrogram: Floats = np.maximum(decibels, FLOOR_DB).astype(np.float32)
    return spectrogram


def _cut_out(samples: Floats, rate_hz: int) -> Floats:
    """The middle 20 seconds at most, (2, n) float32; what is not a number is silence."""
    channels = np.atleast_2d(samples)
    if channels.ndim != 2 or not channels.size:
        raise ValueError("a clip needs samples")
    stereo = channels[:CHANNELS] if len(channels) >= CHANNELS else np.repeat(channels[:1], CHANNELS, axis=0)
    wanted = rate_hz * SECONDS
    start = max((stereo.shape[1] - wanted) // 2, 0)
    middle = np.asarray(stereo[:, start : start + wanted], dtype=np.float32)
    return np.nan_to_num(middle, nan=0.0, posinf=0.0, neginf=0.0)
