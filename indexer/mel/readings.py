"""Features read from many audio files with trained weights, each file once for the same weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.errors import SegueError
from indexer.mel.clip_folder import Decode
from indexer.mel.network import FEATURES
from indexer.mel.spectrogram import make_spectrogram
from indexer.mel.weights import MelNetwork, read_manifest
from indexer.vector_cache import VectorCache

Floats = npt.NDArray[np.float32]

#: Files decoded before the network reads them and the cache keeps what it read.
_BATCH = 16


@dataclass(frozen=True)
class Readings:
    """Features (n, 7) float32 by file, NaN for one that cannot be read; ``failed``: file name → why not.

    ``reused``: how many came from the cache.
    """

    features: Floats
    failed: Mapping[str, str]
    reused: int


def read_files(
    paths: Sequence[Path],
    model: Path,
    decode: Decode,
    cache: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Readings:
    """Read the features of audio files; a file that cannot be read is reported and the others go on.

    ``cache``: folder of a ``VectorCache``, by what a file holds; where it knows all of them, TensorFlow is not
    loaded. Raises ``MissingModel``.
    """
    read_manifest(model)
    features = np.full((len(paths), len(FEATURES)), np.nan, dtype=np.float32)
    failed: dict[str, str] = {}
    keys: dict[int, bytes] = {}
    for at, path in enumerate(paths):
        try:
            with path.open("rb") as file:
                keys[at] = hashlib.file_digest(file, "sha256").digest()
        except OSError as error:
            failed[path.name] = str(error.strerror)
    with nullcontext() if cache is None else open_cache(cache, model) as kept:
        wanted = list(keys)
        if kept is not None:
            found, vectors = kept.get([keys[at] for at in wanted])
            features[np.array(wanted, dtype=np.int64)[found]] = vectors[found]
            wanted = [at for at, known in zip(wanted, found.tolist(), strict=True) if not known]
        done = reused = len(keys) - len(wanted)
        network = MelNetwork.open(model) if wanted else None
        for tried, batch, heard in _hear(paths, wanted, decode, failed):
            if network is not None and batch:
                features[batch] = network.predict(np.stack(heard))
                if kept is not None:
                    kept.put([keys[at] for at in batch], features[batch])
            done += tried
            if on_progress is not None:
                on_progress(done, len(keys))
    return Readings(features, failed, reused)


def open_cache(cache: Path, model: Path) -> VectorCache:
    """The cache of what these weights read, seven features a file; raises ``MissingModel``."""
    weights = read_manifest(model)["weights"]["sha256"]
    return VectorCache(cache, f"spotiflix-mel {weights}", len(FEATURES))


def _hear(
    paths: Sequence[Path], wanted: Sequence[int], decode: Decode, failed: dict[str, str]
) -> Iterator[tuple[int, list[int], list[Floats]]]:
    """Batches: how many files were tried, the places of those that could be read, and theirs; adds to ``failed``."""

    def hear(at: int) -> Floats | str:
        try:
            return make_spectrogram(*decode(paths[at]))
        except (SegueError, ValueError) as error:
            return str(error).removeprefix(f"{paths[at].name}: ")

    with ThreadPoolExecutor(2) as pool:
        for start in range(0, len(wanted), _BATCH):
            batch: list[int] = []
            spectrograms: list[Floats] = []
            places = wanted[start : start + _BATCH]
            for at, heard in zip(places, pool.map(hear, places), strict=True):
                if isinstance(heard, str):
                    failed[paths[at].name] = heard
                else:
                    batch.append(at)
                    spectrograms.append(heard)
            yield len(places), batch, spectrograms
