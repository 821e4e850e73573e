"""The load test as it is run: a server of its own, locust in its own process, a few seconds of load."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from indexer.index_folder import current_name
from indexer.index_version import list_names
from server.load_test.scenarios import MIX

ROOT = Path(__file__).resolve().parents[1]
#: Loose in time, since the machine may be busy; strict in errors.
LIMITS = "p95_ms=30000,p99_ms=30000,error_share=0,rps=0.1"
TIMES = ("p50_ms", "p95_ms", "p99_ms", "worst_ms")


def _run(indexes: Path, report: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server.load_test", "--indexes", str(indexes), "--report", str(report)]
    return subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def held(
    starter_indexes: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], Path]:
    folder = tmp_path_factory.mktemp("load") / "report"
    done = _run(
        starter_indexes, folder, "--seconds", "8", "--users", "4", "--spawn-rate", "4", "--limits", LIMITS
    )
    return done, folder


def test_the_short_form_ends_with_0_and_a_report(held, starter_indexes):
    done, folder = held
    assert (done.returncode, done.stderr) == (0, "")
    report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert (report["verdict"], report["broken"], report["faults"]) == ("held", [], [])
    assert report["seed"] == 0
    assert report["asked"] == {
        "users": 4,
        "spawn_rate": 4.0,
        "seconds": 8,
        "seed": 0,
        "swap_every": 0.0,
    }
    assert report["served"]["version"] == current_name(starter_indexes)
    assert report["served"]["counts"] == {"movies": 370, "tracks": 985}
    assert report["swaps"] == {"changes": 0}
    assert report["machine"]["cores"] >= 1
    assert report["machine"]["memory_bytes"] > 2**28
    assert report["versions"]["locust"] == "2.47.0"


def test_every_scenario_was_played_and_the_figures_agree_with_the_requests(held):
    _, folder = held
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    scenarios = report["scenarios"]
    assert sorted(scenarios) == sorted(MIX)
    for name, figures in scenarios.items():
        assert figures["requests"] > 0, name
        assert (figures["errors"], figures["error_share"]) == (0, 0.0)
        times = [figures[key] for key in TIMES]
        assert times == sorted(times)
        assert times[0] > 0
        assert figures["rps"] == pytest.approx(figures["requests"] / report["seconds"], rel=0.01, abs=0.001)
    with (folder / "requests.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert report["all"]["requests"] == len(rows) == sum(f["requests"] for f in scenarios.values())
    assert report["all"]["worst_ms"] == max(f["worst_ms"] for f in scenarios.values())
    assert {row["version"] for row in rows if row["status"] == "200"} == {report["served"]["version"]}
    # Only nonsense is refused.
    assert {row["scenario"] for row in rows if row["status"] != "200"} == {"nonsense"}


def test_locusts_own_page_is_there(held):
    _, folder = held
    page = (folder / "locust.html").read_text(encoding="utf-8")
    assert "<title>Locust</title>" in page
    assert all(name in page for name in MIX)


def test_no_request_fails_while_versions_are_swapped_and_all_is_as_before_afterwards(indexes, tmp_path):
    before = current_name(indexes)
    done = _run(
        indexes,
        tmp_path,
        "--seconds",
        "8",
        "--users",
        "4",
        "--swap-every",
        "2",
        "--limits",
        f"{LIMITS},swap_s=1.9",
    )
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    # How soon a swap shows is a matter of time, which a busy machine has little of; that nothing fails is not.
    assert [line for line in report["broken"] if not line.startswith("swap_s: ")] == []
    assert report["faults"] == []
    assert done.returncode == (1 if report["broken"] else 0)
    names = [event["version"] for event in report["swaps"]["events"]]
    assert names
    assert names == [(f"{before}-load-test", before)[turn % 2] for turn in range(len(names))]
    assert (current_name(indexes), list_names(indexes)) == (before, [before])


def test_an_impossible_limit_ends_with_1_and_names_it(starter_indexes, tmp_path):
    limits = f"{LIMITS},p99_ms=0.001"
    done = _run(starter_indexes, tmp_path, "--seconds", "2", "--users", "2", "--limits", limits)
    assert done.returncode == 1
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["verdict"] == "broken"
    (broken,) = report["broken"]
    found = report["all"]["p99_ms"]
    assert broken == f"p99_ms: {found:.1f} ms is above the limit of 0.001 ms"
    assert done.stderr == f"load_test: limit broken: {broken}\n"
