"""The real server as a process of its own: swaps, stops, restarts of workers, and clients that are slow."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from indexer.index_folder import current_name, lock
from indexer.publication import publish
from server.benchmarks.gunicorn_process import GUNICORN, SERVER
from server.buffering_worker import MOST_BODY_BYTES, MOST_HEAD_BYTES, is_whole

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 120.0
SEARCH = json.dumps({"target": "movies", "text": "rain", "limit": 3})
JSON = {"Content-Type": "application/json"}


class Server:
    """A server under test, started and ended by ``serving``."""

    def __init__(self, process: subprocess.Popen[str], port: int, log: list[str]) -> None:
        self.process = process
        self.port = port
        self.log = log

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    def ask(self) -> tuple[int, str]:
        """Search on a connection of its own: status and the version that answered."""
        connection = self.connect()
        try:
            return ask(connection)
        finally:
            connection.close()


@contextmanager
def serving(indexes: Path, **settings: str) -> Iterator[Server]:
    """Run a server over ``indexes`` on a free port; it accepts once its version is open."""
    environ = {**os.environ, "SEGUE_INDEXES": str(indexes), "HOST": "127.0.0.1", "PORT": "0"}
    environ |= {"SEGUE_POLL_S": "0.1", "SEGUE_STOP_TIMEOUT_S": "60", "SEGUE_LOG_FORMAT": "text", **settings}
    with subprocess.Popen(
        [*GUNICORN, SERVER], cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        log: list[str] = []
        try:
            port = 0
            for line in process.stderr:
                log.append(line)
                if found := re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", line):
                    port = int(found[1])
                    break
            assert port, "".join(log)
            reader = threading.Thread(target=log.extend, args=(process.stderr,))
            reader.start()
            try:
                yield Server(process, port, log)
                process.send_signal(signal.SIGTERM)
                process.wait(PATIENCE_S)
            finally:
                process.kill()
                reader.join(PATIENCE_S)
        finally:
            process.kill()


def ask(connection: http.client.HTTPConnection) -> tuple[int, str]:
    connection.request("POST", "/v1/search", SEARCH, JSON)
    reply = connection.getresponse()
    told = json.loads(reply.read())
    assert reply.status != 200 or len(told["results"]) == 3
    return reply.status, told.get("index_version", "")


class Clients:
    """Threads that search without a pause until told to end, or refused a connection."""

    def __init__(self, server: Server, keep_alive: list[bool]) -> None:
        self.replies: list[list[tuple[int, str]]] = [[] for _ in keep_alive]
        self.failures: list[str] = []
        self._server = server
        self._ended = threading.Event()
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._run, args=(replies, keep))
            for replies, keep in zip(self.replies, keep_alive, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def wait_for(self, holds: Callable[[list[tuple[int, str]]], bool]) -> None:
        """Wait until it holds for the replies of every client."""
        with self._changed:
            done = self._changed.wait_for(
                lambda: bool(self.failures) or all(holds(replies) for replies in self.replies), PATIENCE_S
            )
        assert self.failures == []
        assert done

    def end(self) -> None:
        self._ended.set()
        self.join()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()

    def _run(self, replies: list[tuple[int, str]], keep_alive: bool) -> None:
        connection = self._server.connect()
        try:
            while not self._ended.is_set():
                if connection.sock is None:
                    try:
                        connection.connect()
                    except ConnectionError:
                        return
                reply = ask(connection)
                if not keep_alive:
                    connection.close()
                with self._changed:
                    replies.append(reply)
                    self._changed.notify_all()
        except Exception as error:  # noqa: BLE001  whatever a client meets is a failure of the server
            with self._changed:
                self.failures.append(f"{error!r} after {len(replies)} replies")
                self._changed.notify_all()
        finally:
            connection.close()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_published_version_is_served_without_a_failed_request_and_a_stop_loses_none(indexes, workers):
    first = current_name(indexes)
    shutil.copytree(indexes / first, indexes / "second")
    keep_alive = [True, True, False, False]
    with serving(indexes, SEGUE_WORKERS=workers) as server:
        clients = Clients(server, keep_alive)
        clients.wait_for(lambda replies: len(replies) >= 3)
        with lock(indexes):
            publish(indexes, "second")
        clients.wait_for(lambda replies: replies[-1] == (200, "second"))
        before = [len(replies) for replies in clients.replies]
        clients.wait_for(lambda replies: len(replies) >= max(before) + 3)
        server.process.send_signal(signal.SIGTERM)
        clients.join()
        assert server.process.wait(PATIENCE_S) == 0
    assert clients.failures == []
    for replies, kept in zip(clients.replies, keep_alive, strict=True):
        versions = [version for _, version in replies]
        assert {status for status, _ in replies} == {200}
        assert versions[0] == first
        assert versions[-1] == "second"
        # Workers notice a publication one after the other, and a fresh connection goes to either of them.
        if not kept and workers != "1":
            assert set(versions) == {first, "second"}
            continue
        swapped = versions.index("second")
        assert versions == [first] * swapped + ["second"] * (len(versions) - swapped)


def test_workers_that_are_replaced_lose_no_request(starter_indexes):
    with serving(starter_indexes, SEGUE_WORKERS="2", SEGUE_MAX_REQUESTS="40") as server:
        clients = Clients(server, [True, False, False])
        clients.wait_for(lambda replies: len(replies) >= 60)
        clients.end()
    assert clients.failures == []
    assert {status for replies in clients.replies for status, _ in replies} == {200}
    assert sum("Booting worker" in line for line in server.log) > 2
    assert not [line for line in server.log if "SIGABRT" in line or "terminate called" in line]


def test_clients_that_send_slowly_hold_no_thread(starter_indexes):
    body = SEARCH.encode()
    head = b"POST /v1/search HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    whole = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with serving(starter_indexes, SEGUE_THREADS="2") as server:
        assert server.ask()[0] == 200
        slow = [socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) for _ in range(20)]
        # Half of them are slow in the head, half in the body.
        starts = [20 if number % 2 else len(whole) - 20 for number in range(20)]
        for client, start in zip(slow, starts, strict=True):
            client.sendall(whole[:start])
        for turn in range(6):
            for client, start in zip(slow, starts, strict=True):
                client.sendall(whole[start + turn : start + turn + 1])
            assert server.ask()[0] == 200
        for client, start in zip(slow, starts, strict=True):
            client.sendall(whole[start + 6 :])
        for client in slow:
            reply = http.client.HTTPResponse(client)
            reply.begin()
            assert (reply.status, len(json.loads(reply.read())["results"])) == (200, 3)
            reply.close()
            client.close()


def test_a_request_that_takes_too_long_to_arrive_is_cut_off(starter_indexes):
    limits = {"SEGUE_REQUEST_TIMEOUT_S": "5", "SEGUE_MAX_BODY_BYTES": "1000000", "SEGUE_THREADS": "1"}
    head = b"POST /v1/search HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    with serving(starter_indexes, **limits) as server, socket.socket() as in_head, socket.socket() as in_body:
        for client in (in_head, in_body):
            client.settimeout(PATIENCE_S)
            client.connect(("127.0.0.1", server.port))
        in_head.sendall(head)
        # The one thread begins to read this body, and waits for its end.
        in_body.sendall(head + b"Content-Length: 999999\r\n\r\n" + b" " * MOST_BODY_BYTES)
        assert in_head.recv(65536).startswith(b"HTTP/1.1 408 ")
        assert in_head.recv(65536) == b""
        while in_body.recv(65536):
            pass
        assert server.ask()[0] == 200


def test_two_requests_in_one_packet_and_one_in_chunks_are_answered(starter_indexes):
    with serving(starter_indexes) as server:
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
            received = b""
            while received.count(b'{"status":"ok"}') < 2:
                received += client.recv(65536) or pytest.fail(received.decode())
            client.sendall(b"GET /healthz HTTP/1.1\r\nX: " + b"a" * (MOST_HEAD_BYTES + 1))
            assert client.recv(65536).startswith(b"HTTP/1.1 431 ")
        connection = server.connect()
        connection.request("POST", "/v1/search", iter([SEARCH.encode()]), JSON, encode_chunked=True)
        reply = connection.getresponse()
        assert (reply.status, len(json.loads(reply.read())["results"])) == (200, 3)
        connection.close()
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as client:
            client.sendall(
                b"POST /v1/search HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
                b"Content-Length: %d\r\n\r\n" % len(SEARCH)
            )
            assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(SEARCH.encode())
            received = b""
            while b"HTTP/1.1 200 OK" not in received:
                received += client.recv(65536) or pytest.fail(received.decode())


@pytest.mark.parametrize(
    ("received", "whole"),
    [
        (b"", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", False),
        (b"POST / HTTP/1.1\r\ncontent-length:3\r\nHost: a\r\n\r\nabc", True),
        (b"POST / HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n" + b"a" * (MOST_BODY_BYTES - 1), False),
        (b"POST / HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n" + b"a" * MOST_BODY_BYTES, True),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", False),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n\r\n", False),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n", True),
    ],
)
def test_a_request_is_whole_once_its_body_is_there(received, whole):
    assert is_whole(bytearray(received)) is whole
