"""Audio files as samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.errors import UnreadableFile
from indexer.mel.spectrogram import SECONDS

Floats = npt.NDArray[np.float32]

#: Beyond these a file is refused, so that 20 seconds of it always take little memory.
_MOST_RATE_HZ, _MOST_CHANNELS = 192_000, 8


def decode_clip(path: Path) -> tuple[Floats, int]:
    """The middle 20 seconds of a file: samples (channels, n) float32 and their rate in Hz; raises ``UnreadableFile``.

    Nothing but these seconds is read, so that the length of a file hardly matters. For files of one's own: this
    runs in the caller's process, and strangers' files belong into a confined one.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            rate_hz, channels = int(file.samplerate), int(file.channels)
            if not 0 < rate_hz <= _MOST_RATE_HZ or not 0 < channels <= _MOST_CHANNELS:
                raise UnreadableFile(f"{path.name}: {channels} channels at {rate_hz} Hz are not read")
            wanted = rate_hz * SECONDS
            start = max((file.frames - wanted) // 2, 0)
            if start:
                file.seek(start)
            samples = file.read(wanted, dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        # The library's own words, without the path that it puts before them.
        why = getattr(error, "error_string", None) or getattr(error, "strerror", None) or error
        raise UnreadableFile(f"{path.name}: cannot be decoded ({why})") from error
    if not len(samples):
        raise UnreadableFile(f"{path.name}: holds no sound")
    return np.ascontiguousarray(samples.T), rate_hz
