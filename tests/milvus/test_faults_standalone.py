"""What happens to our server, and to what is being published, when the standalone server itself is harmed.

Killed under load, frozen, full, its password changed, killed in the middle of a publication; and TLS. The servers of
ours are gunicorn's, with two workers, and none of them is started anew.
"""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer import index_folder
from indexer.errors import EngineError, EngineRefused, EngineUnavailable
from indexer.milvus import loading
from indexer.milvus.connection import Connection
from indexer.milvus.engine import MilvusEngine
from indexer.milvus.params import MilvusParams
from indexer.milvus.publishing import Publisher
from tests.faults.server_process import ServerProcess
from tests.faults.small_index import SmallIndex
from tests.milvus.certificates import Certificates
from tests.milvus.serving import (
    RECOVERY_S,
    Clients,
    build_another,
    known_answers,
    publish,
    serve,
    wait_ready,
    wait_unready,
    wait_version,
)
from tests.milvus.standalone import Standalone
from tests.milvus.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def engine(milvus_environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """A standalone server to be harmed; each test leaves it running and whole."""
    standalone = Standalone(tmp_path_factory.mktemp("harmed"), milvus_environment)
    try:
        standalone.start()
        yield standalone
    finally:
        standalone.stop()


@pytest.fixture
def params(engine: Standalone, request: pytest.FixtureRequest) -> MilvusParams:
    return engine.params(prefix=re.sub(r"\W", "_", request.node.name), timeout_s=20.0)


@pytest.fixture
def first(small: SmallIndex, params: MilvusParams) -> str:
    """The version that is published."""
    name = index_folder.current_name(small.indexes)
    publish(params, small.indexes, name)
    return name


@pytest.fixture
def server(small: SmallIndex, params: MilvusParams, first: str) -> Iterator[ServerProcess]:
    with serve(small.indexes, params, free_port()) as running:
        wait_version(running, first)
        yield running


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_killed_under_load(
    engine: Standalone, server: ServerProcess, small: SmallIndex, params: MilvusParams, first: str
) -> None:
    before, pids = known_answers(server), server.pids()
    with Clients(server) as clients:
        clients.wait_for(200, 20)
        engine.kill()
        clients.wait_for(503, 20)
        assert wait_unready(server, engine.token) == "Milvus cannot be reached"
        engine.start()
        clients.wait_for(200, 20)
    clients.check()
    wait_ready(server, first)
    assert known_answers(server) == before
    assert server.pids() == pids
    # A server that is started only now finds the same: nothing of the publication was lost with the process.
    with serve(small.indexes, params, free_port()) as fresh:
        assert known_answers(fresh) == before


def test_frozen_and_thawed(engine: Standalone, server: ServerProcess, first: str) -> None:
    before, pids = known_answers(server), server.pids()
    with Clients(server) as clients:
        clients.wait_for(200, 20)
        engine.freeze()
        try:
            clients.wait_for(503, 4)
            assert "Milvus" in wait_unready(server, engine.token)
        finally:
            engine.thaw()
        clients.wait_for(200, 20)
    clients.check()
    wait_ready(server, first)
    assert known_answers(server) == before
    assert server.pids() == pids


@pytest.mark.parametrize(
    "limit",
    [
        {"quotaAndLimits.limitWriting.forceDeny": True},
        {"quotaAndLimits.limitWriting.diskProtection.diskQuota": 0.001},
    ],
    ids=["writing_off", "disk_quota"],
)
def test_full(
    limit: dict[str, object],
    engine: Standalone,
    server: ServerProcess,
    small: SmallIndex,
    params: MilvusParams,
    first: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loading, "PAUSES_S", (0.1,))
    before = known_answers(server)
    second = build_another(small, small.indexes)
    probe = Probe(engine)
    engine.change(limit)
    try:
        assert wait_for(lambda: not probe.can_write(), RECOVERY_S)
        with pytest.raises(EngineUnavailable, match="takes no more data"):
            publish(params, small.indexes, second)
        assert served(params, small.indexes) == first
        assert known_answers(server) == before
        wait_ready(server, first)
    finally:
        engine.change({name: _unlimited(name) for name in limit})
    assert wait_for(probe.can_write, RECOVERY_S)
    publish(params, small.indexes, second)
    wait_version(server, second)


def _unlimited(name: str) -> object:
    return False if name.endswith("forceDeny") else -1


class Probe:
    """Writes a row now and then, to see whether the engine takes any."""

    def __init__(self, engine: Standalone) -> None:
        self._connection = Connection(engine.params(timeout_s=20.0))
        if not self._connection.call("has_collection", "probe"):
            self._connection.call("create_collection", "probe", dimension=2)

    def can_write(self) -> bool:
        try:
            self._connection.call("upsert", "probe", [{"id": 1, "vector": [0.0, 1.0]}])
        except EngineUnavailable:
            return False
        return True


def test_its_password_is_changed_and_changed_back(
    engine: Standalone, server: ServerProcess, first: str
) -> None:
    pids = server.pids()
    password = engine.token.removeprefix("root:")
    set_password(engine, password, "another-password")
    try:
        assert wait_unready(server, password, "another-password").startswith("Milvus refuses the credentials")
    finally:
        set_password(engine, "another-password", password)
    wait_ready(server, first)
    known_answers(server)
    assert server.pids() == pids


def set_password(engine: Standalone, old: str, new: str) -> None:
    connection = Connection(engine.params(token=f"root:{old}", timeout_s=20.0))
    connection.call("update_password", "root", old, new)
    connection.close()


def test_wrong_credentials_change_nothing(
    engine: Standalone, small: SmallIndex, params: MilvusParams, first: str
) -> None:
    wrong = engine.params(token="root:Milvus", prefix=params.prefix)
    with pytest.raises(EngineRefused, match="refuses the credentials"):
        publish(wrong, small.indexes, first)
    with serve(small.indexes, wrong, free_port(), wait=False) as refused:
        assert wait_unready(refused, "root:Milvus").startswith("Milvus refuses the credentials")
    assert served(params, small.indexes) == first


def test_killed_in_the_middle_of_a_publication(
    engine: Standalone,
    server: ServerProcess,
    small: SmallIndex,
    params: MilvusParams,
    first: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loading, "PAUSES_S", (0.1,))
    monkeypatch.setattr(loading, "BATCH_BYTES", 1)  # a row at a time
    before, second = known_answers(server), build_another(small, small.indexes)
    loaded: list[tuple[str, int]] = []

    def kill(stage: str, done: int, of: int) -> None:
        loaded.append((stage, done))
        if stage == "loading movies" and done == of // 2:
            engine.kill()

    with pytest.raises(EngineUnavailable):
        publish(params, small.indexes, second, kill)
    stopped_at = loaded[-1][1]
    assert stopped_at > 0
    engine.start()
    wait_ready(server, first)
    assert served(params, small.indexes) == first
    assert states(params, small.indexes) == {first: True, second: False}
    assert known_answers(server) == before

    resumed: list[tuple[str, int]] = []
    publish(params, small.indexes, second, lambda stage, done, _: resumed.append((stage, done)))
    begun = next(done for stage, done in resumed if stage == "loading movies")
    assert 0 < begun <= stopped_at
    assert states(params, small.indexes) == {first: True, second: True}
    wait_version(server, second)


def test_a_publication_that_is_killed_is_resumed(
    server: ServerProcess, small: SmallIndex, params: MilvusParams, first: str, engine: Standalone
) -> None:
    before, second = known_answers(server), build_another(small, small.indexes)
    code = """
import os, signal, sys
from pathlib import Path
from indexer.milvus import loading
from indexer.milvus.params import MilvusParams
from tests.milvus.serving import publish
loading.BATCH_BYTES = 1
def kill(stage, done, of):
    if stage == "loading tracks" and done == of // 2:
        os.kill(os.getpid(), signal.SIGKILL)
uri, prefix, indexes, name = sys.argv[1:]
publish(MilvusParams(uri, os.environ["TOKEN"], prefix=prefix, timeout_s=20.0), Path(indexes), name, kill)
"""
    killed = subprocess.run(
        [sys.executable, "-c", code, params.uri, params.prefix, str(small.indexes), second],
        cwd=ROOT,
        env=os.environ | {"TOKEN": params.token},
        check=False,
        timeout=RECOVERY_S,
    )
    assert killed.returncode == -signal.SIGKILL
    assert served(params, small.indexes) == first
    assert known_answers(server) == before
    publish(params, small.indexes, second)
    wait_version(server, second)


def served(params: MilvusParams, indexes: Path) -> str:
    engine = MilvusEngine(params)
    try:
        return engine.current_name(indexes)
    finally:
        engine.close()


def states(params: MilvusParams, indexes: Path) -> dict[str, bool]:
    engine = MilvusEngine(params)
    try:
        return Publisher(engine, indexes).states()
    finally:
        engine.close()


def test_tls_by_the_standalone_server_itself(milvus_environment: Path, tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    standalone = Standalone(tmp_path / "milvus", milvus_environment)
    try:
        standalone.start()  # which sets the password
        for mode, asks_clients in ((1, False), (2, True)):
            standalone.stop()
            standalone.change(
                {
                    "common.security.tlsMode": mode,
                    "tls.serverPemPath": str(certificates.server_cert),
                    "tls.serverKeyPath": str(certificates.server_key),
                    "tls.caPemPath": str(certificates.ca),
                }
            )
            standalone.start()
            uri = standalone.uri.replace("http://", "https://")
            right = {"uri": uri, "ca_file": certificates.ca, "server_name": certificates.server_name}
            if asks_clients:
                with pytest.raises(EngineError):
                    Connection(standalone.params(**right)).call("list_collections")
                right |= {"client_cert": certificates.client_cert, "client_key": certificates.client_key}
            assert Connection(standalone.params(**right)).call("list_collections") == []
            for wrong in ({"ca_file": certificates.other_ca}, {"server_name": "other.example"}):
                with pytest.raises(EngineRefused, match="do not trust each other's certificates"):
                    Connection(standalone.params(**(right | wrong))).call("list_collections")
            with pytest.raises(EngineRefused, match="refuses the credentials"):
                Connection(standalone.params(**right, token="root:Milvus")).call("list_collections")
            with pytest.raises(EngineUnavailable):
                Connection(standalone.params()).call("list_collections")
    finally:
        standalone.stop()
