"""Data sets fetched whole: their folders, what is written beside them, and where their files lie."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from indexer.errors import FetchFailed, UnreadableFile

#: Written last: a folder without it is incomplete.
RECORD: Final = "fetched.json"
LICENCE: Final = "LICENCE.txt"

SPOTIFY_TRACKS: Final = "spotify-tracks"
TMDB_MOVIES: Final = "tmdb-movies"
MOVIELENS: Final = "movielens"

#: Data sets, in the order in which they are looked for, and the files of each.
FILES: Final[Mapping[str, tuple[str, ...]]] = {
    SPOTIFY_TRACKS: ("dataset.csv",),
    TMDB_MOVIES: ("TMDB_movie_dataset_v11.csv",),
    MOVIELENS: ("tags.csv", "ratings.csv", "links.csv"),
}

#: Where a fetch is at work, inside the data set's folder: parts that a later call goes on from.
_WORK: Final = ".fetching"
_LOCK: Final = ".fetching.lock"


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file was when it was fetched."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Record:
    """What ``fetched.json`` holds: which data set in which state, from where and when (UTC), under which licence."""

    dataset: str
    source: str
    revision: str
    fetched_at: str
    licence: str
    files: dict[str, FileFacts]


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence's short name and a notice in plain words: who made the data and what may be done with them."""

    name: str
    notice: str


def fetched_files(folder: Path) -> dict[str, Path]:
    """Files of all data sets in a folder, as ``dataset/file`` → path; a data set that is not there has none.

    Raises ``UnreadableFile`` where a data set is incomplete, or a file of it is gone or of another size than fetched.
    """
    found: dict[str, Path] = {}
    for dataset, names in FILES.items():
        home = folder / dataset
        # A fetch that got nothing leaves no more than its lock.
        if any((home / name).exists() for name in (RECORD, _WORK, *names)):
            found |= {f"{dataset}/{name}": home / name for name in read_whole(home).files}
    return found


def read_whole(home: Path) -> Record:
    """The record of one data set, once its files are there in the sizes that it names; else ``UnreadableFile``."""
    record = read_record(home)
    again = f"python -m indexer fetch {home.name} --into {home.parent}"
    for name, facts in record.files.items():
        try:
            size_bytes = (home / name).stat().st_size
        except OSError as error:
            raise UnreadableFile(f"{home / name} was fetched and is gone: {again}") from error
        if size_bytes != facts.size_bytes:
            raise UnreadableFile(
                f"{home / name} has {size_bytes} bytes, {facts.size_bytes} were fetched: {again} --again"
            )
    return record


def read_record(home: Path) -> Record:
    """Read a data set's ``fetched.json``; raises ``UnreadableFile`` where it is missing or is none."""
    try:
        text = (home / RECORD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFile(
            f"{home} is incomplete (no {RECORD}): python -m indexer fetch {home.name} --into {home.parent}"
        ) from error
    try:
        values: dict[str, Any] = json.loads(text)
        files = {
            str(name): FileFacts(int(v["size_bytes"]), str(v["sha256"]))
            for name, v in values["files"].items()
        }
        dataset, source, revision, fetched_at, licence = (
            str(values[key]) for key in ("dataset", "source", "revision", "fetched_at", "licence")
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableFile(f"{home / RECORD} cannot be understood: fetch {home.name} again") from error
    # Names become paths: what is not known to belong to this data set is not believed.
    if dataset != home.name or set(files) != set(FILES.get(home.name, ())):
        raise UnreadableFile(f"{home / RECORD} is not of {home.name}: fetch it again")
    return Record(dataset, source, revision, fetched_at, licence, files)


@contextmanager
def at_work(home: Path) -> Iterator[Path]:
    """A folder for parts within the data set's, held alone; raises ``FetchFailed`` where another fetch holds it.

    It goes away when all went well; else it stays if there is something in it, for a later call to go on from.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / _LOCK).open("a", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FetchFailed("busy", f"another fetch is at work in {home}", is_final=True) from error
        work = home / _WORK
        work.mkdir(exist_ok=True)
        try:
            yield work
        except BaseException:
            if not any(work.iterdir()):
                work.rmdir()
            raise
        shutil.rmtree(work)


def keep(home: Path, ready: Mapping[str, Path], source: str, revision: str, licence: Licence) -> Record:
    """Move files that are whole into the data set's folder and write licence and record, the record last.

    ``ready``: each file of the data set → where it lies, on the same disk. Raises ``OSError`` if one cannot be written.
    """
    files = {
        name: FileFacts(path.stat().st_size, file_digest(path, "sha256"))
        for name, path in sorted(ready.items())
    }
    record = Record(
        home.name, source, revision, datetime.now(UTC).isoformat(timespec="seconds"), licence.name, files
    )
    # From here to the end the folder counts as incomplete.
    (home / RECORD).unlink(missing_ok=True)
    for name, path in ready.items():
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
        path.replace(home / name)
    _write_whole(home / LICENCE, f"{licence.notice}\n")
    _write_whole(home / RECORD, json.dumps(asdict(record), indent=2) + "\n")
    return record


def file_digest(path: Path, algorithm: str) -> str:
    """A file's digest in hexadecimal, read piece by piece."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def check_room(folder: Path, needed_bytes: int) -> None:
    """Raise ``FetchFailed`` where the folder's disk has not that much room."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise FetchFailed(
            "disk-full",
            f"{needed_bytes / 1e6:,.0f} MB more are needed in {folder}, {free_bytes / 1e6:,.0f} MB are free",
            is_final=True,
        )


def _write_whole(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
