"""A TCP connection that can be cut, stalled and slowed down on purpose."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

HOST = "127.0.0.1"


class Wire:
    """Forwards a loopback port to another; until told otherwise as if it were not there."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._flows = threading.Event()
        self._flows.set()
        self._ends = threading.Event()
        self._delay_s = 0.0
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]

    @property
    def uri(self) -> str:
        """The address to connect to."""
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._flows.set()
        self._close_all()
        for thread in self._threads:
            thread.join(10)

    def cut(self) -> None:
        """Break all connections and refuse new ones, as a machine does whose server was killed."""
        self._close_all()

    def stall(self) -> None:
        """Accept connections and bytes, and pass nothing on, as a server does that hangs."""
        self._flows.clear()

    def slow_down(self, delay_s: float) -> None:
        """Hold back what is sent, each time for so long."""
        self._delay_s = delay_s

    def mend(self) -> None:
        """Be a wire again."""
        self._delay_s = 0.0
        self._flows.set()
        if self._listener.fileno() == -1:
            self._listener = self._listen(self.port)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server((HOST, port))
        self._start(self._accept, listener)
        return listener

    def _start(self, work: object, *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection((HOST, self._target), timeout=10)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._sockets |= {near, far}
            self._start(self._pump, near, far)
            self._start(self._pump, far, near)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                self._flows.wait()
                if self._delay_s:
                    self._ends.wait(self._delay_s)
                sink.sendall(data)
        except OSError:
            pass  # cut, by one side or by us
        for sock in (source, sink):
            _end(sock)
            with self._lock:
                self._sockets.discard(sock)

    def _close_all(self) -> None:
        # A shutdown wakes the thread that waits in accept; a close alone does not.
        _end(self._listener)
        with self._lock:
            sockets = list(self._sockets)
            self._sockets.clear()
        for sock in sockets:
            _end(sock)


def _end(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
