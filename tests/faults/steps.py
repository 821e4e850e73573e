"""Every step of this process that changes a file system, numbered, so that one of them can be made to go wrong.

Covered are the calls made from Python. Libraries that write from C (SQLite, FAISS, numpy's arrays) are met by
full disks and by kills at random moments instead.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

#: Told (number from 1, what) before a step is done, and once more, as (number, "after …"), when it is.
Watch = Callable[[int, str], None]

_CALLS = ("mkdir", "fsync", "rename", "replace", "unlink", "rmdir", "link", "sendfile")
#: What a full disk refuses.
GROWING = ("mkdir", "open", "write", "fsync", "rename", "replace", "link", "sendfile")


@contextmanager
def watch_steps(watch: Watch) -> Iterator[None]:
    """Tell ``watch`` of every step; what it raises takes the step's place."""
    number = 0

    def told(what: str, act: Callable[..., Any], *args: Any, **named: Any) -> Any:
        nonlocal number
        number += 1
        mine = number
        watch(mine, what)
        result = act(*args, **named)
        watch(mine, f"after {what}")
        return result

    class CountedFile(io.FileIO):
        def write(self, data: Any, /) -> Any:
            return told("write", super().write, data)

    real_open = builtins.open

    def open_told(file: Any, mode: str = "r", *args: Any, **named: Any) -> Any:
        if isinstance(file, int) or not set(mode) & set("wxa+"):
            return real_open(file, mode, *args, **named)
        if mode.strip("bt") not in ("w", "x"):
            return told("open", real_open, file, mode, *args, **named)
        raw = told("open", CountedFile, file, mode.strip("bt"))
        buffered = io.BufferedWriter(raw)
        if "b" in mode:
            return buffered
        return io.TextIOWrapper(buffered, named.get("encoding"), named.get("errors"), named.get("newline"))

    with ExitStack() as patches:
        for name in _CALLS:
            real = getattr(os, name)

            def call(*args: Any, _what: str = name, _real: Any = real, **named: Any) -> Any:
                return told(_what, _real, *args, **named)

            patches.enter_context(mock.patch.object(os, name, call))
        patches.enter_context(mock.patch.object(builtins, "open", open_told))
        patches.enter_context(mock.patch.object(io, "open", open_told))
        yield


def list_steps(action: Callable[[], Any]) -> list[str]:
    """What each step of ``action`` is, in order."""
    seen: list[str] = []

    def note(_number: int, what: str) -> None:
        if not what.startswith("after "):
            seen.append(what)

    with watch_steps(note):
        action()
    return seen


def kill_at(number: int, after: bool) -> Watch:
    """End the process with SIGKILL right before or right after step ``number``."""

    def watch(reached: int, what: str) -> None:
        if reached == number and what.startswith("after ") == after:
            os.kill(os.getpid(), signal.SIGKILL)

    return watch


def fail_at(number: int, code: int, lasting: bool) -> Watch:
    """Fail step ``number`` with an ``errno``; where ``lasting``, all growing steps from there on, as a full disk."""

    def watch(reached: int, what: str) -> None:
        if (reached == number and not what.startswith("after ")) or (
            lasting and reached > number and what in GROWING
        ):
            raise OSError(code, os.strerror(code))

    return watch


FULL, BROKEN = errno.ENOSPC, errno.EIO
