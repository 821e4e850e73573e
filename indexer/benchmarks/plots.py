"""Figures of the comparison: time against selectivity, one line a contender, from the JSON that it wrote."""

from __future__ import annotations

import argparse
import json
from importlib import import_module
from pathlib import Path
from typing import Any

from indexer.benchmarks.workload import DEPTH
from indexer.errors import ConfigError, MissingMaterial, UnreadableFile

#: Dots of searches that find less than this are hollow: fast and wrong is not fast.
_GOOD_RECALL = 0.99


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``run`` reads."""
    parser.add_argument("findings", type=Path, help="the file that search --json wrote")
    parser.add_argument("--plots", type=Path, required=True, metavar="FOLDER", help="draw into this folder")


def run(options: argparse.Namespace) -> int:
    """Draw; UnreadableFile where the findings cannot be read."""
    try:
        found = json.loads(options.findings.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{options.findings} cannot be read: {error}") from error
    if not isinstance(found, dict) or found.get("benchmark") != "search":
        raise ConfigError(f"{options.findings} was not written by the search benchmark")
    draw(found, options.plots)
    return 0


def draw(found: dict[str, Any], folder: Path) -> list[Path]:
    """Write ``bench-search-<medium>.svg`` for every medium; MissingMaterial without matplotlib."""
    try:
        import_module("matplotlib").use("svg")
        pyplot = import_module("matplotlib.pyplot")
    except ImportError as error:
        raise MissingMaterial(f"matplotlib draws the figures and is not installed: {error}") from error
    # The same findings give the same bytes.
    pyplot.rcParams["svg.hashsalt"] = "segue"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for medium, part in found["media"].items():
        figure, axes = pyplot.subplots(figsize=(8, 4.5))
        for name, entry in part["contenders"].items():
            if "missing" in entry:
                continue
            points = sorted((float(share), cell) for share, cell in entry["searches"].items())
            shares = [100 * share for share, _ in points]
            times = [cell["p50_ms"] for _, cell in points]
            (line,) = axes.plot(shares, times, label=name, linewidth=2.4 if name == "Segue" else 1.2)
            good = [cell[f"recall_{DEPTH}"] >= _GOOD_RECALL for _, cell in points]
            for marks, face in ((good, line.get_color()), ([not g for g in good], "white")):
                axes.scatter(
                    [s for s, mark in zip(shares, marks, strict=True) if mark],
                    [t for t, mark in zip(times, marks, strict=True) if mark],
                    color=line.get_color(),
                    facecolor=face,
                    zorder=3,
                )
        axes.set(
            xscale="log",
            yscale="log",
            xlabel="rows that pass the filter, %",
            ylabel="median search, ms",
            title=f"{part['rows']:,} {medium}; hollow: recall@{DEPTH} below {_GOOD_RECALL}",
        )
        axes.grid(visible=True, which="major", alpha=0.3)
        axes.legend(fontsize=8, ncols=2)
        figure.tight_layout()
        file = folder / f"bench-search-{medium}.svg"
        figure.savefig(file, metadata={"Date": None})
        pyplot.close(figure)
        written.append(file)
    return written
