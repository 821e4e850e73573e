"""The store of feedback: bounded waits, trouble and recovery, and several processes on one file."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from indexer import feedback_database
from indexer.errors import ConfigError, FeedbackUnavailable
from indexer.feedback import Judgement
from indexer.feedback_database import open_engine, read_database
from server.feedback_store import FeedbackStore

ROOT = Path(__file__).resolve().parents[1]
UP = Judgement("verdict", date(2026, 1, 2), "v1", "movies", "segue", "up", '{"text": "rain"}', "680", 1)
PATIENCE_S = 60.0


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "feedback.sqlite"


@pytest.fixture
def store(file: Path, clock: Clock) -> FeedbackStore:
    return FeedbackStore(file, wait_s=PATIENCE_S, clock=clock)


def test_the_file_is_in_wal_mode_so_that_readers_do_not_wait(store, file):
    store.put("a", UP)
    with sqlite3.connect(file) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_a_name_with_odd_characters_is_a_file_all_the_same(tmp_path):
    file = tmp_path / "a b?mode=ro#%20.sqlite"
    FeedbackStore(file).put("a", UP)
    assert file.is_file()
    assert list(read_database(file)) == [UP]


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///"])
def test_a_database_in_memory_is_refused_as_it_would_forget(url):
    with pytest.raises(ConfigError, match="needs a file"):
        open_engine(url)


def test_a_url_that_is_none_is_refused_without_repeating_it():
    with pytest.raises(ConfigError) as raised:
        open_engine("//user:secret@host")
    assert "secret" not in str(raised.value)


def test_after_trouble_it_is_left_alone_and_then_tried_again(store, file, clock, caplog):
    file.mkdir()
    with pytest.raises(FeedbackUnavailable) as raised:
        store.put("a", UP)
    assert raised.value.retry_after_s == 5
    file.rmdir()
    clock.now_s = 3.5
    with pytest.raises(FeedbackUnavailable) as raised:
        store.put("a", UP)
    assert raised.value.retry_after_s == 2
    clock.now_s = 5.0
    with caplog.at_level(logging.INFO, "server.feedback_store"):
        store.put("a", UP)
    assert [record.getMessage() for record in caplog.records] == [
        "feedback cannot be stored: OperationalError: unable to open database file",
        "feedback can be stored again",
    ]
    assert list(read_database(file)) == [UP]


def test_a_file_that_another_program_holds_is_given_up_and_works_again(store, file, clock):
    store.put("a", UP)
    with sqlite3.connect(file, isolation_level=None) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(FeedbackUnavailable):
            store.put("b", UP)
        clock.now_s += 5.0
        # Reading needs no lock.
        assert store.count() == {("verdict", "segue", "up"): 1}
        holder.execute("ROLLBACK")
    holder.close()
    store.put("b", UP)
    assert store.count() == {("verdict", "segue", "up"): 2}


def test_a_file_that_may_only_be_read_is_trouble(store, file):
    store.put("a", UP)
    with pytest.raises(FeedbackUnavailable):
        FeedbackStore(f"sqlite:///file:{file}?mode=ro&uri=true").put("b", UP)
    assert store.count() == {("verdict", "segue", "up"): 1}


def test_a_file_that_was_taken_away_is_made_again(store, file):
    store.put("a", UP)
    for part in file.parent.iterdir():
        part.unlink()
    store.put("b", replace(UP, said="down"))
    assert [one.said for one in read_database(file)] == ["down"]


def test_what_nobody_waited_for_is_not_stored(file, clock, monkeypatch):
    store = FeedbackStore(file, wait_s=0.05, clock=clock)
    hung, let_go, done = threading.Event(), threading.Event(), threading.Event()
    put = feedback_database.put

    def hang(connection: object, key: str, judgement: Judgement) -> None:
        hung.set()
        assert let_go.wait(PATIENCE_S)
        put(connection, key, judgement)  # type: ignore[arg-type]
        done.set()

    monkeypatch.setattr(feedback_database, "put", hang)
    with pytest.raises(FeedbackUnavailable) as raised:
        store.put("a", UP)
    assert raised.value.retry_after_s == 5
    clock.now_s += 5.0
    with pytest.raises(FeedbackUnavailable):
        store.put("b", UP)  # waits behind the first, in vain
    assert hung.is_set()
    monkeypatch.undo()
    let_go.set()
    assert done.wait(PATIENCE_S)
    clock.now_s += 5.0
    patient = FeedbackStore(file, wait_s=PATIENCE_S, clock=clock)
    patient.put("c", replace(UP, said="down"))
    assert patient.count() == {("verdict", "segue", "down"): 1}
    # The store that hung works again by itself; what it had given up stays given up.
    store._wait_s = PATIENCE_S
    store.put("d", replace(UP, said="down"))
    assert patient.count() == {("verdict", "segue", "down"): 2}


def test_no_more_than_its_turns_wait_at_a_time(file, monkeypatch):
    store = FeedbackStore(file, turns=1, wait_s=PATIENCE_S)
    hung, let_go = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        hung.set()
        assert let_go.wait(PATIENCE_S)

    monkeypatch.setattr(feedback_database, "put", hang)
    first = threading.Thread(target=store.put, args=("a", UP))
    first.start()
    try:
        assert hung.wait(PATIENCE_S)
        with pytest.raises(FeedbackUnavailable) as raised:
            store.put("b", UP)
        assert raised.value.retry_after_s == 1
    finally:
        let_go.set()
        first.join(PATIENCE_S)


_FULL = """
import resource, sys
from dataclasses import replace
from pathlib import Path
from indexer.errors import FeedbackUnavailable
from server.feedback_store import FeedbackStore
from tests.test_feedback_store import Clock, UP
file, clock = Path(sys.argv[1]), Clock()
store = FeedbackStore(file, wait_s=60, clock=clock)
store.put("a", UP)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 100, hard))
try:
    store.put("b", replace(UP, query="x" * 200_000))
except FeedbackUnavailable as refused:
    print("refused", refused.retry_after_s)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
clock.now_s += 5
store.put("c", replace(UP, said="down"))
print(sorted(store.count().items()))
"""


def test_a_full_disk_is_trouble_until_there_is_room(file):
    told = subprocess.run(
        [sys.executable, "-c", _FULL, str(file)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines() == [
        "refused 5",
        "[(('verdict', 'segue', 'down'), 1), (('verdict', 'segue', 'up'), 1)]",
    ]


_WRITER = """
import sys
from dataclasses import replace
from indexer.errors import FeedbackUnavailable
from server.feedback_store import FeedbackStore
from tests.test_feedback_store import UP
where, name = sys.argv[1], sys.argv[2]
store = FeedbackStore(where, wait_s=60, pause_s=0)
sys.stdin.readline()  # all begin together
for number in range(15):
    for key in (f"{name} {number}", f"all {number}"):
        for _ in range(100):
            try:
                store.put(key, replace(UP, id=key, rank=number + 1))
                break
            except FeedbackUnavailable:
                pass  # as a client that tries again
"""


def write_from_processes(where: str, number: int) -> None:
    """Let some processes write 15 judgements of their own and 15 common ones each, all at once."""
    command = [sys.executable, "-c", _WRITER, where]
    writers = [
        subprocess.Popen([*command, f"w{n}"], cwd=ROOT, stdin=subprocess.PIPE, text=True)
        for n in range(number)
    ]
    try:
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        for writer in writers:
            writer.communicate(timeout=PATIENCE_S)
            assert writer.returncode == 0
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()


def test_several_processes_make_one_file_and_lose_nothing(file):
    write_from_processes(f"sqlite:///{file}", 3)
    expected = [f"{name} {number}" for name in ("all", "w0", "w1", "w2") for number in range(15)]
    assert sorted(one.id for one in read_database(file)) == sorted(expected)
