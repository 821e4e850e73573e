"""One connection to Milvus: bounded in time, clear about what is wrong, and back by itself."""

import base64
import logging
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import grpc
import pytest

from indexer.errors import (
    ConfigError,
    EngineMismatch,
    EngineMissing,
    EngineRefused,
    EngineUnavailable,
)
from indexer.milvus.connection import Connection
from indexer.milvus.failures import clean, explain_status
from indexer.milvus.params import MilvusParams
from tests.milvus.certificates import Certificates
from tests.milvus.stand_in import StandIn, refuse, show
from tests.milvus.wire import Wire

ROOT = Path(__file__).resolve().parents[2]
#: What no wait may come near, however busy the machine is: without bounds pymilvus takes minutes.
LONG_S = 10.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"uri": "localhost:19530"}, "the address of Milvus must be"),
        ({"uri": "ftp://localhost:19530"}, "the address of Milvus must be"),
        ({"uri": "http://localhost:port"}, "the address of Milvus must be"),
        ({"uri": "http://localhost:19530/films"}, "the address of Milvus must be"),
        ({"uri": "http://"}, "the address of Milvus must be"),
        ({"uri": "http://root:s3cret@localhost:19530"}, "belong into the token"),
        ({"token": "root:two words"}, "the token for Milvus"),
        ({"token": "x" * 501}, "the token for Milvus"),
        ({"prefix": "1st"}, "the prefix for Milvus"),
        ({"prefix": "a-b"}, "the prefix for Milvus"),
        ({"database": "a b"}, "the database for Milvus"),
        ({"client_cert": Path("c.pem"), "uri": "https://h:1"}, "both the certificate and its key"),
        ({"ca_file": Path("ca.pem")}, "begins with https://"),
        ({"timeout_s": 0.0}, "the time-out for Milvus"),
        ({"timeout_s": float("nan")}, "the time-out for Milvus"),
    ],
)
def test_parameters_that_cannot_work_are_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        MilvusParams(**({"uri": "http://localhost:19530"} | wrong))  # type: ignore[arg-type]
    assert "s3cret" not in str(refused.value)
    assert "two words" not in str(refused.value)


def test_a_token_is_not_shown() -> None:
    assert "s3cret" not in repr(MilvusParams("http://localhost:19530", "root:s3cret"))


def test_parameters_load_nothing_of_milvus() -> None:
    code = "import sys, indexer.milvus.params; print([m for m in sys.modules if m in ('pymilvus', 'grpc')])"
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"


def test_the_library_leaves_the_process_alone(tmp_path: Path) -> None:
    """Of itself, pymilvus closes all handlers of logging when it is imported, and reads ``.env``."""
    program = """
import io, logging, dotenv, logging.config
class Closing(logging.StreamHandler):
    def close(self):
        self.stream.close()
        super().close()
stream = io.StringIO()
logging.getLogger().addHandler(Closing(stream))
before = dotenv.load_dotenv, logging.config.dictConfig
dotenv.main.find_dotenv = lambda *_, **__: ".env"
import indexer.milvus.library
assert not stream.closed
assert before == (dotenv.load_dotenv, logging.config.dictConfig)
import os
assert "SEGUE_OF_A_FILE" not in os.environ
logging.getLogger().warning("still heard")
assert stream.getvalue() == "still heard\\n"
"""
    (tmp_path / ".env").write_text("SEGUE_OF_A_FILE=1\n")
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_milvus_lite_answers_and_is_told_apart(milvus_lite: MilvusParams) -> None:
    connection = Connection(milvus_lite)
    assert milvus_lite.is_lite
    assert connection.call("list_collections") == []
    assert connection.call("has_collection", "films") is False
    with pytest.raises(EngineMissing, match="films"):
        connection.call("describe_collection", "films")
    with pytest.raises(EngineMissing, match="films"):
        connection.call("describe_alias", "films")
    with pytest.raises(EngineMissing, match="films"):
        connection.call("search", "films", [[1.0]])
    connection.close()
    assert connection.call("list_collections") == []
    connection.close()


def test_a_port_where_nothing_listens_is_told_at_once() -> None:
    connection = Connection(MilvusParams(f"http://127.0.0.1:{free_port()}", "root:s3cret", timeout_s=60.0))
    begun = time.monotonic()
    with pytest.raises(EngineUnavailable, match=r"^Milvus cannot be reached$"):
        connection.call("list_collections")
    assert time.monotonic() - begun < LONG_S


def test_a_server_that_never_answers_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connection = Connection(MilvusParams(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.3))
        begun = time.monotonic()
        with pytest.raises(EngineUnavailable, match=r"^Milvus did not answer within 0\.3 s$"):
            connection.call("list_collections")
        assert 0.3 <= time.monotonic() - begun < LONG_S
        # Callers that wait for the same connection to be made do not wait one after another.
        begun = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            failures = list(pool.map(lambda _: fail(connection), range(8)))
        assert {type(failure) for failure in failures} == {EngineUnavailable}
        assert time.monotonic() - begun < LONG_S


def test_calls_that_are_each_in_time_are_bounded_together() -> None:
    with StandIn() as server:
        connection = Connection(MilvusParams(server.uri, timeout_s=LONG_S))
        assert connection.call("list_collections") == ["films"]
        waited: list[bool] = []
        over = threading.Event()

        def take_long(_: grpc.ServicerContext) -> object:
            waited.append(over.wait(0.3))
            return show("films")

        server.on_list = take_long
        begun = time.monotonic()
        with (
            connection.within(0.8),
            pytest.raises(EngineUnavailable, match=r"^Milvus did not answer within "),
        ):
            for _ in range(20):
                connection.call("list_collections")
        assert time.monotonic() - begun < 20 * 0.3
        assert 1 <= len(waited) <= 3
        over.set()
        # Outside, a call has its own time again, and other threads never had less.
        assert connection.call("list_collections") == ["films"]
        with connection.within(0.0), ThreadPoolExecutor(1) as pool:
            assert pool.submit(connection.call, "list_collections").result() == ["films"]
        connection.close()


def fail(connection: Connection) -> Exception | None:
    try:
        connection.call("list_collections")
    except EngineUnavailable as error:
        return error
    return None


def test_a_connection_comes_back_by_itself() -> None:
    with StandIn() as server, Wire(server.port) as wire:
        connection = Connection(MilvusParams(wire.uri, timeout_s=0.5))
        assert connection.call("list_collections") == ["films"]
        wire.cut()
        assert fail(connection) is not None
        assert fail(connection) is not None
        wire.mend()
        assert wait_for(connection) == ["films"]
        wire.stall()
        failure = fail(connection)
        assert str(failure) == "Milvus did not answer within 0.5 s"
        wire.mend()
        assert wait_for(connection) == ["films"]
        wire.slow_down(5.0)
        assert str(fail(connection)) == "Milvus did not answer within 0.5 s"
        wire.mend()
        assert wait_for(connection) == ["films"]
        connection.close()


def wait_for(connection: Connection) -> list[str]:
    """Ask until there is an answer: a broken channel takes a moment to be made again."""
    end = time.monotonic() + LONG_S
    while time.monotonic() < end:
        if fail(connection) is None:
            return list(connection.call("list_collections"))
    pytest.fail("the connection does not come back")


def abort(code: grpc.StatusCode, context: grpc.ServicerContext) -> None:
    context.abort(code, "panic at /go/src/proxy.go:12")


def test_nothing_is_asked_twice() -> None:
    with StandIn() as server:
        connection = Connection(MilvusParams(server.uri, timeout_s=30.0))
        replies = {
            grpc.StatusCode.UNAVAILABLE: "Milvus cannot be reached",
            grpc.StatusCode.RESOURCE_EXHAUSTED: "Milvus is overloaded, or was sent too much at once",
            grpc.StatusCode.INTERNAL: "Milvus failed (internal)",
        }
        for code, words in replies.items():
            server.on_list = partial(abort, code)
            server.calls.clear()
            begun = time.monotonic()
            with pytest.raises(EngineUnavailable) as failed:
                connection.call("list_collections")
            assert str(failed.value) == words
            assert server.calls.count("ShowCollections") == 1
            assert time.monotonic() - begun < LONG_S
        server.on_list = lambda _: refuse(8, "rate limit exceeded", 49)
        server.calls.clear()
        with pytest.raises(EngineUnavailable, match=r"^Milvus limits the rate of requests$"):
            connection.call("list_collections")
        assert server.calls.count("ShowCollections") == 1
        connection.close()


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED])
def test_refused_credentials_are_named_and_not_shown(
    code: grpc.StatusCode, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with StandIn() as server, caplog.at_level(logging.DEBUG):
        server.on_list = lambda context: context.abort(code, "auth check failure, please check root:s3cret")
        connection = Connection(MilvusParams(server.uri, "root:s3cret"))
        with pytest.raises(EngineRefused) as refused:
            connection.call("list_collections")
        assert str(refused.value) == "Milvus refuses the credentials, or what they may do"
        assert server.tokens == {base64.b64encode(b"root:s3cret").decode()}
        server.on_list = lambda _: show("films")
        assert connection.call("list_collections") == ["films"]
        connection.close()
    printed = capfd.readouterr()
    assert "s3cret" not in printed.out + printed.err + caplog.text
    assert "Traceback" not in printed.out + printed.err + caplog.text


@pytest.mark.parametrize(
    ("code", "old_code", "reason", "kind", "words"),
    [
        (9, 48, "force deny", EngineUnavailable, "Milvus takes no more data: it is full, or writing is switched off"),
        (7, 54, "disk quota", EngineUnavailable, "Milvus takes no more data: it is full, or writing is switched off"),
        (3, 53, "memory", EngineUnavailable, "Milvus has too little memory"),
        (101, 1, "collection not loaded", EngineUnavailable, "Milvus has not loaded the collection"),
        (1, 56, "service not ready", EngineUnavailable, "Milvus is not ready"),
        (1, 1, "x panicked: stack trace: /go/src/a.go", EngineUnavailable, "Milvus failed: x panicked"),
        (1401, 3, "denied", EngineRefused, "Milvus refuses the credentials, or what they may do"),
        (0, 3, "denied", EngineRefused, "Milvus refuses the credentials, or what they may do"),
        (800, 1, "database not found[x]", EngineMissing, "Milvus does not hold it: database not found[x]"),
        (1100, 5, "bad name", EngineMismatch, "Milvus does not take the request: bad name"),
        (65535, 1, "field nix not exist", EngineMismatch, "Milvus does not take the request: field nix not exist"),
    ],
)  # fmt: skip
def test_what_a_reply_says_is_put_into_plain_words(
    code: int, old_code: int, reason: str, kind: type[Exception], words: str
) -> None:
    error = explain_status(code, old_code, reason)
    assert (type(error), str(error)) == (kind, words)


def test_a_reason_is_one_short_line() -> None:
    assert clean("no room\n left\n  /workspace/source/pkg/x.go:12 main") == "no room left"
    assert clean("x" * 500) == "x" * 199 + "…"


def test_threads_share_one_connection() -> None:
    with StandIn() as server:
        connection = Connection(MilvusParams(server.uri, timeout_s=30.0))
        together = threading.Barrier(8)

        def ask(_: int) -> list[str]:
            together.wait(10)
            return list(connection.call("list_collections"))

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(ask, range(8))) == [["films"]] * 8
        assert server.calls.count("Connect") == 1
        connection.close()


def test_a_failed_call_of_one_thread_leaves_those_of_others_alone() -> None:
    with StandIn() as server:
        connection = Connection(MilvusParams(server.uri, timeout_s=30.0))
        has_begun, may_end = threading.Event(), threading.Event()

        def answer(context: grpc.ServicerContext) -> object:
            if server.calls.count("ShowCollections") == 1:
                has_begun.set()
                may_end.wait(10)
                return show("late")
            return context.abort(grpc.StatusCode.UNAVAILABLE, "gone")

        server.on_list = answer
        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(connection.call, "list_collections")
            assert has_begun.wait(10)
            with pytest.raises(EngineUnavailable):
                connection.call("list_collections")
            connection.close()
            may_end.set()
            assert late.result(10) == ["late"]


def test_a_connection_made_before_a_fork_serves_both_sides() -> None:
    code = """
import os, sys
from indexer.milvus.connection import Connection
from indexer.milvus.params import MilvusParams
connection = Connection(MilvusParams(sys.argv[1], timeout_s=20.0))
child = os.fork()
names = connection.call("list_collections")
connection.close()
if child == 0:
    os._exit(0 if names == ["films"] else 1)
print(names, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    with StandIn() as server:
        printed = subprocess.run(
            [sys.executable, "-c", code, server.uri],
            cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        assert printed.stdout.strip() == "['films'] 0"
        assert server.calls.count("Connect") == 2


def serve(certificates: Certificates, asks_clients: bool = False) -> grpc.ServerCredentials:
    pair = (certificates.server_key.read_bytes(), certificates.server_cert.read_bytes())
    return grpc.ssl_server_credentials(
        [pair], certificates.ca.read_bytes() if asks_clients else None, asks_clients
    )


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def test_tls_trusts_the_named_authority_only(certificates: Certificates) -> None:
    with StandIn(serve(certificates)) as server:
        uri = f"https://127.0.0.1:{server.port}"
        right = MilvusParams(uri, "root:x", ca_file=certificates.ca, server_name="milvus.example")
        connection = Connection(right)
        assert connection.call("list_collections") == ["films"]
        connection.close()
        for wrong in (
            MilvusParams(uri, ca_file=certificates.other_ca, server_name="milvus.example"),
            MilvusParams(uri, server_name="milvus.example"),
            MilvusParams(uri, ca_file=certificates.ca),
            MilvusParams(uri, ca_file=certificates.ca, server_name="other.example"),
        ):
            with pytest.raises(EngineRefused, match="do not trust each other's certificates"):
                Connection(wrong).call("list_collections")
        assert server.calls.count("ShowCollections") == 1


def test_tls_shows_the_client_s_certificate_where_it_is_asked_for(certificates: Certificates) -> None:
    with StandIn(serve(certificates, asks_clients=True)) as server:
        uri = f"https://127.0.0.1:{server.port}"
        connection = Connection(
            MilvusParams(
                uri,
                ca_file=certificates.ca,
                client_cert=certificates.client_cert,
                client_key=certificates.client_key,
                server_name="milvus.example",
            )
        )
        assert connection.call("list_collections") == ["films"]
        connection.close()
        without = MilvusParams(uri, ca_file=certificates.ca, server_name="milvus.example")
        with pytest.raises((EngineRefused, EngineUnavailable)):
            Connection(without).call("list_collections")


def test_a_certificate_that_cannot_be_read_is_said_without_its_path(tmp_path: Path) -> None:
    connection = Connection(MilvusParams("https://127.0.0.1:1", ca_file=tmp_path / "none.pem"))
    with pytest.raises(
        EngineRefused, match=r"^a certificate or key for Milvus cannot be read \(FileNotFoundError\)$"
    ):
        connection.call("list_collections")
