"""Sound files made by code, and spoilt."""

from __future__ import annotations

import io
import struct

import numpy as np
import soundfile

RATE_HZ = 44_100


def write_file(
    samples: np.ndarray, rate_hz: int = RATE_HZ, kind: str = "WAV", subtype: str | None = None
) -> bytes:
    """The bytes of a file of samples (n,) or (n, channels)."""
    held = io.BytesIO()
    soundfile.write(held, samples, rate_hz, format=kind, subtype=subtype)
    return held.getvalue()


def sine(seconds: float = 5.0, rate_hz: int = RATE_HZ, amplitude: float = 0.1) -> np.ndarray:
    """A tone of 997 Hz, (n,) float32."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return (amplitude * np.sin(2 * np.pi * 997 * times)).astype(np.float32)


def patched_wav(size: int) -> bytes:
    """A wav file of 5 s whose data part claims another size."""
    content = bytearray(write_file(sine(), subtype="PCM_16"))
    struct.pack_into("<I", content, content.index(b"data") + 4, size)
    return bytes(content)
