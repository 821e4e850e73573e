"""The table of docs/faults.md: what each row claims and what its last run found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.verdict import Verdict

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
_HEAD = ["| fault | what must hold | holds | what was found |", "|---|---|---|---|"]


def write_table(document: Path, verdicts: Sequence[Verdict]) -> None:
    """Replace the rows of ``verdicts`` in a document's table, keeping the others; ValueError without its marks."""
    text = document.read_text(encoding="utf-8")
    before, begun, rest = text.partition(BEGIN)
    table, ended, after = rest.partition(END)
    if not begun or not ended:
        raise ValueError(f"{document} has no {BEGIN} … {END}")
    rows: dict[str, str] = {}
    for line in table.splitlines():
        cells = line.split("|")
        if len(cells) > 2 and line not in _HEAD:
            rows[cells[1].strip()] = line
    for verdict in verdicts:
        rows[verdict.row] = _row(verdict)
    lines = [BEGIN, "", *_HEAD, *rows.values(), "", END]
    document.write_text(before + "\n".join(lines) + after, encoding="utf-8")


def _row(verdict: Verdict) -> str:
    found = verdict.line().partition("holds: ")[2] or verdict.line().partition("against it): ")[2]
    parts = [found, f"{datetime.now(UTC):%Y-%m-%d}"]
    parts += [_list(name, value) for name, value in verdict.figures.items() if name in ("stages", "statuses")]
    state = "yes" if verdict.held else f"no: {len(verdict.failures)} against it"
    cells = [verdict.row, verdict.claim, state, "; ".join(parts)]
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _list(name: str, values: Mapping[str, object]) -> str:
    unit = " %" if name == "stages" else ""
    return f"{name}: " + ", ".join(f"{what} {value}{unit}" for what, value in values.items())
