"""A server of ours over Milvus, and clients that note what they get, for tests of faults."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from indexer import index_folder
from indexer import index_version as versions
from indexer.build import build
from indexer.milvus.engine import MilvusEngine
from indexer.milvus.loading import Tell
from indexer.milvus.params import MilvusParams
from indexer.milvus.publishing import Publisher
from tests.faults.server_process import Reply, ServerProcess, send, start_server
from tests.faults.small_index import SmallIndex
from tests.milvus.waiting import wait_for

#: What one call of Milvus may take in these tests, and what no answer may come near: a search makes a few calls.
TIMEOUT_S, BOUND_S = 2.0, 20.0
#: What no recovery may come near.
RECOVERY_S = 120.0


def publish(params: MilvusParams, indexes: Path, name: str, tell: Tell = lambda *_: None) -> None:
    """Publish a version as the command does."""
    engine = MilvusEngine(params)
    try:
        with index_folder.lock(indexes):
            Publisher(engine, indexes, tell).publish(name)
    finally:
        engine.close()


def build_another(small: SmallIndex, indexes: Path) -> str:
    """Build a version that differs from the published one, and give its name."""
    rows = small.tracks.read_text(encoding="utf-8").splitlines(keepends=True)
    small.tracks.write_text("".join(rows[:-3]), encoding="utf-8")
    before = set(versions.list_names(indexes))
    build(small.config(indexes))
    (name,) = set(versions.list_names(indexes)) - before
    return name


def variables(params: MilvusParams, **changes: str) -> dict[str, str]:
    """What tells a server of this Milvus, by its environment."""
    told = {
        "SEGUE_ENGINE": "milvus",
        "SEGUE_MILVUS_URI": params.uri,
        "SEGUE_MILVUS_PREFIX": params.prefix,
        "SEGUE_MILVUS_TIMEOUT_S": f"{TIMEOUT_S:g}",
        "SEGUE_POLL_S": "0.2",
        "SEGUE_FEEDBACK_URL": "off",
    }
    if params.token:
        told["SEGUE_MILVUS_TOKEN"] = params.token
    return told | changes


@contextmanager
def serve(indexes: Path, params: MilvusParams, port: int, wait: bool = True) -> Iterator[ServerProcess]:
    """Serve a folder of versions by gunicorn."""
    with start_server(indexes, port, variables(params), wait) as server:
        yield server


def search_body(turn: int) -> dict[str, Any]:
    """A search that no other turn makes, so that no cache answers it."""
    return {"target": ("movies", "tracks")[turn % 2], "text": f"rain over the city {turn}", "limit": 5}


def ask_known(ask: Callable[[str, Any], Any]) -> list[Any]:
    """The answers to some fixed searches: version, ids and scores."""
    answers = []
    for turn in range(-6, 0):
        reply = ask("/v1/search", search_body(turn))
        answers.append(
            (reply["index_version"], [(hit["id"], round(hit["score"], 4)) for hit in reply["results"]])
        )
    return answers


def known_answers(server: ServerProcess) -> list[Any]:
    """The same, of a server that may be finding its engine again: each of its workers does so by itself."""
    answers: list[Any] = []

    def ask(path: str, body: Any) -> Any:
        reply = server.ask(path, body)
        assert reply.status in (200, 503), reply.body
        if reply.status == 503:
            raise ConnectionError(check_reply(reply))
        return reply.json()

    def is_answered() -> bool:
        answers[:] = ask_known(ask)
        return True

    assert server.wait_for(is_answered, RECOVERY_S), server.ask("/readyz").body
    return answers


def check_refusal(status: int, headers: Mapping[str, str], body: Any, *secrets: str) -> str:
    """Check that this is a 503 as clients are promised one; gives what it says of the engine."""
    assert status == 503
    assert int(headers["retry-after"]) >= 1
    assert headers["content-type"].split(";")[0] == "application/problem+json"
    assert body["status"] == 503
    text = json.dumps(body) + json.dumps(dict(headers))
    for secret in (*secrets, "Traceback", "grpc", "/go/src", "127.0.0.1"):
        assert secret not in text
    (error,) = body["errors"]
    assert error["field"] == "engine"
    return str(error["message"])


def check_reply(reply: Reply, *secrets: str) -> str:
    """The same, of a reply of a server."""
    return check_refusal(reply.status, reply.headers, reply.json(), *secrets)


def wait_ready(server: ServerProcess, version: str) -> None:
    """Wait until the server is ready, with this version."""

    def is_ready() -> bool:
        reply = server.ask("/readyz")
        return reply.status == 200 and reply.json()["index_version"] == version

    assert server.wait_for(is_ready, RECOVERY_S), server.ask("/readyz").body


def wait_version(server: ServerProcess, version: str) -> None:
    """Wait until every worker answers with this version, and nothing else is wrong."""
    assert wait_for(lambda: {said for said, _ in known_answers(server)} == {version}, RECOVERY_S)


def wait_unready(server: ServerProcess, *secrets: str) -> str:
    """Wait until the server says that it is not ready, and give its reason."""
    replies: list[Reply] = []

    def is_unready() -> bool:
        replies[:] = [server.ask("/readyz")]
        return replies[0].status == 503

    assert server.wait_for(is_unready, RECOVERY_S)
    return check_reply(replies[0], *secrets)


@dataclass
class Clients:
    """Clients that search, each search another one, until told to stop; every reply is noted."""

    server: ServerProcess
    count: int = 4
    replies: list[tuple[float, Reply]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._noted = threading.Condition()
        self._turn = iter(range(10**9))
        self._threads = [threading.Thread(target=self._run) for _ in range(self.count)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, status: int, count: int = 1) -> None:
        """Wait for so many more replies of a status."""
        end = time.monotonic() + RECOVERY_S
        with self._noted:
            begun = self._tally(status)
            while self._tally(status) < begun + count:
                left_s = end - time.monotonic()
                assert left_s > 0, f"no {status} among the replies"
                self._noted.wait(left_s)

    def check(self) -> None:
        """Check that every search was answered, in time, with its results or with a proper refusal."""
        assert not self.failures
        for took_s, reply in self.replies:
            assert took_s < BOUND_S
            if reply.status != 200:
                check_reply(reply)

    def _tally(self, status: int) -> int:
        return sum(reply.status == status for _, reply in self.replies)

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._noted:
                turn = next(self._turn)
            begun = time.monotonic()
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
            try:
                reply = send(connection, "/v1/search", search_body(turn))
            except (OSError, http.client.HTTPException) as error:
                with self._noted:
                    self.failures.append(f"{type(error).__name__}: {error}")
                continue
            finally:
                connection.close()
            with self._noted:
                self.replies.append((time.monotonic() - begun, reply))
                self._noted.notify_all()
