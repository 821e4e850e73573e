"""The folder that index versions stand in: which is served, who may write, and what is under construction.

indexes/
  CURRENT                     name of the served version
  HISTORY                     names served before, oldest first
  HISTORY-<engine>            names that another engine has served, oldest first; the last one is served
  reports/<version>.html      the page of a version's evaluation
  .lock                       held by the one that writes
  .partial-…                  under construction, or left by what was killed
  <version>/                  see indexer.index_version
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexer.errors import PublishLocked, VersionDamaged, VersionNotFound

CURRENT = "CURRENT"
HISTORY = "HISTORY"
#: A folder or file under construction; nothing with this prefix is ever a version.
PARTIAL = ".partial-"
_LOCK = ".lock"


def folder_of(indexes: Path, name: str) -> Path:
    """The folder of a version, be it there or not; ``VersionNotFound`` for what cannot be a name."""
    if not name or name.startswith(".") or "/" in name or "\\" in name:
        raise VersionNotFound(f"{name!r} is not the name of an index version")
    return indexes / name


def current_name(indexes: Path) -> str:
    """The published version's name; raises ``VersionNotFound`` where none is published."""
    try:
        name = (indexes / CURRENT).read_text(encoding="utf-8").strip()
    except FileNotFoundError as error:
        raise VersionNotFound(
            f"no index version is published in {indexes}; make one with: python -m indexer build --starter"
        ) from error
    if not name:
        raise VersionDamaged(f"{CURRENT} in {indexes} is empty; publish a version again")
    return name


def report_file(indexes: Path, name: str) -> Path:
    """Where the evaluation's page of a version is kept: beside the versions, which never change."""
    return indexes / "reports" / f"{name}.html"


@contextmanager
def lock(indexes: Path) -> Iterator[None]:
    """Hold the folder's one lock; raises ``PublishLocked`` at once where another holds it.

    The system frees it when the holder ends, however it ends.
    """
    indexes.mkdir(parents=True, exist_ok=True)
    with (indexes / _LOCK).open("a+", encoding="ascii") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            raise PublishLocked(
                f"another build or publication (process {holder}) is working in {indexes}; try again when it is done"
            ) from error
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


@contextmanager
def new_folder(indexes: Path) -> Iterator[Path]:
    """A sibling folder to write a version into; it is gone afterwards unless ``index_version.seal`` gave it its name.

    What a build that was killed left is removed; the caller holds ``lock``.
    """
    remove_leftovers(indexes)
    folder = indexes / f"{PARTIAL}{os.getpid()}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(indexes: Path) -> None:
    """Remove what a killed build, publication or pruning left; the caller holds ``lock``, so it is nobody's."""
    for leftover in indexes.glob(f"{PARTIAL}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_text(path: Path, text: str) -> None:
    """Write a file so that it is either as it was or wholly new, whatever happens meanwhile."""
    partial = path.with_name(f"{PARTIAL}{path.name}-{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8")
        sync(partial)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync(path.parent)
