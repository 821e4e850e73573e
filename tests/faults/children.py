"""Forked children that may be killed, crash or hang without harm to the one that judges them.

The parent has imported everything and started nothing, so a child costs a fork and not an import.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_PAGE_BYTES = 4096
_PIPE_BYTES = 2**20
#: A child that has not ended by then hangs.
DEADLINE_S = 120.0


class Marks:
    """A page of memory shared with children: where each of them was when it ended, however it ended."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, _PAGE_BYTES)

    def set(self, text: str) -> None:
        """Replace the mark."""
        data = text.encode()[: _PAGE_BYTES - 1]
        self._page[: len(data) + 1] = data + b"\0"

    def get(self) -> str:
        """The mark that was set last."""
        return bytes(self._page[:]).partition(b"\0")[0].decode(errors="replace")


@dataclass(frozen=True)
class Outcome:
    """How a child ended: its exit code (negative: the signal that ended it), what it returned and printed."""

    code: int
    value: Any
    printed: str
    seconds: float
    hung: bool = False

    @property
    def crashed(self) -> bool:
        """Whether it neither returned nor was killed on purpose: a signal of its own, or an exception."""
        return self.hung or (self.code < 0 and self.code != -signal.SIGKILL) or self.code == _RAISED


_RAISED = 99


def last_words(outcome: Outcome) -> str:
    """How a child ended, in one line."""
    ended = "hangs" if outcome.hung else f"exit code {outcome.code}"
    return f"{ended}: {' '.join(outcome.printed.split())[-300:]}"


def run_child(
    action: Callable[[], Any],
    kill_after_s: float | None = None,
    limits: Mapping[int, int] | None = None,
    deadline_s: float = DEADLINE_S,
) -> Outcome:
    """Run ``action`` in a forked child and wait for its end; it is killed after ``kill_after_s`` if given.

    ``limits``: resource → bytes, set in the child. An ``int`` that the action returns is its exit code as well.
    """
    # Pipes and not files, so that limits on files do not apply to what a child has to say.
    printed, returned = _Pipe(), _Pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _be_child(action, printed.inlet, returned.inlet, limits or {})
    hung = False
    try:
        handle = os.pidfd_open(pid)
        try:
            if not _ended(handle, deadline_s if kill_after_s is None else kill_after_s):
                hung = kill_after_s is None
                os.kill(pid, signal.SIGKILL)
        finally:
            os.close(handle)
        _, status = os.waitpid(pid, 0)
        text, value = printed.read(), returned.read()
    finally:
        printed.close()
        returned.close()
    return Outcome(
        os.waitstatus_to_exitcode(status),
        json.loads(value) if value else None,
        text.decode(errors="replace"),
        time.monotonic() - start,
        hung,
    )


class _Pipe:
    """What a child writes, to be read when it has ended; the end is cut off if it is more than fits."""

    def __init__(self) -> None:
        self.outlet, self.inlet = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.fcntl(self.inlet, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def read(self) -> bytes:
        """All there is."""
        try:
            return os.read(self.outlet, _PIPE_BYTES)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """Close both ends."""
        os.close(self.outlet)
        os.close(self.inlet)


def _ended(handle: int, timeout_s: float) -> bool:
    waiting = select.poll()
    waiting.register(handle, select.POLLIN)
    return bool(waiting.poll(timeout_s * 1000))


def _be_child(action: Callable[[], Any], printed: int, returned: int, limits: Mapping[int, int]) -> None:
    code = _RAISED
    try:
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        for kind, size in limits.items():
            resource.setrlimit(kind, (size, resource.getrlimit(kind)[1]))
        with _python_streams():
            value = action()
        _lift(limits)
        os.write(returned, json.dumps(value).encode())
        code = value & 0xFF if isinstance(value, int) and not isinstance(value, bool) else 0
    except BaseException:  # noqa: BLE001 - the parent judges it
        _lift(limits)
        os.write(printed, traceback.format_exc().encode())
    finally:
        # Nothing of the parent's must run in the child, such as the removal of its temporary folders.
        os._exit(code)


def _lift(limits: Mapping[int, int]) -> None:
    """Make room to say what happened."""
    for kind in limits:
        resource.setrlimit(kind, (resource.getrlimit(kind)[1],) * 2)


@contextmanager
def _python_streams() -> Iterator[None]:
    # Under a test runner the streams of Python may lead elsewhere than the descriptors 1 and 2.
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
