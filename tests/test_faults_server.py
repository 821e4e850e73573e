"""Short forms of the rows that need a running server; what is a matter of time is left to the long forms."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT_S = 240


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def run_row(tmp_path: Path, *words: str) -> dict[str, Any]:
    found = tmp_path / "found.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", *words, "--port", str(free_port()), "--json", str(found)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert found.exists(), done.stderr
    return dict(json.loads(found.read_text(encoding="utf-8"))[0])


def untimed(verdict: dict[str, Any]) -> list[str]:
    """What was noted against a row, but for times, which a shared machine makes as it likes."""
    return [failure for failure in verdict["failures"] if "p99" not in failure]


def test_swaps_under_load_fail_no_request(tmp_path: Path) -> None:
    verdict = run_row(tmp_path, "swaps", "--count", "6", "--steady", "1")
    assert untimed(verdict) == []
    assert verdict["counts"]["swaps"] == 6
    assert verdict["counts"]["failed"] == 0
    assert verdict["figures"]["requests that the versions answer differently"] > 0


def test_too_much_is_refused_and_slow_clients_hold_up_nobody(tmp_path: Path) -> None:
    verdict = run_row(tmp_path, "limits", "--seconds", "2")
    assert untimed(verdict) == []
    assert verdict["counts"]["requests beside them"] > 0


def test_a_version_without_room_is_refused_and_taken_once_there_is(tmp_path: Path) -> None:
    verdict = run_row(tmp_path, "memory", "--ceilings", "4")
    assert verdict["failures"] == []
    assert verdict["counts"]["requests meanwhile"] > 0
