"""What holds for every data set, against stand-ins of the three hosts that misbehave as told."""

from __future__ import annotations

import errno
import json
import shutil
import socket
import subprocess
import sys
import textwrap
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from stand_in_data import GroupLens, Hub, Kaggle
from stand_in_host import close_at_once, reply

from indexer.errors import FetchFailed, UnreadableFile
from indexer.fetching import data_sets, movielens
from indexer.fetching.data_sets import fetched_files
from indexer.fetching.transfer import Patience


@pytest.fixture(params=[Hub, Kaggle, GroupLens], ids=lambda made: made.name)
def source(request, stand_in, cdn, tmp_path, kaggle_here, hub_closed, monkeypatch):
    monkeypatch.setattr(movielens, "PIECE_BYTES", 16_384)
    return request.param(stand_in, cdn, tmp_path / "data")


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def patience(waits) -> Patience:
    return Patience(attempts=3, connect_s=5, read_s=5, slow_s=5, wait=waits.append)


def contents(source) -> dict[str, bytes]:
    return {name: (source.home / name).read_bytes() for name in source.expected}


def parts(source) -> list[int]:
    return [path.stat().st_size for path in (source.home / ".fetching").glob("*.part")]


def assert_nothing_counts(source) -> None:
    assert not (source.home / data_sets.RECORD).exists()
    for name in source.expected:
        assert not (source.home / name).exists()


def test_a_data_set_is_fetched_with_its_record_and_its_licence(source, patience, waits):
    told = []
    record = source.fetch(patience, lambda *facts: told.append(facts))
    assert contents(source) == source.expected
    assert record.revision == source.revision
    assert data_sets.read_whole(source.home) == record
    written = json.loads((source.home / "fetched.json").read_text())
    assert sorted(written) == ["dataset", "fetched_at", "files", "licence", "revision", "source"]
    assert written["dataset"] == source.name
    for name, content in source.expected.items():
        assert written["files"][name]["size_bytes"] == len(content)
    assert written["source"].startswith(
        ("http://127.0.0.1", "http://pictures.test", "https://www.kaggle.com/")
    )
    assert record.licence in written.values()
    assert "https://" in (source.home / "LICENCE.txt").read_text()
    whole = len(source.file.content)
    assert told[0] == ("fetched", 0, whole)
    assert ("fetched", whole, whole) in told
    assert waits == []
    assert not (source.home / ".fetching").exists()
    assert fetched_files(source.home.parent)[source.key] == source.home / source.key.split("/")[1]


def test_a_cut_line_is_gone_on_with_from_where_it_was_cut(source, patience, waits):
    kept = source.cut_half_way()
    told = []
    record = source.fetch(replace(patience, tell=told.append))
    assert contents(source) == source.expected
    assert record.revision == source.revision
    assert f"bytes={kept}-" in [asked.rpartition("-")[0] + "-" for asked in source.file.ranges if asked]
    assert len(waits) == 1
    assert 0.5 <= waits[0] <= 1.0
    assert "trying again in 1 s" in told[0]


def test_a_later_call_goes_on_from_what_an_earlier_one_left(source, patience):
    kept = source.cut_half_way()
    with pytest.raises(FetchFailed):
        source.fetch(replace(patience, attempts=1))
    assert parts(source) == [kept]
    assert_nothing_counts(source)
    with pytest.raises(UnreadableFile, match="is incomplete"):
        fetched_files(source.home.parent)
    told = []
    source.fetch(patience, lambda *facts: told.append(facts))
    assert told[0] == ("fetched", kept, len(source.file.content))
    assert contents(source) == source.expected


def test_a_part_that_is_whole_already_is_not_fetched_again(source, patience, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(data_sets, "keep", interrupt)
        source.fetch(patience)
    asked = len(source.file.ranges)
    source.fetch(patience)
    assert source.file.ranges[asked:][-1].startswith(f"bytes={len(source.file.content)}-")
    assert contents(source) == source.expected


def test_wrong_bytes_are_thrown_away(source, patience):
    source.spoil()
    with pytest.raises(FetchFailed, match=r"^checksum: "):
        source.fetch(patience)
    assert_nothing_counts(source)
    assert not (source.home / ".fetching").exists()
    assert fetched_files(source.home.parent) == {}


def test_a_failed_fetch_leaves_what_was_there(source, patience):
    before = source.fetch(patience)
    source.spoil()
    with pytest.raises(FetchFailed):
        source.fetch(patience)
    assert data_sets.read_whole(source.home) == before
    assert contents(source) == source.expected


def fault_at(source, where: str, fault) -> None:
    if where == "question":
        honest = source.stand_in.routes[source.question]
        source.stand_in.routes[source.question] = [*fault, honest]
    else:
        source.file.faults += fault


@pytest.mark.parametrize("where", ["question", "file"])
@pytest.mark.parametrize("status", [429, 503])
def test_the_host_is_left_alone_for_as_long_as_it_asks(source, patience, waits, where, status):
    # GroupLens' downloader keeps to a pause itself as well, and that one is real time.
    asked = (0, 0) if source.name == data_sets.MOVIELENS else (7, 9)
    fault_at(source, where, [reply(b"", status, Retry_After=str(pause_s)) for pause_s in asked])
    source.fetch(patience)
    assert waits == [float(pause_s) for pause_s in asked]
    assert contents(source) == source.expected


@pytest.mark.parametrize("where", ["question", "file"])
def test_a_host_that_asks_for_too_long_a_pause_is_not_waited_for(source, patience, waits, where):
    fault_at(source, where, [reply(b"", 429, Retry_After="86400")])
    with pytest.raises(FetchFailed, match="asks to wait 86400 s"):
        source.fetch(patience)
    assert waits == []
    assert_nothing_counts(source)


@pytest.mark.parametrize("where", ["question", "file"])
@pytest.mark.parametrize("status", [500, 502])
def test_failures_of_the_host_are_tried_again_with_growing_pauses(source, patience, waits, where, status):
    fault_at(source, where, [reply(b"", status)] * 2)
    source.fetch(patience)
    assert [0.5 <= waits[0] <= 1.0, 1.0 <= waits[1] <= 2.0, len(waits)] == [True, True, 2]
    fault_at(source, where, [reply(b"", status)] * 3)
    with pytest.raises(FetchFailed, match=f"^status-{status}: ") as failed:
        source.fetch(patience)
    assert failed.value.attempts == 3


@pytest.mark.parametrize("where", ["question", "file"])
@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_final(source, patience, waits, where, status):
    fault_at(source, where, [reply(b"{}", status, "application/json")])
    with pytest.raises(FetchFailed) as failed:
        source.fetch(patience)
    assert failed.value.is_final
    assert str(status) in str(failed.value)
    assert waits == []
    assert_nothing_counts(source)


@pytest.mark.parametrize("where", ["question", "file"])
def test_a_host_that_says_nothing_is_not_waited_for_for_ever(source, patience, where):
    fault_at(source, where, [lambda host: iter([host.over.wait(30) and b""])])
    with pytest.raises(FetchFailed, match=r"^timeout: "):
        source.fetch(replace(patience, read_s=0.2, attempts=1))


def test_a_host_that_stops_half_way_is_not_waited_for_for_ever(source, patience):
    source.file.faults.append(source.file.hang_after(10_000))
    with pytest.raises(FetchFailed, match=r"^timeout: "):
        source.fetch(replace(patience, read_s=0.2, attempts=1))


def test_a_line_that_drips_is_cut(source, patience):
    source.file.faults.append(source.file.drip(0.01))
    with pytest.raises(FetchFailed, match=r"^(slow|timeout): "):
        source.fetch(replace(patience, slow_s=0.2, attempts=1))


@pytest.mark.parametrize("where", ["question", "file"])
def test_a_closed_connection_is_tried_again(source, patience, waits, where):
    fault_at(source, where, [close_at_once])
    source.fetch(patience)
    assert contents(source) == source.expected


def test_a_host_that_gives_no_parts_is_asked_for_all_of_it(source, patience):
    kept = source.cut_half_way()
    with pytest.raises(FetchFailed):
        source.fetch(replace(patience, attempts=1))
    assert parts(source) == [kept]
    # Kaggle's store is asked twice: first for what it says of the file, then for the part.
    source.file.faults += [source.file.ignore_range] * 2
    if source.name == data_sets.MOVIELENS:
        # Larger than a piece: it cannot be had from such a host, and says so.
        with pytest.raises(FetchFailed, match=r"^too-large: "):
            source.fetch(patience)
        return
    source.fetch(patience)
    assert contents(source) == source.expected


def test_a_file_that_is_larger_than_it_may_be_is_refused(source, patience, monkeypatch):
    for name in ("_MOST_BYTES", "_MOST_ZIP_BYTES"):
        for module in ("spotify_tracks", "tmdb_movies", "movielens"):
            monkeypatch.setattr(f"indexer.fetching.{module}.{name}", 20_000, raising=False)
    with pytest.raises(FetchFailed, match=r"^too-large: "):
        source.fetch(patience)
    assert parts(source) == []


def test_a_disk_without_room_is_seen_before(source, patience, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 30_000))
    with pytest.raises(FetchFailed, match=r"^disk-full: .* MB more are needed in .*, 0 MB are free"):
        source.fetch(patience)
    assert parts(source) == []
    assert len(source.file.ranges) == 1


def test_a_disk_that_fills_up_keeps_what_has_come(source, patience, monkeypatch):
    from indexer.fetching import transfer

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(transfer, "_write", full)
        with pytest.raises(FetchFailed, match=r"^disk-full: no room is left in "):
            source.fetch(patience)
    assert_nothing_counts(source)
    source.fetch(patience)
    assert contents(source) == source.expected


def test_no_connection_fails_with_one_line(source, patience, waits):
    hosts = [source.stand_in, getattr(source, "cdn_host", source.stand_in)]
    for host in hosts:
        host.shutdown()
        host.server_close()
    with pytest.raises(FetchFailed, match=r"^connection: .*refused") as failed:
        source.fetch(patience)
    assert not failed.value.is_final
    assert len(waits) == 2
    assert "\n" not in str(failed.value)
    assert fetched_files(source.home.parent) == {}


def test_a_host_without_an_address_fails_with_one_line(source, patience, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    options = {}
    if source.name == data_sets.MOVIELENS:
        from indexer.fetching.addresses import HostPolicy

        options["policy"] = HostPolicy(frozenset({source.origin}))
    with pytest.raises(FetchFailed, match=r"^(connection|no-address): .*Name or service not known"):
        source.fetch(patience, **options)


def test_two_fetches_of_one_data_set_do_not_run_at_once(source, patience):
    with data_sets.at_work(source.home), pytest.raises(FetchFailed, match=r"^busy: another fetch is at work"):
        source.fetch(patience)
    source.fetch(patience)


KILLED = """
    import sys
    from pathlib import Path
    sys.path.insert(0, "tests/fetching")
    from stand_in_host import policy_for
    from indexer.fetching import movielens
    movielens.PIECE_BYTES = 16_384
    origin = sys.argv[1]
    edition = movielens.Edition("ml-latest-small", 1_000, 1_000)
    movielens.fetch_movielens(Path(sys.argv[2]), lambda *_: None, edition, policy=policy_for(origin), origin=origin)
"""


def test_a_killed_fetch_is_gone_on_with(stand_in, tmp_path, patience, monkeypatch):
    monkeypatch.setattr(movielens, "PIECE_BYTES", 16_384)
    source = GroupLens(stand_in, stand_in, tmp_path)
    source.file.faults += [None, source.file.hang_after(10)]
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", textwrap.dedent(KILLED), source.origin, str(source.home)]
    with subprocess.Popen(command, cwd=root) as process:
        # The checksum, the first piece, and the second, which never ends.
        stand_in.wait_for_requests(3)
        process.kill()
    assert_nothing_counts(source)
    kept = parts(source)
    # Whether the first piece had reached the disk by then is the system's business.
    assert kept in ([0], [16_384])
    source.fetch(patience)
    assert f"bytes={kept[0]}-{kept[0] + 16_383}" in source.file.ranges[2:]
    assert contents(source) == source.expected
