"""A host on the loopback interface that misbehaves as told, and a policy that lets tests reach it."""

from __future__ import annotations

import io
import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from ipaddress import ip_address

from PIL import Image

from indexer.fetching.addresses import HostPolicy
from indexer.fetching.download import Limits

#: Gives the connection's raw bytes of a reply; None closes without one.
Behaviour = Callable[["StandIn"], Iterator[bytes] | bytes | None]


class StandIn(socketserver.ThreadingTCPServer):
    """Answers ``routes[path]``; a list is worked through, its last entry stays. Counts what is asked for."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, tls=None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tls = tls
        self.routes: dict[str, Behaviour | list[Behaviour]] = {}
        self.asked: Counter[str] = Counter()
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.connections = 0
        self.over = threading.Event()
        self.seen = threading.Condition()

    @property
    def origin(self) -> str:
        return f"{'https' if self.tls else 'http'}://pictures.test:{self.server_address[1]}"

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes):
        with self.seen:
            self.asked[path] += 1
            self.requests.append((method, path, headers, body))
            self.seen.notify_all()
            behaviour = self.routes.get(path, reply(b"", 404))
            if isinstance(behaviour, list):
                behaviour = behaviour.pop(0) if len(behaviour) > 1 else behaviour[0]
        return behaviour(self)

    def wait_for_requests(self, count: int) -> None:
        with self.seen:
            assert self.seen.wait_for(lambda: len(self.requests) >= count, timeout=30)

    def handle_error(self, request, client_address) -> None:
        pass  # clients that cut the connection are what these tests are about


class _Handler(socketserver.StreamRequestHandler):
    server: StandIn

    def setup(self) -> None:
        if self.server.tls:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()
        with self.server.seen:
            self.server.connections += 1

    def finish(self) -> None:
        super().finish()
        if self.server.tls:
            self.request.close()  # the server closes the socket beneath, which is empty by now

    def handle(self) -> None:
        while line := self.rfile.readline():
            method, path, _ = line.decode("latin-1").split(" ", 2)
            headers = {}
            while (line := self.rfile.readline().decode("latin-1").strip()) != "":
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = self.rfile.read(int(headers.get("content-length", "0")))
            answer = self.server.answer(method, path, headers, body)
            if answer is None:
                return
            if isinstance(answer, bytes):
                self.wfile.write(answer)
                continue
            for part in answer:
                self.wfile.write(part)
                self.wfile.flush()
            return


def head(status: int = 200, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def reply(body: bytes, status: int = 200, content_type: str = "image/jpeg", **headers: str) -> Behaviour:
    """A well-formed reply, whatever is in it."""
    length = {} if "Content_Length" in headers else {"Content_Length": str(len(body))}
    return lambda _: head(status, Content_Type=content_type, **length, **headers) + body


def close_at_once(_: StandIn) -> None:
    return None


def drip(before: bytes, after: bytes, pause_s: float = 0.05) -> Behaviour:
    """Send ``before`` at once and ``after`` byte by byte, far too slowly."""

    def parts(stand_in: StandIn) -> Iterator[bytes]:
        yield before
        for at in range(len(after)):
            if stand_in.over.wait(pause_s):
                return
            yield after[at : at + 1]

    return parts


def make_picture(number: int = 0, size: tuple[int, int] = (60, 90), format: str = "JPEG") -> bytes:
    """A picture that no other number gives."""
    picture = Image.new("RGB", size, (number % 256, number // 256 % 256, 120))
    file = io.BytesIO()
    picture.save(file, format)
    return file.getvalue()


def policy_for(*origins: str) -> HostPolicy:
    """Allows the loopback address, which no option of the program does, and knows where pictures.test is."""
    return HostPolicy(
        frozenset(origins),
        permits=lambda address: address == ip_address("127.0.0.1"),
        resolve=lambda host, port, timeout_s: ["127.0.0.1"],
    )


#: Back-off without waiting; whole downloads end soon, reads alone would wait for long.
QUICK = Limits(attempts=3, connect_s=5, read_s=10, whole_s=10, backoff_s=0.0, pause_most_s=1.0)
