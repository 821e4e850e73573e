"""Changes to a spectrogram that leave its features as they are; for training alone."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

#: A clip begins up to this share of it earlier or later; what falls off one end comes back at the other.
SHIFT_SHARE: Final = 0.4
#: Two bands and two stretches of time, each of up to this share of the whole, are masked.
MASKED_SHARE: Final = 0.1
MASKS: Final = 2


def augment(spectrogram: Floats, random: np.random.Generator) -> Floats:
    """A shifted and masked copy of a spectrogram (2, 64, 820) whose mean is 0, which masks are filled with."""
    _, mels, frames = spectrogram.shape
    most = int(frames * SHIFT_SHARE)
    changed: Floats = np.roll(spectrogram, int(random.integers(-most, most + 1)), axis=2)
    for _ in range(MASKS):
        start, end = _draw_span(mels, random)
        changed[:, start:end, :] = 0.0
        start, end = _draw_span(frames, random)
        changed[:, :, start:end] = 0.0
    return changed


def _draw_span(size: int, random: np.random.Generator) -> tuple[int, int]:
    length = int(random.integers(0, int(size * MASKED_SHARE) + 1))
    start = int(random.integers(0, size - length + 1))
    return start, start + length
