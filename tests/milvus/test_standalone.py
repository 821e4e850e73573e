"""The standalone server for developing: what ``scripts/milvus_dev`` does, with and without the server installed."""

import json
import os
import socket
import stat
from pathlib import Path

import pytest

from indexer.errors import EngineRefused
from indexer.milvus.connection import Connection
from tests.milvus.__main__ import main
from tests.milvus.standalone import Standalone
from tests.milvus.standalone_files import StandaloneError, choose_ports, is_free


def test_nothing_runs_in_an_empty_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--folder", str(tmp_path / "none")]) == 3
    assert capsys.readouterr().out == f"no server runs in {tmp_path / 'none'}\n"
    assert main(["stop", "--folder", str(tmp_path / "none")]) == 0
    assert not (tmp_path / "none").exists()


def test_a_missing_package_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for action in ("start", "test"):
        assert main([action, "--folder", str(tmp_path), "--environment", str(tmp_path / "venv")]) == 1
        printed = capsys.readouterr()
        assert printed.err == f"segue: the package milvus is not installed in {tmp_path / 'venv'}\n"


def test_a_number_that_another_process_has_by_now_is_no_server(tmp_path: Path) -> None:
    state = {"group": os.getpid(), "started_ticks": 1, "ports": {"proxy": 1}}
    (tmp_path / "server.json").write_text(json.dumps(state), encoding="utf-8")
    server = Standalone(tmp_path, tmp_path)
    assert not server.is_running
    server.kill()
    server.stop()
    with pytest.raises(StandaloneError, match="does not run"):
        _ = server.group


def test_a_taken_port_is_refused_and_others_are_replaced() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(StandaloneError, match=f"port {port} is taken"):
            choose_ports({"proxy": port})
        chosen = choose_ports({"etcd": port})
    assert chosen["etcd"] != port
    assert len(set(chosen.values())) == len(chosen)
    assert choose_ports(chosen) == chosen


def test_from_start_to_stop(
    milvus_environment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ["--folder", str(tmp_path / "dev"), "--environment", str(milvus_environment)]
    server = Standalone(tmp_path / "dev", milvus_environment)
    try:
        assert main(["start", *told]) == 0
        group, port = server.group, server.port
        assert main(["start", *told]) == 0
        assert (server.group, server.port) == (group, port)
        assert main(["status", *told]) == 0
        assert f"answers at http://127.0.0.1:{port}" in capsys.readouterr().out

        password = tmp_path / "dev" / "password"
        assert stat.S_IMODE(password.stat().st_mode) == 0o600
        for token in ("root:Milvus", ""):
            with pytest.raises(EngineRefused):
                Connection(server.params(token=token)).call("list_collections")
        assert Connection(server.params()).call("list_collections") == []

        server.kill()
        assert main(["status", *told]) == 3
        assert main(["start", *told]) == 0
        assert (server.group == group, server.port) == (False, port)
        assert main(["stop", *told]) == 0
        assert is_free(port)
        assert not server.is_running
        password.unlink()
        with pytest.raises(StandaloneError, match="holds data but no password"):
            server.start()
    finally:
        server.kill()
