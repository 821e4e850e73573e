"""A folder of audio beside a table of features, as the Free Music Archive's data set has them."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.errors import InputError, MissingColumn, SegueError, UnreadableFile
from indexer.mel.network import FEATURES
from indexer.mel.spectrogram import SHAPE, make_spectrogram
from indexer.mel.training import Clips

Floats = npt.NDArray[np.float32]
#: A file's samples (channels, n) and their rate in Hz; raises ``SegueError`` on what is no audio.
Decode = Callable[[Path], tuple[Floats, int]]

SUFFIXES = (".mp3", ".ogg", ".wav", ".flac")
_ARTISTS = ("artist", "artists", "artist_id", "artist_name")


@dataclass(frozen=True)
class Listing:
    """The files that have features: their paths, targets (n, 7), and a group each that a split must not part.

    ``by_artist``: groups are artists, else files. ``dropped``: reason → rows of the table left out for it.
    """

    paths: tuple[Path, ...]
    targets: Floats
    groups: tuple[str, ...]
    by_artist: bool
    dropped: Mapping[str, int]


def list_clips(audio: Path, features: Path) -> Listing:
    """Meet a table of features with the files of a folder.

    A row names its file by ``folder`` and ``fileName`` (the ending may differ), or by ``track_id``: a number as the
    archive files it, ``000/000002.mp3``, or any id, ``<id>.mp3``. It holds the seven features in [0, 1], and the
    artist if known, so that no artist is on both sides of a split. Raises ``UnreadableFile``, ``MissingColumn``, or
    ``InputError`` where no row has its file.
    """
    try:
        with features.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header = list(reader.fieldnames or [])
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFile(f"{features}: cannot be read as a CSV table ({error})") from error
    missing = [name for name in FEATURES if name not in header]
    if "track_id" not in header and not {"folder", "fileName"} <= set(header):
        missing.append("track_id (or folder and fileName)")
    if missing:
        raise MissingColumn(f"{features}: no column {', '.join(missing)}")
    if not audio.is_dir():
        raise UnreadableFile(f"{audio} is not a folder of audio files")
    known = {path.relative_to(audio).with_suffix("").as_posix(): path for path in find_audio(audio)}
    artist = next((name for name in _ARTISTS if name in header), None)
    paths: dict[Path, tuple[list[float], str]] = {}
    dropped = {"no audio file": 0, "a feature is missing or outside [0, 1]": 0, "file named before": 0}
    for row in rows:
        path = next((known[name] for name in _file_names(row) if name in known), None)
        values = _read_features(row)
        if path is None:
            dropped["no audio file"] += 1
        elif values is None:
            dropped["a feature is missing or outside [0, 1]"] += 1
        elif path in paths:
            dropped["file named before"] += 1
        else:
            paths[path] = (values, (row.get(artist) or "").strip().casefold() if artist else "")
    if not paths:
        raise InputError(f"none of the {len(rows):,} rows of {features} has its audio file in {audio}")
    # A clip whose artist is not told is a group of its own.
    groups = tuple(f"artist {name}" if name else f"file {path}" for path, (_, name) in paths.items())
    targets = np.array([values for values, _ in paths.values()], dtype=np.float32)
    return Listing(tuple(paths), targets, groups, artist is not None, dropped)


def take_clips(listing: Listing, count: int, seed: int) -> Listing:
    """At most ``count`` of the clips, drawn by the seed, in their order."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(listing.paths))[:count])
    paths = tuple(listing.paths[row] for row in rows.tolist())
    groups = tuple(listing.groups[row] for row in rows.tolist())
    return replace(listing, paths=paths, targets=listing.targets[rows], groups=groups)


def find_audio(folder: Path) -> list[Path]:
    """The audio files of a folder and its folders, by their names' endings, in the order of their names."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def split_groups(groups: Sequence[str], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Mark about ``share`` of the rows (n,) for validation, whole groups at a time; raises ``InputError`` for one."""
    names, of_row = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    if len(names) < 2:
        raise InputError("all clips are of one artist: none can be kept aside to validate with")
    order = np.random.default_rng(seed).permutation(len(names))
    reach = np.cumsum(np.bincount(of_row)[order])
    count = int(np.clip(np.searchsorted(reach, share * len(of_row)) + 1, 1, len(names) - 1))
    held: npt.NDArray[np.bool_] = np.isin(of_row, order[:count])
    return held


def read_clips(
    listing: Listing,
    scratch: Path,
    decode: Decode,
    threads: int = 2,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Clips, npt.NDArray[np.int64], dict[str, str]]:
    """Decode all files of a listing: the clips, the listing's row of each, and the reason for each file left out.

    Spectrograms are float16 in the file ``scratch``, 210 KB a clip, for a data set of thousands outgrows memory.
    Raises ``InputError`` where no file can be read.
    """
    size = (len(listing.paths), *SHAPE)
    store = np.lib.format.open_memmap(scratch, mode="w+", dtype=np.float16, shape=size)
    rows: list[int] = []
    failed: dict[str, str] = {}

    def hear(path: Path) -> Floats | str:
        try:
            return make_spectrogram(*decode(path))
        except (SegueError, ValueError) as error:
            return str(error).removeprefix(f"{path.name}: ")

    with ThreadPoolExecutor(threads) as pool:
        for at, heard in enumerate(pool.map(hear, listing.paths)):
            if isinstance(heard, str):
                failed[listing.paths[at].name] = heard
            else:
                store[len(rows)] = heard
                rows.append(at)
            if on_progress is not None:
                on_progress(at + 1, len(listing.paths))
    if not rows:
        raise InputError(
            f"none of the {len(listing.paths)} audio files can be read: {next(iter(failed.values()))}"
        )
    kept = np.array(rows, dtype=np.int64)
    return Clips.of(store[: len(rows)], listing.targets[kept]), kept, failed


def _file_names(row: Mapping[str, str]) -> list[str]:
    """Where a row's file may lie, without its ending."""
    names = []
    if row.get("fileName"):
        stem = Path(row["fileName"].strip().lstrip("/")).with_suffix("").as_posix()
        folder = (row.get("folder") or "").strip().strip("/")
        names.append(f"{folder}/{stem}" if folder else stem)
    if row.get("track_id"):
        number = row["track_id"].strip()
        if number.isascii() and number.isdigit():
            names.append(f"{int(number):06d}"[:3] + f"/{int(number):06d}")
        names.append(number)
    return names


def _read_features(row: Mapping[str, str]) -> list[float] | None:
    try:
        values = [float(row[name]) for name in FEATURES]
    except (TypeError, ValueError):
        return None
    return values if all(math.isfinite(value) and 0 <= value <= 1 for value in values) else None
