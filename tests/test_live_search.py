"""A running server takes new versions into service, and no request notices."""

from __future__ import annotations

import gc
import json
import queue
import shutil
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.errors import VersionError
from indexer.index_folder import current_name, lock
from indexer.publication import publish, rollback
from server import refusals
from server.app import LIVE_SEARCH, create_app
from server.live_search import LiveSearch, open_search, warm
from server.search import Query, Search
from server.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 60.0


class Watched:
    """A LiveSearch whose events can be waited for."""

    def __init__(self, indexes: Path, poll_s: float = 0.02) -> None:
        self.swaps: queue.Queue[tuple[str, str | None]] = queue.Queue()
        self.refusals: queue.Queue[tuple[str, str]] = queue.Queue()
        self.opened: list[str] = []
        self.failure: Exception | None = None
        self.live = LiveSearch(
            indexes,
            poll_s,
            self._open,
            lambda name, before: self.swaps.put((name, before)),
            lambda name, reason: self.refusals.put((name, reason)),
        )

    def _open(self, indexes: Path, name: str) -> Search:
        self.opened.append(name)
        if self.failure is not None:
            raise self.failure
        return open_search(indexes, name)


@pytest.fixture
def first(indexes: Path) -> str:
    return current_name(indexes)


@pytest.fixture
def second(indexes: Path, first: str) -> str:
    shutil.copytree(indexes / first, indexes / "second")
    return "second"


@pytest.fixture
def watched(indexes: Path) -> Iterator[Watched]:
    made = Watched(indexes)
    yield made
    made.live.stop()


def set_current(indexes: Path, name: str) -> None:
    partial = indexes / "CURRENT.new"
    partial.write_text(f"{name}\n", encoding="utf-8")
    partial.replace(indexes / "CURRENT")


def damage(indexes: Path, name: str) -> bytes:
    path = indexes / name / "movies.mood.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    return whole


def test_a_published_version_is_served_and_a_rollback_too(indexes, first, second, watched):
    watched.live.start()
    assert watched.swaps.get(timeout=PATIENCE_S) == (first, None)
    with lock(indexes):
        publish(indexes, second)
    assert watched.swaps.get(timeout=PATIENCE_S) == (second, first)
    assert watched.live.name == second
    with lock(indexes):
        assert rollback(indexes) == first
    assert watched.swaps.get(timeout=PATIENCE_S) == (first, second)
    with watched.live.lease() as search:
        assert search.find(Query("movies", text="rain")).index_version == first
    assert watched.live.refused is None
    assert watched.opened == [first, second, first]


def test_the_old_version_is_open_until_its_last_user_lets_go(indexes, first, second, watched):
    watched.live.look()
    leases = [watched.live.take(), watched.live.take()]
    old = leases[0].search
    set_current(indexes, second)
    watched.live.look()
    assert watched.live.take().search.name == second
    assert old.name == first
    leases[0].end()
    leases[0].end()
    assert old.look_up("movies", "a", 1) is not None
    leases[1].end()
    with pytest.raises(VersionError, match="closed"):
        old.look_up("movies", "a", 1)


def test_a_damaged_version_is_refused_once_and_served_once_it_is_mended(indexes, first, second, watched):
    watched.live.look()
    whole = damage(indexes, second)
    set_current(indexes, second)
    for _ in range(5):
        watched.live.look()
    assert watched.live.name == first
    assert watched.opened == [first, second]
    reason = "second/movies.mood.npy was altered: its SHA-256 is not the manifest's"
    assert watched.refusals.get_nowait() == (second, reason)
    assert watched.refusals.empty()
    assert watched.live.refused == refusals.Refusal(second, reason)
    (indexes / second / "movies.mood.npy").write_bytes(whole)
    watched.live.look()  # the files have changed, and may be changing still
    assert watched.opened == [first, second]
    watched.live.look()
    assert (watched.live.name, watched.live.refused) == (second, None)


def test_publishing_another_version_ends_a_refusal(indexes, first, second, watched):
    watched.live.look()
    damage(indexes, second)
    set_current(indexes, second)
    watched.live.look()
    assert watched.live.refused is not None
    set_current(indexes, first)
    watched.live.look()
    assert (watched.live.name, watched.live.refused) == (first, None)
    set_current(indexes, "third")
    watched.live.look()
    assert watched.live.refused == refusals.Refusal(
        "third", "there is no index version 'third' in the folder of the indexes"
    )
    shutil.copytree(indexes / first, indexes / "third")
    watched.live.look()
    watched.live.look()
    assert watched.live.name == "third"


@pytest.mark.parametrize("written", [None, b"", b"\n", b"\xff\xfe", b"../first", b".partial-1"])
def test_a_current_that_names_no_version_changes_nothing(indexes, first, watched, written):
    watched.live.look()
    (indexes / "CURRENT").unlink()
    if written is not None:
        (indexes / "CURRENT").write_bytes(written)
    watched.live.look()
    assert watched.live.name == first
    with watched.live.lease() as search:
        assert search.name == first
    assert watched.opened[0] == first


def test_without_a_version_the_first_good_one_is_served_later(indexes, first, watched):
    set_current(indexes, "nowhere")
    watched.live.look()
    assert (watched.live.name, watched.live.wait(0)) == (None, True)
    with pytest.raises(VersionError):
        watched.live.take()
    (indexes / "CURRENT").unlink()
    watched.live.look()
    set_current(indexes, first)
    watched.live.look()
    assert watched.live.name == first


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (MemoryError("1 GiB"), "there is not enough memory to open it beside the version that answers"),
        (OSError(5, "Input/output error", "/srv/x/y"), "it cannot be read: Input/output error"),
        (RuntimeError("can't start new thread"), "it cannot be opened (RuntimeError); the log has the cause"),
    ],
)
def test_what_may_pass_is_tried_again_after_a_pause(
    indexes, first, second, watched, monkeypatch, failure, reason
):
    watched.live.look()
    now = 1000.0
    monkeypatch.setattr(refusals.time, "monotonic", lambda: now)
    watched.failure = failure
    set_current(indexes, second)
    tried = []
    for _ in range(60):
        before = len(watched.opened)
        watched.live.look()
        if len(watched.opened) > before:
            tried.append(now - 1000.0)
        now += 5.0
    assert tried == [0.0, 5.0, 15.0, 35.0, 75.0, 155.0]
    assert watched.live.refused == refusals.Refusal(second, reason)
    assert watched.live.name == first
    watched.failure = None
    now += 300.0
    watched.live.look()
    assert (watched.live.name, watched.live.refused) == (second, None)


def test_the_pause_grows_to_five_minutes_and_no_further(monkeypatch, tmp_path):
    monkeypatch.setattr(refusals.time, "monotonic", lambda: 0.0)
    attempt = None
    for _ in range(12):
        attempt = refusals.Attempt(refusals.Refusal("v", ""), frozenset(), True, attempt)
    monkeypatch.setattr(refusals.time, "monotonic", lambda: 299.9)
    assert not attempt.is_due(tmp_path)
    monkeypatch.setattr(refusals.time, "monotonic", lambda: 300.0)
    assert attempt.is_due(tmp_path)


def test_a_version_that_opens_but_cannot_search_is_refused(indexes, first, second, watched, monkeypatch):
    watched.live.look()
    closed = []

    def find(search: Search, query: Query) -> None:
        raise ValueError("shapes do not match")

    monkeypatch.setattr(Search, "find", find)
    monkeypatch.setattr(Search, "close", lambda search: closed.append(search.name))
    set_current(indexes, second)
    watched.live.look()
    assert watched.live.name == first
    assert watched.live.refused is not None
    assert watched.live.refused.version == second
    assert closed == [second]


def test_searches_from_many_threads_are_whole_while_versions_change(indexes, first, second, watched):
    watched.live.look()
    ended = threading.Event()
    seen: list[set[str]] = []
    failures: list[Exception] = []

    def ask() -> None:
        names: set[str] = set()
        seen.append(names)
        try:
            while not ended.is_set():
                with watched.live.lease() as search:
                    before = search.name
                    answer = search.find(Query("movies", text="rain", limit=3))
                    items = search.look_up("tracks", "night", 2)
                    assert (answer.index_version, len(answer.hits), len(items)) == (before, 3, 2)
                    assert search.name == before
                    names.add(before)
        except Exception as error:  # noqa: BLE001  reported below, whatever it is
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for name in (second, first) * 2:
        set_current(indexes, name)
        watched.live.look()
        assert watched.live.name == name
    ended.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert failures == []
    assert set().union(*seen) == {first, second}


def test_stopping_closes_what_is_open_and_ends_the_thread(indexes, watched):
    watched.live.start()
    assert watched.live.wait(PATIENCE_S)
    with watched.live.lease() as search:
        watched.live.stop()
        assert search.look_up("movies", "a", 1) is not None
    with pytest.raises(VersionError, match="closed"):
        search.look_up("movies", "a", 1)
    watched.live.start()
    assert watched.live._watcher is not None
    assert not watched.live._watcher.is_alive()


def test_the_application_follows_and_tells_what_it_refuses(indexes, first, second):
    app = create_app(Settings(indexes=indexes, poll_s=60))
    client = app.test_client()
    live = app.extensions[LIVE_SEARCH]
    assert client.get("/readyz").get_json() == {"index_version": first, "status": "ready", "refused": None}
    set_current(indexes, second)
    live.look()
    reply = client.post("/v1/search", json={"target": "movies", "text": "rain", "limit": 1})
    assert reply.get_json()["index_version"] == second
    damage(indexes, first)
    set_current(indexes, first)
    live.look()
    assert client.get("/readyz").get_json() == {
        "index_version": second,
        "status": "ready",
        "refused": {
            "version": first,
            "reason": f"{first}/movies.mood.npy was altered: its SHA-256 is not the manifest's",
        },
    }
    figures = client.get("/metrics").get_data(as_text=True).splitlines()
    assert "segue_swaps_total 1.0" in figures
    assert "segue_refusals_total 1.0" in figures
    assert f'segue_index_version{{version="{second}"}} 1.0' in figures
    live.stop()


def test_the_application_starts_without_a_version_and_serves_the_first_good_one(indexes, first):
    whole = damage(indexes, first)
    app = create_app(Settings(indexes=indexes, poll_s=60))
    client = app.test_client()
    live = app.extensions[LIVE_SEARCH]
    refused = client.get("/readyz")
    assert refused.status_code == 503
    assert refused.get_json()["errors"] == [
        {
            "field": "index_version",
            "message": f"{first} is refused: {first}/movies.mood.npy was altered: its SHA-256 is not the manifest's",
        }
    ]
    assert client.get("/v1/tracks?q=a").status_code == 503
    assert client.get("/healthz").status_code == 200
    (indexes / first / "movies.mood.npy").write_bytes(whole)
    live.look()
    live.look()
    assert client.get("/readyz").get_json()["index_version"] == first
    assert client.get("/v1/tracks?q=a").status_code == 200
    live.stop()


def test_a_request_stays_on_the_version_it_began_with(indexes, first, second):
    app = create_app(Settings(indexes=indexes, poll_s=60))
    live = app.extensions[LIVE_SEARCH]

    @app.get("/swap")
    def swap() -> list[str]:
        from server.app import _lease

        before = _lease(live).name
        set_current(indexes, second)
        live.look()
        return [before, _lease(live).name, str(live.name)]

    assert app.test_client().get("/swap").get_json() == [first, first, second]
    live.stop()


def test_an_application_for_a_process_that_forks_opens_nothing_and_starts_no_thread(indexes, first):
    before = threading.active_count()
    app = create_app(Settings(indexes=indexes, poll_s=60), open_now=False)
    live = app.extensions[LIVE_SEARCH]
    assert (live.name, live.wait(0), threading.active_count()) == (None, False, before)
    live.start()
    assert live.wait(PATIENCE_S)
    assert app.test_client().get("/readyz").get_json()["index_version"] == first
    live.stop()


_CEILING = """
import json, resource, sys
from pathlib import Path
from server.app import LIVE_SEARCH, create_app
from server.settings import Settings

indexes = Path(sys.argv[1])
app = create_app(Settings(indexes=indexes, poll_s=60))
client = app.test_client()
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 200 * 2**20,) * 2)
(indexes / "CURRENT").write_text("second\\n")
app.extensions[LIVE_SEARCH].look()
reply = client.post("/v1/search", json={"target": "movies", "text": "rain", "limit": 1})
print(json.dumps([client.get("/readyz").get_json(), reply.status_code, reply.get_json()["index_version"]]))
"""


def test_a_version_that_memory_has_no_room_for_is_refused(indexes, first, second):
    done = subprocess.run(
        [sys.executable, "-c", _CEILING, str(indexes)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    reason = "there is not enough memory to open it beside the version that answers"
    ready = {"index_version": first, "status": "ready", "refused": {"version": second, "reason": reason}}
    assert json.loads(done.stdout) == [ready, 200, first]
    assert "MiB of address space" in done.stderr


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (VersionError("/srv/indexes/v2/a.npy is gone"), "v2/a.npy is gone"),
        (
            VersionError("no index version is published in /srv/indexes; make one"),
            "no index version is published in the folder of the indexes; make one",
        ),
        (VersionError("cannot map '/mnt/other disk/x.npy' (/mnt/b/y)"), "cannot map 'other disk/x.npy' (y)"),
        (VersionError("movies/tracks are\nfine"), "movies/tracks are fine"),
        (OSError(13, "Permission denied", "/srv/indexes/v2"), "it cannot be read: Permission denied"),
        (
            OSError(12, "Cannot allocate memory"),
            "there is not enough memory to open it beside the version that answers",
        ),
        (KeyError("/srv/secret"), "it cannot be opened (KeyError); the log has the cause"),
    ],
)
def test_reasons_name_no_absolute_path(error, reason):
    assert refusals.word_refusal(error, Path("/srv/indexes")) == reason


def test_a_version_error_stays_unless_the_system_refused_something():
    def chained(cause: Exception) -> VersionError:
        error = VersionError("x cannot be read")
        error.__cause__ = cause
        return error

    assert not refusals.may_pass(VersionError("x was altered"))
    assert not refusals.may_pass(chained(FileNotFoundError()))
    assert not refusals.may_pass(chained(ValueError()))
    assert refusals.may_pass(chained(OSError(12, "Cannot allocate memory")))
    assert refusals.may_pass(chained(MemoryError()))
    assert refusals.may_pass(ValueError())


def test_what_a_version_held_goes_with_its_last_user(starter_indexes):
    search = Search.open(starter_indexes)
    warm(search)
    version = search._version
    held = [weakref.ref(each) for each in (search, version, version.store, *version.indexes.values())]
    gc.collect()
    gc.disable()
    try:
        search.close()
        del search, version
        assert [reference() for reference in held] == [None] * 5
    finally:
        gc.enable()
