"""Reads the seven audio features of decoded sound with trained weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.mel.decoding import decode_clip
from indexer.mel.network import FEATURES
from indexer.mel.spectrogram import make_spectrogram
from indexer.mel.weights import MelNetwork

Floats = npt.NDArray[np.float32]


class MelEstimator:
    """Samples → features, by the network whose weights lie in a folder."""

    def __init__(self, network: MelNetwork) -> None:
        """Read with an opened network."""
        self._network = network

    @classmethod
    def open(cls, folder: Path) -> MelEstimator:
        """Open the weights in ``folder``; raises ``MissingModel``."""
        return cls(MelNetwork.open(folder))

    def estimate(self, samples: Floats, rate_hz: int) -> dict[str, float]:
        """The seven features by Spotify's names, each in [0, 1], of the middle 20 seconds; (channels, n) or (n,).

        Raises ``ValueError`` without samples.
        """
        read = self._network.predict(make_spectrogram(samples, rate_hz)[None])[0]
        return {name: float(value) for name, value in zip(FEATURES, read, strict=True)}

    def estimate_file(self, path: Path) -> dict[str, float]:
        """The same of an audio file; raises ``UnreadableFile``. See ``decode_clip`` on strangers' files."""
        return self.estimate(*decode_clip(path))
