"""One large file over the net into a part file: gone on with after a cut, bounded in time and size."""

from __future__ import annotations

import errno
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from indexer.errors import FetchFailed
from indexer.fetching.data_sets import check_room
from indexer.fetching.replies import failure_of_status, plain

#: How much of a line is read at a time.
CHUNK_BYTES: Final = 256 * 1024

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_RANGE: Final = re.compile(r"bytes (?:(\d{1,15})-\d{1,15}|\*)/(\d{1,15})")
_SUFFIX: Final = ".part"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Line:
    """Bytes on their way. ``start_byte``: where in the file they begin, 0 if the host does not give parts of it.

    ``total_bytes``: of the whole file, None if the host does not say.
    """

    start_byte: int
    total_bytes: int | None
    chunks: Iterator[bytes]


#: Opens a line at a byte of the file; raises ``FetchFailed``.
OpenLine = Callable[[int], AbstractContextManager[Line]]

#: Is told the stage, and of its bytes how many are done and how many there are (None: unknown).
Advance = Callable[[str, int, int | None], None]

#: The stage of bytes that come over the net.
TRANSFERRED: Final = "fetched"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to bear with a host. ``attempts``: in a row without a single new byte.

    ``tell`` hears of each failure that is tried again. A line that brings less than ``slow_bytes`` in ``slow_s`` is
    cut. ``pause_most_s``: the longest Retry-After that is waited for.
    """

    attempts: int = 5
    connect_s: float = 10.0
    read_s: float = 30.0
    slow_s: float = 60.0
    slow_bytes: int = 64 * 1024
    backoff_s: float = 1.0
    backoff_most_s: float = 30.0
    pause_most_s: float = 300.0
    wait: Callable[[float], None] = time.sleep
    tell: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a transfer may bring: at most ``size_most_bytes``; ``unpacked_bytes``: room for what comes out of it."""

    size_most_bytes: int
    unpacked_bytes: int = 0


def part_of(work: Path, identity: str) -> Path:
    """The part file of this very content (its checksum or version); parts of any other are deleted."""
    part = work / f"{re.sub(r'[^A-Za-z0-9-]', '-', identity)[:80]}{_SUFFIX}"
    for other in work.glob(f"*{_SUFFIX}"):
        if other != part:
            other.unlink()
    return part


def transfer(open_line: OpenLine, part: Path, wanted: Wanted, patience: Patience, advance: Advance) -> None:
    """Bring the whole file into ``part``, from where an earlier call left it.

    Raises ``FetchFailed`` where the host fails in every attempt, sends too much, or the disk has no room. What has
    come is kept then, for a later call.
    """
    failures = 0
    while True:
        before_bytes = _size(part)
        try:
            _go_on(open_line, part, before_bytes, wanted, patience, advance)
            return
        except FetchFailed as failure:
            if failure.kind == "range":
                # What lies there is not the beginning of what the host has.
                part.unlink(missing_ok=True)
            failures = 1 if _size(part) > before_bytes else failures + 1
            _pause(failure, failures, patience)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise FetchFailed(
                "disk-full", f"no room is left in {part.parent}; what has come is kept", is_final=True
            ) from error


def try_again(ask: Callable[[], T], patience: Patience) -> T:
    """Ask a short question, again after failures that may pass; raises the last ``FetchFailed``."""
    failures = 0
    while True:
        try:
            return ask()
        except FetchFailed as failure:
            failures += 1
            _pause(failure, failures, patience)


def place_of(status: int, headers: Mapping[str, str], start_byte: int) -> tuple[int, int | None]:
    """Where a reply's bytes begin and how large the whole file is; raises ``FetchFailed`` for any other reply.

    Headers by lower-case names. A part that is whole already is answered 416 with its own size: nothing is left.
    """
    found = _RANGE.fullmatch(headers.get("content-range", "").strip())
    total_bytes = int(found[2]) if found else None
    if status == 206 and found and found[1] is not None:
        if int(found[1]) != start_byte:
            raise FetchFailed("range", f"asked for byte {start_byte}, got {found[1]}")
        return start_byte, total_bytes
    if status == 416 and start_byte:
        if total_bytes == start_byte:
            return start_byte, total_bytes
        raise FetchFailed("range", f"the host has no byte {start_byte}: the file there is another one")
    if status != 200:
        raise failure_of_status(status, headers.get("retry-after"))
    packed = headers.get("content-encoding", "identity").strip().lower()
    if packed not in ("", "identity"):
        raise FetchFailed("content-type", f"packed as {plain(packed)}, unasked", is_final=True)
    length = headers.get("content-length", "")
    return 0, int(length[:18]) if length.isascii() and length.isdigit() else None


def root_of(error: BaseException) -> str:
    """The words of what lies at the bottom of a library's error, on one short line."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    words = error.strerror if isinstance(error, OSError) else None
    return plain(words or str(error) or type(error).__name__)


def _pause(failure: FetchFailed, failures: int, patience: Patience) -> None:
    """Wait before the next attempt, as long as the host asks; raises the failure if there is to be none."""
    failure.attempts = failures
    if failure.is_final or failures >= patience.attempts:
        raise failure
    wait_s = failure.wait_s
    if wait_s is None:
        longest_s = min(patience.backoff_s * 2.0 ** (failures - 1), patience.backoff_most_s)
        wait_s = longest_s * random.uniform(0.5, 1.0)
    elif wait_s > patience.pause_most_s:
        raise failure
    patience.tell(f"{failure}; trying again in {wait_s:.0f} s")
    patience.wait(wait_s)


def _go_on(
    open_line: OpenLine, part: Path, kept_bytes: int, wanted: Wanted, patience: Patience, advance: Advance
) -> None:
    """One line, from where the part ends to where the file does."""
    with open_line(kept_bytes) as line:
        total_bytes = line.total_bytes
        if (total_bytes or 0) > wanted.size_most_bytes:
            raise FetchFailed(
                "too-large", f"{total_bytes} bytes announced, at most {wanted.size_most_bytes}", is_final=True
            )
        check_room(part.parent, max((total_bytes or 0) - line.start_byte, 0) + wanted.unpacked_bytes)
        with part.open("r+b" if part.exists() else "wb") as stream:
            stream.seek(line.start_byte)
            stream.truncate()
            size_bytes = _write(line, stream, wanted, patience, advance)
    if total_bytes is not None and size_bytes < total_bytes:
        raise FetchFailed("truncated", f"{size_bytes} of {total_bytes} bytes came")
    if total_bytes is not None and size_bytes > total_bytes:
        raise FetchFailed("range", f"{size_bytes} bytes came, {total_bytes} were announced")


def _write(line: Line, stream: BinaryIO, wanted: Wanted, patience: Patience, advance: Advance) -> int:
    size_bytes = line.start_byte
    advance(TRANSFERRED, size_bytes, line.total_bytes)
    since_s, since_bytes = time.monotonic(), size_bytes
    for chunk in line.chunks:
        size_bytes += len(chunk)
        if size_bytes > wanted.size_most_bytes:
            raise FetchFailed("too-large", f"more than {wanted.size_most_bytes} bytes", is_final=True)
        stream.write(chunk)
        advance(TRANSFERRED, size_bytes, line.total_bytes)
        now_s = time.monotonic()
        if now_s - since_s >= patience.slow_s:
            if size_bytes - since_bytes < patience.slow_bytes:
                raise FetchFailed("slow", f"{size_bytes - since_bytes} bytes in {now_s - since_s:.0f} s")
            since_s, since_bytes = now_s, size_bytes
    return size_bytes


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
