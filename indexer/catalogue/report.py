"""The cleaning report: for each file, what was read, kept, dropped, merged and blanked, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from indexer.catalogue.chunk import LINE, ROW, Fault, show
from indexer.catalogue.layout import Source

Action = Literal["drop", "merge", "blank"]

MAX_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Sample:
    """One case: ``row`` counts data rows from 1; ``line`` is the file's line, absent for Parquet."""

    row: int
    line: int | None
    id: str | None
    title: str | None
    value: str | None


@dataclass(slots=True)
class RuleCount:
    """How often a rule hit: rows for drop and merge, values for blank."""

    name: str
    action: Action
    description: str
    count: int = 0
    samples: list[Sample] = field(default_factory=list)

    def add_rows(self, rows: pd.DataFrame, values: Sequence[object] | None = None) -> None:
        """Count ``rows`` (with ``id``, ``title`` and places); ``values``: the offending value of each."""
        self.count += len(rows)
        room = MAX_SAMPLES - len(self.samples)
        for at, (_, row) in enumerate(rows.head(room).iterrows()):
            line = None if pd.isna(row[LINE]) else int(row[LINE])
            value = None if values is None else _text(values[at])
            self.samples.append(Sample(int(row[ROW]), line, _text(row["id"]), _text(row["title"]), value))

    def add_fault(self, fault: Fault) -> None:
        """Count a row that was lost while reading."""
        self.count += 1
        if len(self.samples) < MAX_SAMPLES:
            self.samples.append(Sample(fault.row, fault.line, fault.id, fault.title, fault.value))


@dataclass(slots=True)
class FileReport:
    """What became of one file. ``rows_read == rows_kept + dropped + merged`` always holds.

    ``unknown``: column → kept rows without a value. ``absent``: columns the file has no source for.
    Blanked values are counted in rows that passed the row rules, before duplicates are removed or merged.
    """

    file: str
    rules: dict[str, RuleCount]
    absent: list[str] = field(default_factory=list)
    unknown: dict[str, int] = field(default_factory=dict)
    rows_read: int = 0
    rows_kept: int = 0

    def total(self, action: Action) -> int:
        """Sum of the counts of all rules with this action."""
        return sum(rule.count for rule in self.rules.values() if rule.action == action)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "file": self.file,
            "rows_read": self.rows_read,
            "rows_kept": self.rows_kept,
            "rows_dropped": self.total("drop"),
            "rows_merged": self.total("merge"),
            "values_blanked": self.total("blank"),
            "absent_columns": list(self.absent),
            "unknown": dict(self.unknown),
            "rules": [asdict(rule) for rule in self.rules.values()],
        }

    def lines(self) -> list[str]:
        """The report in a few lines of text."""
        lines = [f"{self.file}: {self.rows_read:,} rows read, {self.rows_kept:,} kept"]
        for action, verb in (("drop", "dropped"), ("merge", "merged"), ("blank", "values made unknown")):
            hits = [
                f"{rule.name} {rule.count:,}"
                for rule in self.rules.values()
                if rule.action == action and rule.count
            ]
            if hits:
                lines.append(f"  {verb}: {', '.join(hits)}")
        if self.absent:
            lines.append(f"  not in the file: {', '.join(self.absent)}")
        return lines


@dataclass(frozen=True, slots=True)
class CleaningReport:
    """The report on all source files of a catalogue; it names files without their folders."""

    preset: str
    files: Mapping[Source, FileReport]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; equal input gives an equal report."""
        return {
            "preset": self.preset,
            "files": {source: report.to_dict() for source, report in self.files.items()},
        }

    def write(self, path: Path) -> None:
        """Write the report as JSON (UTF-8, indented)."""
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=2, allow_nan=False)
        path.write_text(text + "\n", encoding="utf-8")

    def summary(self) -> str:
        """A few lines for a terminal."""
        return "\n".join(line for report in self.files.values() for line in report.lines())


def _text(value: object) -> str | None:
    return None if value is None or value != value else show(str(value))
