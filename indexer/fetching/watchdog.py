"""A time limit on a whole download: whatever a host does, its connection is cut when the time is up."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Watch:
    """One download under watch; ``is_over`` once its time was up or everything was stopped."""

    def __init__(self, ends_at_s: float) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.ends_at_s = ends_at_s
        self.is_over = False

    def left_s(self) -> float:
        """Seconds left, at least a moment; raises ``TimeoutError`` when there are none."""
        left_s = self.ends_at_s - time.monotonic()
        if self.is_over or left_s <= 0:
            self.is_over = True
            raise TimeoutError("the time for the whole download is up")
        return left_s

    def guard(self, connected: socket.socket | None) -> None:
        """Cut this socket, instead of the one before, when the time is up; raises ``TimeoutError``."""
        with self._lock:
            self._socket = connected
        self.left_s()

    def cut(self) -> None:
        """End the download now: whoever reads from its socket finds it closed."""
        with self._lock:
            self.is_over = True
            if self._socket is not None:
                # The plain method: that of a TLS socket would unwrap it under the feet of the reading thread.
                with suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def release(self) -> None:
        """Leave the socket alone from now on; after this it may be closed or used again."""
        with self._lock:
            self._socket = None


class Watchdog:
    """Cuts off downloads whose time is up, from one thread of its own.

    A time-out on each read is not enough: a host that sends one byte a second would never trip it.
    """

    def __init__(self) -> None:
        self._watches: set[Watch] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    @contextmanager
    def watch(self, limit_s: float) -> Iterator[Watch]:
        """Watch what happens inside for at most ``limit_s`` seconds."""
        watch = Watch(time.monotonic() + limit_s)
        with self._changed:
            self._watches.add(watch)
            if self._is_closed:
                watch.is_over = True
            elif self._thread is None:
                self._thread = threading.Thread(target=self._run, name="segue-watchdog", daemon=True)
                self._thread.start()
            self._changed.notify()
        try:
            yield watch
        finally:
            watch.release()
            with self._changed:
                self._watches.discard(watch)

    def close(self) -> None:
        """Cut off every download and watch no more."""
        with self._changed:
            self._is_closed = True
            for watch in self._watches:
                watch.cut()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        with self._changed:
            while not self._is_closed:
                now_s = time.monotonic()
                for watch in self._watches:
                    if watch.ends_at_s <= now_s and not watch.is_over:
                        watch.cut()
                ends = [watch.ends_at_s - now_s for watch in self._watches if not watch.is_over]
                self._changed.wait(max(min(ends), 0.0) if ends else None)
