"""Short forms of the rows of ``python -m tests.faults``, each in a process of its own, which forks many others."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT_S = 180


def run_row(tmp_path: Path, *words: str) -> dict[str, Any]:
    """What a row found; the row's own exit code must agree with it."""
    found = tmp_path / "found.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", *words, "--json", str(found)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert found.exists(), done.stderr
    (verdict,) = json.loads(found.read_text(encoding="utf-8"))
    assert done.returncode == (0 if verdict["held"] else 1), done.stdout
    return dict(verdict)


def test_killed_builds_and_publications_leave_a_whole_version(tmp_path: Path) -> None:
    verdict = run_row(tmp_path, "kill", "--trials", "32")
    assert verdict["failures"] == []
    assert verdict["counts"]["killed"] >= 32


def test_damaged_files_are_refused_by_name_before_faiss_reads(tmp_path: Path) -> None:
    verdict = run_row(tmp_path, "damage", "--cases", "104")
    assert verdict["failures"] == []
    assert verdict["figures"]["cases"] >= 104


def test_full_disks_and_broken_ones_leave_the_old_version_serving(tmp_path: Path) -> None:
    verdict = run_row(tmp_path, "disk", "--every", "16", "--fills", "3")
    assert verdict["failures"] == []
    assert verdict["counts"]["refused"] >= 25


def test_requests_of_any_kind_are_answered_as_described(tmp_path: Path) -> None:
    verdict = run_row(tmp_path, "api", "--examples", "5")
    assert verdict["failures"] == []
    assert verdict["counts"]["requests, positive"] >= 40


@pytest.mark.parametrize("sizes", [[100] * 9, [50, 60, 70, 100, 100, 100, 100, 100, 101]])
def test_a_warm_up_is_no_drift(sizes: list[int]) -> None:
    from tests.faults.soak import measure_drift

    assert measure_drift(sizes) == pytest.approx(sizes[-1] / 100 - 1)


def test_growth_after_the_warm_up_is_drift() -> None:
    from tests.faults.soak import measure_drift

    assert measure_drift([*[100] * 10, *range(100, 120)]) == pytest.approx(
        (116 + 117 + 118 + 119) / 4 / 101.5 - 1
    )


def test_a_table_keeps_the_rows_that_were_not_run(tmp_path: Path) -> None:
    from tests.faults.table import BEGIN, END, write_table
    from tests.faults.verdict import Verdict

    document = tmp_path / "faults.md"
    document.write_text(f"Before\n{BEGIN}\n{END}\nAfter\n", encoding="utf-8")
    write_table(document, [Verdict("one", "is 1", {"cases": 3}), Verdict("two", "is 2", failures=["not so"])])
    write_table(document, [Verdict("one", "is 1", {"cases": 4})])
    lines = document.read_text(encoding="utf-8").splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith(("| one", "| two"))]
    assert [row[:3] for row in rows] == [["| one", "is 1", "yes"], ["| two", "is 2", "no: 1 against it"]]
    assert rows[0][3].startswith("4 cases (")
    assert (lines[0], lines[-1]) == ("Before", "After")
