"""What the server's benchmarks read off wrk, Linux and a running gunicorn."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import pytest

from indexer.index_version import open_version
from server.benchmarks import http, start
from server.benchmarks.__main__ import main
from server.benchmarks.bare_app import create_app
from server.benchmarks.gunicorn_process import GunicornProcess, ServerFailed
from server.benchmarks.page_cache import cached_share
from server.benchmarks.process_memory import parse_rollup, read_cpu_s, read_memory
from server.benchmarks.scenarios import REPEATED, Request, Scenario, make_scenarios
from server.benchmarks.wrk import Load, WrkFailed, WrkMissing, find_wrk, read_output

ROLLUP = """\
55d0c0000000-7ffc00000000 ---p 00000000 00:00 0                          [rollup]
Rss:              900 kB
Pss:              500 kB
Pss_Anon:         100 kB
Private_Clean:     40 kB
Private_Dirty:    300 kB
"""


def test_wrk_is_read_in_requests_seconds_and_milliseconds() -> None:
    printed = "Running 5s test\nmeasured 1000 2000000 450 9900 3 2\n"
    assert read_output(printed) == Load(1000, 500.0, 0.45, 9.9, 3, 2)


def test_wrk_that_measured_nothing_says_why() -> None:
    with pytest.raises(WrkFailed, match="unable to connect"):
        read_output("Running 5s test\n", "unable to connect to 127.0.0.1:1\n")


def test_without_wrk_there_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WrkMissing, match="not on the path"):
        find_wrk()
    assert main(["http", "--indexes", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("bench: wrk is not on the path")


def test_memory_is_read_in_bytes() -> None:
    memory = parse_rollup(ROLLUP)
    assert (memory.resident, memory.pss, memory.private) == (900 * 1024, 500 * 1024, 340 * 1024)


def test_a_process_has_memory_of_its_own_and_used_the_processor() -> None:
    memory = read_memory(os.getpid())
    assert 0 < memory.private <= memory.resident
    assert read_cpu_s(os.getpid()) > 0


def test_a_file_just_written_is_in_the_page_cache(tmp_path: Path) -> None:
    file = tmp_path / "pages"
    file.write_bytes(bytes(3 * mmap.PAGESIZE + 1))
    (tmp_path / "empty").touch()
    assert cached_share([file, tmp_path / "empty"]) == 1.0


def test_the_bare_application_replies_in_the_size_asked_for() -> None:
    client = create_app(5000).test_client()
    assert client.get("/small").get_json() == {"status": "ok"}
    assert len(client.get("/large").get_json()["text"]) == 5000


def test_scenarios_are_made_of_the_versions_own_ids_and_repeat_only_where_they_say_so(
    starter_indexes: Path,
) -> None:
    version = open_version(starter_indexes)
    try:
        scenarios = {scenario.name: scenario for scenario in make_scenarios(version, 1)}
        again = {scenario.name: scenario for scenario in make_scenarios(version, 1)}
        songs = version.indexes["tracks"].size
    finally:
        version.close()
    assert scenarios == again
    assert [name for name, scenario in scenarios.items() if scenario.bare] == list(scenarios)[:2]
    by_song = scenarios["films for a song"].requests
    assert len(set(by_song)) == len(by_song) == songs
    repeated = scenarios[f"films for a song, {REPEATED} songs again and again"].requests
    assert repeated == by_song[-REPEATED:]
    assert len(set(scenarios["films for a text"].requests)) == len(scenarios["films for a text"].requests)
    assert Request("/a", "POST", '{"b": 1}').as_line() == 'POST\t/a\t{"b": 1}'


def test_rates_are_medians_of_rounds_and_shares_of_both_bare_ones() -> None:
    scenarios = [
        Scenario("small", (Request("/small"),), bare=True),
        Scenario("large", (Request("/large"),), bare=True),
        Scenario("healthz", (Request("/healthz"),)),
    ]
    rates = {"small": (1000, 900, 5000), "large": (500, 400, 800), "healthz": (250, 100, 900)}
    loads = {
        (name, 1): [Load(10, float(rate), 1.0 + n, 2.0, 0, n) for n, rate in enumerate(given)]
        for name, given in rates.items()
    }
    row = http.sum_up(scenarios, loads)[2]
    assert row == {
        "scenario": "healthz",
        "clients": 1,
        "requests": 30,
        "rate": 250.0,
        "p50_ms": 2.0,
        "p99_ms": 2.0,
        "errors": 3,
        "share_of_bare_small": 0.25,
        "share_of_bare_large": 0.5,
    }


def test_the_second_workers_cost_is_what_all_processes_grew_by() -> None:
    part = {"pss": 100 * 2**20, "private": 0, "resident": 0}
    one = {"workers": 1, "processes": {"master": part, "worker 1": part}, "total_pss": 200 * 2**20}
    two: dict[str, Any] = {"workers": 2, "processes": {"worker 1": part, "worker 2": part}}
    rows = start.memory_table([one, two | {"total_pss": 230 * 2**20}]).rows
    assert list(rows[-1]) == ["the second worker adds (30 % of the first)", "30", "", ""]


def test_a_gunicorn_runs_while_its_context_does(tmp_path: Path) -> None:
    bare = "server.benchmarks.bare_app:create_app(300)"
    with GunicornProcess(bare, "/small", tmp_path / "log", SEGUE_WORKERS=2) as server:
        assert server.get_json("/small") == {"status": "ok"}
        assert len(server.workers(2)) == 2
        assert server.ready_s > 0
        with pytest.raises(ServerFailed, match="/nowhere was answered with 404"):
            server.get_json("/nowhere")
    with pytest.raises(OSError, match="refused"):
        server.get("/small")


def test_a_gunicorn_that_cannot_start_says_so(tmp_path: Path) -> None:
    with (
        pytest.raises(ServerFailed, match="ended at once"),
        GunicornProcess("server.benchmarks.bare_app:no_such_app", "/small", tmp_path / "log"),
    ):
        pass
