"""Training clips made by code, whose features are known: to prove that the network learns what can be heard."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context

import numpy as np
import numpy.typing as npt

from indexer.mel.network import FEATURES
from indexer.mel.spectrogram import SECONDS, SHAPE, make_spectrogram
from indexer.mel.training import Clips
from indexer.sound.instruments import RATE_HZ
from indexer.sound.synthesis import make_clip


def make_clips(
    seeds: Iterable[int], processes: int = 2, on_progress: Callable[[int, int], None] | None = None
) -> Clips:
    """Make the clips of these seeds, spectrograms float16; in processes of their own if they are several."""
    wanted = list(seeds)
    spectrograms = np.empty((len(wanted), *SHAPE), dtype=np.float16)
    targets = np.empty((len(wanted), len(FEATURES)), dtype=np.float32)
    with ExitStack() as stack:
        made: Iterable[tuple[npt.NDArray[np.float16], npt.NDArray[np.float32]]] = map(_make_one, wanted)
        if processes > 1:
            pool = stack.enter_context(ProcessPoolExecutor(processes, mp_context=get_context("spawn")))
            made = pool.map(_make_one, wanted, chunksize=8)
        for at, (spectrogram, target) in enumerate(made):
            spectrograms[at], targets[at] = spectrogram, target
            if on_progress is not None:
                on_progress(at + 1, len(wanted))
    return Clips.of(spectrograms, targets)


def _make_one(seed: int) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.float32]]:
    clip = make_clip(seed, SECONDS)
    targets = np.array([clip.targets[name] for name in FEATURES], dtype=np.float32)
    return make_spectrogram(clip.samples, RATE_HZ).astype(np.float16), targets
