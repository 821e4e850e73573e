"""``python -m indexer explore``: a report on what a catalogue holds, with figures."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from indexer import index_version as versions
from indexer.commands import AddCommand
from indexer.commands.option_values import positive
from indexer.errors import SegueError, VersionNotFound
from indexer.starter import MOVIES, SOUNDTRACKS, TRACKS


def add_to(command: AddCommand) -> None:
    """Add ``explore``."""
    explore = command(
        "explore", _run, "Describe films, songs and known pairs in an HTML report with figures."
    )
    explore.add_argument(
        "--movies", type=Path, help="films in the TMDb v11 layout: .csv, .csv.gz or .parquet"
    )
    explore.add_argument("--tracks", type=Path, help="songs in the Spotify Tracks layout")
    explore.add_argument("--soundtracks", type=Path, help="known pairs: columns tmdb_id, track_id")
    explore.add_argument(
        "--starter", action="store_true", help="explore the starter catalogue instead of files"
    )
    explore.add_argument(
        "--out", type=Path, required=True, help="folder to write index.html and its figures to"
    )
    explore.add_argument(
        "--version", help="whose blocks to weigh (default: the version served in --indexes, if there is one)"
    )
    explore.add_argument("--seed", type=int, default=0, help="seed of every random choice (0)")
    explore.add_argument("--bootstrap", type=positive, default=1000, help="draws behind each interval (1000)")


def _run(options: argparse.Namespace) -> None:
    started = time.monotonic()
    # pandas and matplotlib load only for a report.
    from indexer.explore.report import FACTS, PAGE, Sources, write_report

    if options.starter:
        sources = Sources(MOVIES, TRACKS, SOUNDTRACKS)
    elif options.movies is None or options.tracks is None:
        raise SegueError(
            "explore needs --movies FILE and --tracks FILE, or --starter for the starter catalogue"
        )
    else:
        sources = Sources(options.movies, options.tracks, options.soundtracks)
    version = _open(options.indexes, options.version)
    try:
        facts = write_report(sources, options.out, version, options.bootstrap, options.seed)
    finally:
        if version is not None:
            version.close()
    sys.stdout.write(
        f"{options.out / PAGE} and {FACTS}: {facts['movies']['rows']:,} films, {facts['tracks']['rows']:,} songs, "
        f"{facts['soundtracks'].get('pairs', 0):,} known pairs, "
        f"{'no index version' if version is None else version.name}; {time.monotonic() - started:.1f} s\n"
    )


def _open(indexes: Path, name: str | None) -> versions.IndexVersion | None:
    """The version to weigh; None where none was asked for and none is served."""
    try:
        return versions.open_version(indexes, name)
    except VersionNotFound:
        if name is not None:
            raise
        return None
