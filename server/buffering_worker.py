"""A gunicorn worker whose threads get requests whole, so that clients who send slowly hold none of them."""

from __future__ import annotations

import re
import select
import selectors
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

#: A request line and its headers; more is answered with 431.
MOST_HEAD_BYTES = 64 * 2**10
#: Of a longer body, the application gets the rest as it arrives (or refuses it by its length).
MOST_BODY_BYTES = 128 * 2**10
#: How long a stopping worker waits for the rest of requests that it has begun to receive.
STOP_ARRIVAL_S = 5.0

_READ_BYTES = 64 * 2**10
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*(?:\r\n|$)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*(?:\r\n|$)", re.IGNORECASE)
_LAST_CHUNK = re.compile(rb"(?:^|\r\n)0+(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*\r\n$")
_CHUNK_TAIL_BYTES = 2**10

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_REFUSAL = b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_TOO_LARGE = _REFUSAL % b"431 Request Header Fields Too Large"
_TOO_SLOW = _REFUSAL % b"408 Request Timeout"


@dataclass(slots=True)
class _Arriving:
    """A request that is arriving on a connection; ``deadline`` is a time of the monotonic clock."""

    conn: TConn
    deadline: float
    received: bytearray
    continued: bool = False


class BufferingWorker(ThreadWorker):  # type: ignore[misc]
    """Gunicorn's worker with threads, for plain HTTP/1.1, with three differences.

    A request is received by the event loop, within ``timeout`` seconds, and only then given to a thread. What a
    thread does for a connection, receiving a long body and sending the reply included, ends after ``timeout`` seconds
    at the latest. A worker that stops accepts the connections that wait in the listening socket's queue, and then
    closes it, so that no connection is accepted by the system and answered by nobody.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Both in the order of their deadlines, as all are given the same time.
        self._arriving: dict[TConn, _Arriving] = {}
        self._handled: dict[TConn, float] = {}
        self._time_s = float(self.cfg.timeout or 30)

    def enqueue_req(self, conn: TConn) -> None:
        """Receive a request on a connection, then give it to a thread. Runs in the event loop, as all here does."""
        if self.cfg.is_ssl:
            super().enqueue_req(conn)  # the handshake is the thread's
            return
        held = conn.parser.unreader.take_buffered() if conn.parser is not None else b""
        allowed_s = self._time_s if self.alive else min(self._time_s, STOP_ARRIVAL_S)
        arriving = _Arriving(conn, time.monotonic() + allowed_s, bytearray(held))
        conn.sock.setblocking(False)
        if held and self._give_if_whole(arriving):
            return
        self._receive(arriving)
        if conn.sock.fileno() >= 0 and conn not in self._handled:
            self._arriving[conn] = arriving
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._on_readable, arriving))

    def finish_request(self, conn: TConn, fs: Any) -> None:
        """Take a connection back from its thread."""
        self._handled.pop(conn, None)
        super().finish_request(conn, fs)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Accept connections or not; a worker that stops takes those that wait, and stops listening."""
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in self.sockets:
            while select.select([listener], [], [], 0)[0]:
                self.accept(listener)
            listener.close()
        limit = time.monotonic() + STOP_ARRIVAL_S
        for arriving in self._arriving.values():
            arriving.deadline = min(arriving.deadline, limit)

    def murder_keepalived(self, force: bool = False) -> None:
        """End what took too long; gunicorn calls this after every turn of the event loop."""
        super().murder_keepalived(force)
        now = time.monotonic()
        for arriving in list(self._arriving.values()):
            if arriving.deadline > now and not force:
                break
            self._leave(arriving)
            self._close(arriving.conn, _TOO_SLOW if arriving.received else b"")
        for conn, deadline in list(self._handled.items()):
            if deadline > now:
                break
            # The thread that receives or sends finds the connection at its end, and comes back.
            del self._handled[conn]
            with suppress(OSError):
                conn.sock.shutdown(socket.SHUT_RDWR)

    def _on_readable(self, arriving: _Arriving, client: socket.socket) -> None:  # noqa: ARG002
        self._receive(arriving)

    def _receive(self, arriving: _Arriving) -> None:
        conn = arriving.conn
        try:
            data = conn.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._leave(arriving)
            self._close(conn)
            return
        arriving.received += data
        self._give_if_whole(arriving)

    def _give_if_whole(self, arriving: _Arriving) -> bool:
        conn = arriving.conn
        if not is_whole(arriving.received):
            self._answer_early(arriving)
            return False
        self._leave(arriving)
        conn.init()  # makes the parser, and the socket blocking, as threads want it
        conn.data_ready = True
        conn.parser.unreader.unread(bytes(arriving.received))
        self._handled[conn] = time.monotonic() + self._time_s
        super().enqueue_req(conn)
        return True

    def _answer_early(self, arriving: _Arriving) -> None:
        head, end, _ = arriving.received.partition(_HEAD_END)
        if len(head) > MOST_HEAD_BYTES:
            self._leave(arriving)
            self._close(arriving.conn, _TOO_LARGE)
        elif end and not arriving.continued and _EXPECTS.search(head):
            arriving.continued = True
            with suppress(OSError):
                arriving.conn.sock.send(_CONTINUE)

    def _leave(self, arriving: _Arriving) -> None:
        if self._arriving.pop(arriving.conn, None) is not None:
            self.poller.unregister(arriving.conn.sock)

    def _close(self, conn: TConn, last_words: bytes = b"") -> None:
        if last_words:
            with suppress(OSError):
                conn.sock.send(last_words)
        self.nr_conns -= 1
        conn.close()


def is_whole(received: bytes | bytearray) -> bool:
    """Tell whether a request has arrived, or as much of its body as is waited for.

    What makes no sense counts as whole once its head has arrived: the parser knows how to refuse it.
    """
    head, end, body = received.partition(_HEAD_END)
    if not end or len(head) > MOST_HEAD_BYTES:
        return False
    if _CHUNKED.search(head):
        return len(body) >= MOST_BODY_BYTES or bool(_LAST_CHUNK.search(body[-_CHUNK_TAIL_BYTES:]))
    length = _LENGTH.search(head)
    return length is None or len(body) >= min(int(length[1]), MOST_BODY_BYTES)
