"""Reading and cleaning source files of a million rows: rows a second, peak memory, and whether the report adds up.

The tables are made up: a catalogue's rows over and over, each with an id and texts of its own, and with faults whose
number is known (``made_tables``). Each reading is a process of its own, so that its peak is its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from indexer.benchmarks import findings
from indexer.benchmarks.findings import Findings, Table, tell
from indexer.benchmarks.made_tables import write_movies, write_tracks
from indexer.benchmarks.surroundings import describe as describe_surroundings
from indexer.benchmarks.surroundings import peak_bytes
from indexer.catalogue.catalogue import read_catalogue
from indexer.errors import ConfigError, SegueError
from indexer.starter import MOVIES, TRACKS

LIBRARIES = ("pandas", "pyarrow", "numpy")
_ROOT = Path(__file__).resolve().parents[2]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``run`` reads."""
    parser.add_argument("--films", type=int, default=1_100_000, help="rows of the table of films (1,100,000)")
    parser.add_argument("--songs", type=int, default=1_000_000, help="rows of the table of songs (1,000,000)")
    parser.add_argument("--movies", type=Path, default=MOVIES, help="films to make others of (the starter's)")
    parser.add_argument("--tracks", type=Path, default=TRACKS, help="songs to make others of (the starter's)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", type=Path, help="where to put the tables meanwhile (a temporary folder)")
    parser.add_argument("--most-mib", type=int, help="exit 1 where the peak is above this")
    findings.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Make the tables, read them and deliver; 1 where the report does not add up or ``--most-mib`` is passed."""
    if options.films < 1 or options.songs < 1:
        raise ConfigError("films and songs must be at least 1")
    with tempfile.TemporaryDirectory(prefix="segue-read-", dir=options.scratch) as scratch:
        paths = (Path(scratch) / "movies.csv", Path(scratch) / "tracks.csv")
        tell(f"making {options.films:,} films and {options.songs:,} songs")
        made = {
            "movies": write_movies(paths[0], options.movies, options.films, options.seed),
            "tracks": write_tracks(paths[1], options.tracks, options.songs, options.seed),
        }
        sizes_bytes = {path.stem: path.stat().st_size for path in paths}
        tell("reading them")
        found = _read_apart(paths)
    rows = {"movies": options.films, "tracks": options.songs}
    faults = [
        fault
        for source in rows
        for fault in check(found["report"]["files"][source], rows[source], made[source])
    ]
    data = {
        **found,
        "made": {"rows": rows, "faults": made, "size_bytes": sizes_bytes},
        "does_not_add_up": faults,
    }
    total, seconds = sum(rows.values()), found["seconds"]
    peak_mib = found["peak_bytes"] / 2**20
    line = [
        f"{options.films:,}",
        f"{options.songs:,}",
        f"{sum(sizes_bytes.values()) / 1e6:,.0f} MB",
        f"{seconds:.1f} s",
        f"{found['processor_seconds']:.1f} s",
        f"{total / seconds:,.0f}",
        f"{peak_mib:,.0f} MiB",
        f"{found['start_bytes'] / 2**20:,.0f} MiB",
        "; ".join(faults) or "yes",
    ]
    columns = [
        "films",
        "songs",
        "files",
        "read and cleaned in",
        "processor time",
        "rows a second",
        "peak",
        "before",
        "report adds up",
    ]
    delivered = Findings(
        "read",
        describe_surroundings(options.seed, LIBRARIES),
        [Table("Reading made-up tables", columns, [line]), _tabulate(found["report"]["files"], made)],
        data,
        [
            f"The rows are made up of those in {options.movies.name} and {options.tracks.name}, with faults put in.",
            "Peak: VmHWM of the process that reads, all of read_catalogue; before: the same once its libraries are "
            "loaded. One thread.",
        ],
    )
    findings.deliver(delivered, options)
    if options.most_mib is not None and peak_mib > options.most_mib:
        tell(f"the peak is {peak_mib:,.0f} MiB, above {options.most_mib:,}")
        return 1
    return 1 if faults else 0


def check(report: dict[str, Any], rows: int, made: dict[str, int]) -> list[str]:
    """What in a file's report (as ``FileReport.to_dict`` gives it) contradicts how the file was made; none is right."""
    faults = []
    if report["rows_read"] != rows:
        faults.append(f"{report['rows_read']} rows read instead of {rows}")
    if report["rows_kept"] + report["rows_dropped"] + report["rows_merged"] != report["rows_read"]:
        faults.append("rows kept, dropped and merged are not those read")
    for rule in report["rules"]:
        if rule["action"] != "blank" and rule["count"] != made.get(rule["name"], 0):
            faults.append(f"{rule['name']} {rule['count']} instead of {made.get(rule['name'], 0)}")
    return faults


def _tabulate(reports: dict[str, Any], made: dict[str, dict[str, int]]) -> Table:
    lines = [
        [f"{source}: {rule['name']}", f"{made[source].get(rule['name'], 0):,}", f"{rule['count']:,}"]
        for source, report in reports.items()
        for rule in report["rules"]
        if rule["action"] != "blank" and (rule["count"] or made[source].get(rule["name"]))
    ]
    return Table("Rows dropped or merged, by rule", ["rule", "put in", "reported"], lines)


def _read_apart(paths: Sequence[Path]) -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-m", "indexer.benchmarks.read", *map(str, paths)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["without a word"])[-1]
        raise SegueError(f"the reading process ended with {ended.returncode}: {last}")
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def _read_here(movies: Path, tracks: Path) -> dict[str, Any]:
    start_bytes, start, start_cpu = peak_bytes(), time.perf_counter(), time.process_time()
    catalogue = read_catalogue(movies, tracks)
    return {
        "seconds": round(time.perf_counter() - start, 3),
        "processor_seconds": round(time.process_time() - start_cpu, 3),
        "start_bytes": start_bytes,
        "peak_bytes": peak_bytes(),
        "report": catalogue.report.to_dict(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_read_here(Path(sys.argv[1]), Path(sys.argv[2]))))
