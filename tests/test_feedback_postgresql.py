"""Feedback in a real PostgreSQL server, started for these tests where one is installed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from indexer.errors import FeedbackUnavailable
from indexer.feedback_database import read_database
from server.app import create_app
from server.feedback_store import FeedbackStore
from server.settings import Settings
from tests.test_feedback_store import UP, Clock, write_from_processes

PATIENCE_S = 60.0


class Cluster:
    """A PostgreSQL server of its own, listening on loopback only."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._data = folder / "data"
        self._log = folder / "log"
        # PostgreSQL refuses to run as root.
        self._as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        if os.geteuid() != 0:
            self._as_user = []
        else:
            shutil.chown(folder, "postgres")
            folder.chmod(0o700)
        self._run("initdb", "-D", self._data, "-U", "segue", "-A", "trust", "--no-sync", "-E", "UTF8")
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port = free.getsockname()[1]
        self.url = f"postgresql+psycopg://segue@127.0.0.1:{self.port}/postgres"

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [*self._as_user, str(self._programs / program), *map(str, arguments)]
        # Files and not pipes: a server that was started would hold a pipe open.
        with self._log.with_name(f"{program}.out").open("w", encoding="utf-8") as out:
            subprocess.run(
                command, stdout=out, stderr=out, cwd=self._data.parent, check=True, timeout=PATIENCE_S
            )

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", self._log, "-o", options)

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", self._data)

    def signal(self, number: signal.Signals) -> None:
        """Signal the process that answers connections."""
        os.kill(int((self._data / "postmaster.pid").read_text(encoding="ascii").split()[0]), number)


def find_programs() -> Path | None:
    """The folder of initdb and pg_ctl: Debian keeps it off the path, newest last."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    on_path = shutil.which("initdb")
    folders += [Path(on_path).resolve().parent] if on_path else []
    return next((f for f in reversed(folders) if (f / "initdb").exists() and (f / "pg_ctl").exists()), None)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL's initdb is not installed (Debian: the package postgresql)")
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed (requirements-postgresql.txt)")
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("PostgreSQL does not run as root, and setpriv is missing to become another user")
    import tempfile

    # Not pytest's folder: that one is closed to the user that PostgreSQL runs as.
    with tempfile.TemporaryDirectory(prefix="segue-pg-") as folder:
        made = Cluster(programs, Path(folder))
        made.start()
        try:
            yield made
        finally:
            made.stop()


def clear(cluster: Cluster) -> None:
    import psycopg

    with psycopg.connect(f"host=127.0.0.1 port={cluster.port} user=segue dbname=postgres") as connection:
        connection.execute("DROP TABLE IF EXISTS segue_feedback")


def test_feedback_is_kept_replaced_taken_back_and_counted(cluster, search):
    clear(cluster)
    client = create_app(Settings(feedback_url=cluster.url), search).test_client()
    query = {"target": "movies", "text": "rain \u0000 \U0001f327"}
    answer: Any = client.post("/v1/search", json=query).get_json()
    body = {
        "kind": "verdict",
        "key": "k",
        "verdict": "up",
        "query": query,
        "target": "movies",
        "id": answer["results"][0]["id"],
        "rank": 1,
        "index_version": answer["index_version"],
    }
    counts = []
    for said in ("up", "up", "down", "none"):
        assert client.post("/v1/feedback", json={**body, "verdict": said}).status_code == 200
        counts.append(client.get("/v1/feedback/tally").get_json()["verdicts"])
    assert counts == [{"up": 1, "down": 0}, {"up": 1, "down": 0}, {"up": 0, "down": 1}, {"up": 0, "down": 0}]
    client.post("/v1/feedback", json=body)
    [kept] = read_database(cluster.url)
    assert kept.query == '{"text": "rain \\u0000 \\ud83c\\udf27"}'


def test_several_processes_make_one_table_and_lose_nothing(cluster):
    clear(cluster)
    write_from_processes(cluster.url, 3)
    expected = [f"{name} {number}" for name in ("all", "w0", "w1", "w2") for number in range(15)]
    assert sorted(one.id for one in read_database(cluster.url)) == sorted(expected)


def test_a_server_that_went_away_is_trouble_and_is_found_again(cluster):
    clear(cluster)
    clock = Clock()
    store = FeedbackStore(cluster.url, wait_s=PATIENCE_S, clock=clock)
    store.put("a", UP)
    cluster.stop()
    try:
        with pytest.raises(FeedbackUnavailable):
            store.put("b", UP)
    finally:
        cluster.start()
    clock.now_s += 5.0
    store.put("c", replace(UP, said="down"))
    assert store.count() == {("verdict", "segue", "down"): 1, ("verdict", "segue", "up"): 1}


def test_a_server_that_hangs_is_given_up_and_works_again(cluster):
    clear(cluster)
    clock = Clock()
    store = FeedbackStore(cluster.url, wait_s=0.5, clock=clock)
    patient = FeedbackStore(cluster.url, wait_s=PATIENCE_S, clock=clock)
    patient.put("a", UP)
    cluster.signal(signal.SIGSTOP)
    try:
        with pytest.raises(FeedbackUnavailable):
            store.put("b", UP)
        # The driver gives up by itself as well, so that the thread that waits for it comes back.
        with pytest.raises(FeedbackUnavailable):
            patient.put("b", UP)
    finally:
        cluster.signal(signal.SIGCONT)
    clock.now_s += 5.0
    patient.put("c", replace(UP, said="down"))
    assert patient.count() == {("verdict", "segue", "down"): 1, ("verdict", "segue", "up"): 1}


def test_a_lock_that_another_holds_is_given_up(cluster):
    import psycopg

    clear(cluster)
    clock = Clock()
    store = FeedbackStore(cluster.url, wait_s=PATIENCE_S, clock=clock)
    store.put("a", UP)
    with psycopg.connect(f"host=127.0.0.1 port={cluster.port} user=segue dbname=postgres") as holder:
        holder.execute("LOCK TABLE segue_feedback IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(FeedbackUnavailable):
            store.put("b", UP)
    clock.now_s += 5.0
    assert store.count() == {("verdict", "segue", "up"): 1}
