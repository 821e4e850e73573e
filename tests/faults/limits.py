"""Too much, too many, too far and too slow: refused, while other clients are answered as ever."""

from __future__ import annotations

import json
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from server.benchmarks.gunicorn_process import HOST
from server.settings import MAX_IDS, MAX_LIMIT, MAX_OFFSET, MAX_TEXT, Settings
from tests.faults.server_process import Load, ServerProcess, percentile_ms, start_server
from tests.faults.small_index import start_warm
from tests.faults.verdict import Verdict
from tests.faults.workload import mixed_requests

CLAIM = "too much is a 413 or 422, a slow client does not slow down others"
#: A server that answers a client among slow ones within this many times its usual time is not held up.
_SLOWER = 2.0
#: Below this a difference is the machine's.
_NOISE_MS = 20.0


def run_limits(source: Path | None, port: int, seconds: float, slow_clients: int) -> Verdict:
    """Send what is over the limits, then keep ``slow_clients`` of each kind for ``seconds`` beside a usual load."""
    verdict = Verdict("limits", CLAIM)
    with tempfile.TemporaryDirectory() as made, ExitStack() as started:
        indexes = source or start_warm(Path(made)).indexes
        server = started.enter_context(start_server(indexes, port))
        for about, path, body, statuses in _excesses():
            reply = server.ask(path, body)
            verdict.count("refusals asked for")
            right = reply.status in statuses and reply.json()["status"] == reply.status
            verdict.expect(right, f"{about}: {reply.status} {reply.body[:120]!r}")
        _send_chunked(verdict, server)
        requests = mixed_requests(indexes)
        server.ask(*requests[0])
        for kind in (None, *_SLOW):
            with ExitStack() as open_sockets, Load(server, requests, clients=2) as load:
                if kind is not None:
                    send = _SLOW[kind]
                    sockets = [
                        open_sockets.enter_context(_connected(server.port)) for _ in range(slow_clients)
                    ]
                    _drip(sockets, send, seconds)
                else:
                    time.sleep(seconds)
            name = kind or "nobody slow"
            times = [took for _, took in load.seconds]
            verdict.count("requests beside them", len(times))
            p99_ms = percentile_ms(times, 0.99)
            verdict.figures[f"p99 ms, {name}"] = round(p99_ms, 1)
            verdict.expect(
                not load.failures, f"{name}: {len(load.failures)} failed, first {load.failures[:1]}"
            )
            usual_ms = verdict.figures["p99 ms, nobody slow"]
            held = p99_ms <= max(_SLOWER * usual_ms, usual_ms + _NOISE_MS)
            verdict.expect(
                held, f"{name}: p99 {p99_ms:.0f} ms instead of {usual_ms:.0f}; {len(times)} answered"
            )
    return verdict.finish()


def _excesses() -> Iterator[tuple[str, str, Any, tuple[int, ...]]]:
    most = Settings().max_body_bytes
    search = "/v1/search"
    body: dict[str, Any] = {"target": "movies", "text": "rain"}
    padded = json.dumps(body).encode()
    yield "a body over the limit", search, padded + b" " * (most + 1 - len(padded)), (413,)
    yield "a megabyte", search, b" " * 2**20, (413,)
    yield "10,000 ids", search, {"target": "movies", "tracks": ["a"] * 10_000}, (422,)
    yield "ids over the limit", search, {"target": "movies", "tracks": ["a"] * (MAX_IDS + 1)}, (422,)
    yield "a long text", search, body | {"text": "a" * (MAX_TEXT + 1)}, (422,)
    for limit in (MAX_LIMIT + 1, 10**30, 0, -1):
        yield f"limit {limit}", search, body | {"limit": limit}, (422,)
        yield f"limit {limit} in the address", f"/v1/movies?q=rain&limit={limit}", None, (422,)
    for offset in (MAX_OFFSET + 1, 10**30, -1):
        yield f"offset {offset}", search, body | {"offset": offset}, (422,)
    yield "deep JSON", search, b'{"target":' + b"[" * 30_000 + b"]" * 30_000 + b"}", (400, 422)
    yield (
        "a number of 60,000 digits",
        search,
        b'{"target":"movies","limit":' + b"9" * 60_000 + b"}",
        (400, 422),
    )


def _send_chunked(verdict: Verdict, server: ServerProcess) -> None:
    most = Settings().max_body_bytes
    with _connected(server.port) as stream:
        stream.sendall(
            b"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        try:
            for _ in range(most // 1024 + 8):
                stream.sendall(b"400\r\n" + b" " * 1024 + b"\r\n")
            stream.sendall(b"0\r\n\r\n")
        except OSError:
            pass  # refused before all of it was sent
        try:
            status = stream.recv(64)
        except OSError:
            status = b"closed"
    verdict.count("refusals asked for")
    verdict.expect(status.startswith(b"HTTP/1.1 413"), f"a body in chunks over the limit: {status!r}")


@contextmanager
def _connected(port: int) -> Iterator[socket.socket]:
    with socket.socket() as stream:
        # Small, so that a reply that is not read fills what lies between.
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stream.settimeout(5)
        stream.connect((HOST, port))
        yield stream


#: What a slow client sends at second 0, 1, 2 …
Slow = Callable[[int], bytes]

_HEAD = (
    b"POST /v1/search HTTP/1.1\r\nHost: slow\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n"
)
_GREEDY = (
    b"POST /v1/search HTTP/1.1\r\nHost: slow\r\nContent-Type: application/json\r\nContent-Length: 59\r\n\r\n"
    b'{"target":"tracks","text":"a","limit":1000,"explain":false}'
)

_SLOW: dict[str, Slow] = {
    "one byte of the headers a second": lambda second: _HEAD[second : second + 1],
    "half the headers": lambda second: _HEAD if second == 0 else b"",
    "one byte of the body a second": lambda second: _HEAD + b"\r\n{" if second == 0 else b" ",
    "never reading the reply": lambda second: _GREEDY if second == 0 else b"",
}


def _drip(sockets: list[socket.socket], send: Slow, seconds: float) -> None:
    end = time.monotonic() + seconds
    second = 0
    while time.monotonic() < end:
        for stream in sockets:
            try:
                stream.sendall(send(second))
            except OSError:
                continue  # the server had enough, as it may
        second += 1
        time.sleep(max(0.0, min(1.0, end - time.monotonic())))
