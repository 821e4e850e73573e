"""``evaluate --judgements``: what a version's lists are worth to people who know both works."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from indexer import index_version as versions
from indexer.errors import SegueError


def add_options(evaluate: argparse.ArgumentParser) -> None:
    """Add what goes with ``--judgements``."""
    evaluate.add_argument(
        "--questions", type=Path, help="the judged questions (queries.csv beside the judgements)"
    )
    evaluate.add_argument(
        "--suggestions",
        type=Path,
        help="what a critic would answer: columns query, target, title, artist_or_year",
    )
    evaluate.add_argument(
        "--write-unjudged",
        type=Path,
        metavar="FILE",
        help="write the answers that nobody judged yet, to be graded",
    )
    evaluate.add_argument(
        "--merge", type=Path, metavar="FILE", help="first take the grades of a file of --write-unjudged in"
    )
    evaluate.add_argument(
        "--write-curves",
        type=Path,
        metavar="FILE",
        help="write score curves fitted to the judgements, to stand in for those that are carried",
    )


def evaluate_judgements(options: argparse.Namespace) -> None:
    """Print the figures of a version's lists; raises a ``SegueError`` on files that cannot be used."""
    from indexer import judgements

    path: Path = options.judgements
    if options.html is not None:
        raise SegueError("there is no page of judgements; --html goes with --pairs")
    if options.merge is not None:
        added = judgements.merge_judgements(path, options.merge)
        sys.stdout.write(f"{added:,} judgements added to {path.name}\n")
    questions = judgements.read_questions(options.questions or path.with_name("queries.csv"))
    known = judgements.read_judgements(path)
    version = versions.open_version(options.indexes, options.version)
    try:
        answered = judgements.answer_questions(version, questions)
        figures = judgements.measure(
            answered, known, options.suggestions, version, options.bootstrap, options.seed
        )
        curves = judgements.fit_curves(version, answered, known) if options.write_curves else {}
    finally:
        version.close()
    sys.stdout.write(judgements.show_figures(figures))
    if options.json is not None:
        plain = {"version": version.name, "figures": [one.to_dict() for one in figures]}
        options.json.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    if options.write_unjudged is not None:
        count = judgements.write_unjudged(options.write_unjudged, answered, known)
        sys.stdout.write(f"{count:,} answers without a grade written to {options.write_unjudged}\n")
    if options.write_curves is not None:
        shown = [[source, target, curve.to_dict()] for (source, target), curve in sorted(curves.items())]
        options.write_curves.write_text(json.dumps(shown, indent=1) + "\n", encoding="utf-8")
