"""Posters of films and covers of songs as vectors: a folder of pictures, an encoder, and a cache by content."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from indexer.features.picture_encoders import (
    IMAGENET,
    PictureEncoder,
    open_cover_encoder,
    open_poster_encoder,
)
from indexer.features.picture_files import (
    PictureFault,
    Pixels,
    count_reasons,
    decode_picture,
    find_pictures,
    quiet_decoding,
    read_content,
)
from indexer.features.text_encoder import usable_cores
from indexer.vector_cache import VectorCache, content_key

if TYPE_CHECKING:
    import pandas as pd

_logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
#: Told (what, done, total).
Tell = Callable[[str, int, int], None]

#: What an interruption loses at most, and what is decoded and encoded at a time.
BATCH = 32
_GREY = 127
#: Faults that the manifest names one by one.
_NAMED_FAULTS = 100


@dataclass(frozen=True)
class PictureVectors:
    """Vectors of a table's rows that have a usable picture.

    ``rows`` (n,) int64, ascending: rows of the table; ``vectors`` (n, d) float32; ``grey`` (d,): the vector of plain
    grey, which is about 0 on the models' own scale; ``facts``: counts, the encoder, and what is wrong with which
    file, as the manifest has it.
    """

    rows: Rows
    vectors: Floats
    facts: Mapping[str, Any]
    grey: Floats = field(default_factory=lambda: np.zeros(0, dtype=np.float32))


class _Read(NamedTuple):
    """A file as it was read: its content's key, its pixels unless they are not needed."""

    key: bytes
    pixels: Pixels | None


def read_posters(
    movies: pd.DataFrame,
    folder: Path,
    options: Mapping[str, Any],
    cache: Path | None,
    tell: Tell | None = None,
) -> PictureVectors:
    """Vectors (n, 1280) of films' posters, named by the film's own id or by its IMDb id.

    ``options``: ``poster_model``, ``poster_tflite`` and ``poster_size_px`` of the build's settings. Raises
    ``UnreadableFile`` without the folder and ``MissingModel`` without a model.
    """
    encoder = open_poster_encoder(
        str(options.get("poster_model", IMAGENET)),
        options.get("poster_tflite"),
        int(options.get("poster_size_px", 224)),
    )
    return encode_folder(folder, [movies["id"], movies["imdb_id"]], encoder, cache, tell, "posters")


def read_covers(
    tracks: pd.DataFrame,
    folder: Path,
    options: Mapping[str, Any],
    cache: Path | None,
    tell: Tell | None = None,
) -> PictureVectors:
    """Vectors (n, 2048) of songs' album covers, named by the song's id.

    ``options``: ``cover_model`` of the build's settings. Raises as ``read_posters``.
    """
    encoder = open_cover_encoder(str(options.get("cover_model", IMAGENET)))
    return encode_folder(folder, [tracks["id"]], encoder, cache, tell, "covers")


def encode_folder(
    folder: Path,
    names: Sequence[pd.Series[str]],
    encoder: PictureEncoder,
    cache: Path | None,
    tell: Tell | None = None,
    what: str = "pictures",
) -> PictureVectors:
    """Encode the pictures of a folder that are some row's.

    ``names``: columns of what a row's picture may be called, the first that is there counts. ``cache``: folder in
    which vectors outlive the build and an interruption, None for none. A file that cannot be used is reported and
    left out. Raises ``UnreadableFile`` where there is no folder.
    """
    columns = [[str(cell) if isinstance(cell, str) and cell else "" for cell in column] for column in names]
    found, repeated, unknown = find_pictures(folder, {cell for column in columns for cell in column if cell})
    chosen = [next((cell for cell in cells if cell in found), "") for cells in zip(*columns, strict=True)]
    wanted = sorted({name for name in chosen if name})
    start = time.perf_counter()
    with _open_cache(cache, encoder) as store:
        vectors, faults = _encode(
            [found[name] for name in wanted],
            encoder,
            store,
            lambda done, total: (tell or _nobody)(what, done, total),
        )
        encoded = store.encoded
        grey = _encode_grey(encoder, store)
    faults |= dict.fromkeys(repeated, "repeats an id: another file of that name is used")
    for file, reason in sorted(faults.items()):
        _logger.warning("%s: %s %s", what, file, reason)
    place = {name: row for row, name in enumerate(wanted) if found[name].name not in faults}
    rows = np.array([row for row, name in enumerate(chosen) if name in place], dtype=np.int64)
    facts = {
        "items": len(rows),
        "files_used": len(place),
        "files_of_no_item": unknown,
        "encoded": encoded,
        "reused": len(place) - encoded,
        "seconds": round(time.perf_counter() - start, 3),
        "encoder": encoder.facts,
        "faults": dict(sorted(faults.items())[:_NAMED_FAULTS]),
        "fault_counts": count_reasons(faults),
    }
    taken = np.array([place[chosen[row]] for row in rows.tolist()], dtype=np.int64)
    return PictureVectors(rows, vectors[taken], facts, grey)


def _encode_grey(encoder: PictureEncoder, store: VectorCache) -> Floats:
    pixels = np.full((1, encoder.size_px, encoder.size_px, 3), _GREY, dtype=np.uint8)
    key = content_key(pixels.tobytes())
    if key not in store:
        store.put([key], encoder.encode(pixels))
    row: Floats = store.get([key])[1][0]
    return row


@contextmanager
def _open_cache(folder: Path | None, encoder: PictureEncoder) -> Iterator[VectorCache]:
    """The encoder's cache; without a folder that stays, the vectors pass through one that does not."""
    with (
        tempfile.TemporaryDirectory() as passing,
        VectorCache(folder or Path(passing), encoder.key, encoder.dimension) as store,
    ):
        yield store


def _encode(
    paths: Sequence[Path], encoder: PictureEncoder, store: VectorCache, tell: Callable[[int, int], None]
) -> tuple[Floats, dict[str, str]]:
    """Vectors (files, d), zeros where a file is at fault, and file name → what is wrong with it."""
    vectors = np.zeros((len(paths), encoder.dimension), dtype=np.float32)
    faults: dict[str, str] = {}
    tell(0, len(paths))
    with quiet_decoding(), ThreadPoolExecutor(usable_cores()) as pool:
        for start, batch in _read_ahead(paths, encoder.size_px, store, pool):
            keys: dict[int, bytes] = {}
            missing: dict[bytes, Pixels] = {}
            for place, read in enumerate(batch, start):
                if isinstance(read, PictureFault):
                    faults[paths[place].name] = str(read)
                    continue
                keys[place] = read.key
                if read.pixels is not None and read.key not in store:
                    missing.setdefault(read.key, read.pixels)
            if missing:
                store.put(list(missing), encoder.encode(np.stack(list(missing.values()))))
            vectors[list(keys)] = store.get(list(keys.values()))[1]
            tell(start + len(batch), len(paths))
    return vectors, faults


def _read_ahead(
    paths: Sequence[Path], size_px: int, store: VectorCache, pool: ThreadPoolExecutor
) -> Iterator[tuple[int, list[_Read | PictureFault]]]:
    """Batches of read files, each with the place of its first; the next is decoded while one is encoded."""

    def ask(start: int) -> list[Future[_Read | PictureFault]]:
        return [pool.submit(_read, path, size_px, store) for path in paths[start : start + BATCH]]

    waiting = ask(0)
    try:
        for start in range(0, len(paths), BATCH):
            batch, waiting = waiting, ask(start + BATCH)
            yield start, [job.result() for job in batch]
    finally:
        for job in waiting:
            job.cancel()


def _read(path: Path, size_px: int, store: VectorCache) -> _Read | PictureFault:
    try:
        content = read_content(path)
        key = content_key(content)
        if key in store:
            return _Read(key, None)
        return _Read(key, decode_picture(content, size_px))
    except PictureFault as fault:
        return fault


def _nobody(_what: str, _done: int, _total: int) -> None:
    pass
