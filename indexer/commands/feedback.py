"""What people said of results: ``python -m indexer feedback export``, and ``evaluate --feedback``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from indexer.commands import AddCommand
from indexer.errors import SegueError
from indexer.feedback import FILE, Judgement, read_csv, write_csv
from indexer.feedback_database import read_database
from indexer.feedback_measures import measure

_ABOUT = "Export what people said of results: verdicts on hits and blind votes, with nothing that says who."


def add_to(command: AddCommand) -> None:
    """Declare the command."""
    parser = command("feedback", _run, _ABOUT)
    parser.add_argument("action", choices=["export"], help="write a CSV file that evaluate --feedback reads")
    parser.add_argument(
        "--url", help=f"the database, as SEGUE_FEEDBACK_URL names it ({FILE} in the folder of index versions)"
    )
    parser.add_argument("--out", type=Path, required=True, help="the CSV file to write")


def report_feedback(source: str, told: Path | None) -> None:
    """Print what the feedback in ``source`` amounts to, and write it to ``told`` as JSON.

    ``source``: the URL of a database, its SQLite file, or an exported CSV file. Raises ``UnreadableFile``,
    ``MissingColumn`` or ``FeedbackUnavailable``.
    """
    report = measure(_read(source))
    sys.stdout.write(report.to_text())
    if told is not None:
        part = told.with_name(f".{told.name}.part")
        part.write_text(json.dumps(report.to_dict(), indent=1) + "\n", encoding="utf-8")
        part.replace(told)


def _read(source: str) -> Iterator[Judgement]:
    if "://" in source:
        return read_database(source)
    file = Path(source)
    return read_database(file) if file.suffix in (".sqlite", ".db") else read_csv(file)


def _run(options: argparse.Namespace) -> None:
    if not options.out.parent.is_dir():
        raise SegueError(f"there is no folder {options.out.parent} to write {options.out.name} to")
    count = write_csv(read_database(options.url or options.indexes / FILE), options.out)
    sys.stdout.write(f"{count:,} judgements are in {options.out}\n")
