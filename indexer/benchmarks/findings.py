"""What a benchmark found: tables to read, the same numbers as JSON, and the surroundings of both."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Table:
    """One table; cells are texts already."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def as_markdown(self) -> str:
        """The table under its title; numbers, which all columns but the first hold, are set to the right."""
        rule = ["---", *["---:"] * (len(self.columns) - 1)]
        lines = [self.columns, rule, *self.rows]
        body = "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
        return f"**{self.title}**\n\n{body}"


@dataclass(frozen=True)
class Findings:
    """A benchmark's outcome. ``data`` holds plain values for --json; ``notes`` are sentences a reader needs."""

    benchmark: str
    surroundings: Mapping[str, str]
    tables: Sequence[Table]
    data: Mapping[str, Any]
    notes: Sequence[str] = field(default_factory=tuple)

    def as_markdown(self) -> str:
        """Surroundings, tables and notes."""
        facts = ", ".join(f"{name} {value}" for name, value in self.surroundings.items())
        parts = [f"`scripts/bench {self.benchmark}`: {facts}.", *(t.as_markdown() for t in self.tables)]
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in self.notes))
        return "\n\n".join(parts) + "\n"

    def as_json(self) -> str:
        """Everything, as one JSON object; ValueError for NaN, which JSON has no word for."""
        whole = {
            "benchmark": self.benchmark,
            "surroundings": dict(self.surroundings),
            "notes": list(self.notes),
            **self.data,
        }
        return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``deliver`` reads."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers here")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables here")


def deliver(findings: Findings, options: argparse.Namespace) -> None:
    """Print the tables, and write the files that were asked for."""
    sys.stdout.write(findings.as_markdown())
    if options.markdown is not None:
        options.markdown.write_text(findings.as_markdown(), encoding="utf-8")
    if options.json is not None:
        options.json.write_text(findings.as_json(), encoding="utf-8")


def tell(line: str) -> None:
    """Say on standard error how far a long benchmark is."""
    sys.stderr.write(f"bench: {line}\n")
    sys.stderr.flush()


def percentiles(times_ms: Sequence[float] | npt.NDArray[np.float64]) -> dict[str, float]:
    """The median and the 99th percentile of some times, in milliseconds. ValueError where there are none."""
    if not len(times_ms):
        raise ValueError("there are no times to summarise")
    p50, p99 = np.percentile(np.asarray(times_ms, np.float64), (50, 99))
    return {"p50_ms": round(float(p50), 4), "p99_ms": round(float(p99), 4)}
