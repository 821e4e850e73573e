"""Refused index versions: why, in words that may be shown to anyone, and when to try them again."""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import SegueError, VersionError

#: Pauses before a version that was refused for want of memory or for a fault of the disk is tried again.
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 300.0
#: Path, time of change (ns) and size of every file of a version.
Signature = frozenset[tuple[str, int, int]]

#: An absolute path: a slash that does not follow a word, up to the last component, which is kept.
_PATH = re.compile(r"(?<![\w.\-/])/(?:[^\s'\",:;()]*/)*([^\s'\",:;()/]*)")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A version that is not served although it is published, and why; the reason names no absolute path."""

    version: str
    reason: str


class VersionRefused(VersionError):
    """The published version is refused, and there is no other one to serve; its text may be shown to anyone."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.version} is refused: {refusal.reason}")


class Attempt:
    """One failed try to open a version; knows when the next is due.

    Damaged files stay damaged, so they are not tried again before they change: hashing them costs seconds.
    """

    def __init__(
        self, refusal: Refusal, signature: Signature, passing: bool, before: Attempt | None = None
    ) -> None:
        self.refusal = refusal
        self._signature = signature
        self._seen = signature
        self._pause_s = FIRST_PAUSE_S
        if before is not None:
            self._pause_s = min(2 * before._pause_s, LONGEST_PAUSE_S)
        self._again_at: float | None = time.monotonic() + self._pause_s if passing else None

    def is_due(self, folder: Path) -> bool:
        """Tell whether to try again: after the pause, or once the files have changed and stay as they are."""
        if self._again_at is not None and time.monotonic() >= self._again_at:
            return True
        signature = sign_files(folder)
        settled = signature == self._seen
        self._seen = signature
        return settled and signature != self._signature


def sign_files(folder: Path) -> Signature:
    """Tell by names, times and sizes when the files of a version have changed; empty where there are none."""
    try:
        found = ((path, path.stat()) for path in folder.rglob("*"))
        return frozenset((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in found)
    except OSError:
        return frozenset()  # files come and go under our eyes: not settled, so to be looked at again


def word_refusal(error: Exception, indexes: Path) -> str:
    """Say in one line, without absolute paths, why the version in ``indexes`` that raised ``error`` is refused."""
    if any(_wants_memory(cause) for cause in _causes(error)):
        return "there is not enough memory to open it beside the version that answers"
    if isinstance(error, SegueError):
        text = str(error)
        for known in {str(indexes), str(indexes.resolve())}:
            text = text.replace(f"{known}/", "").replace(known, "the folder of the indexes")
        return " ".join(_PATH.sub(r"\1", text).split())
    if isinstance(error, OSError):
        return f"it cannot be read: {error.strerror or type(error).__name__}"
    return f"it cannot be opened ({type(error).__name__}); the log has the cause"


def may_pass(error: Exception) -> bool:
    """Tell whether the same files may do later: memory may be freed, a disk may come back.

    A ``VersionError`` speaks of the files themselves and stays, unless the system refused something beneath it;
    a file that is not there is no such refusal.
    """
    if not isinstance(error, VersionError):
        return True
    return any(
        isinstance(cause, MemoryError | OSError) and not isinstance(cause, FileNotFoundError)
        for cause in _causes(error)
    )


def _wants_memory(cause: BaseException) -> bool:
    return isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno == errno.ENOMEM)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__
