"""What a build reads, by the options that say so: files named, fetched, in a data folder, or the starter's."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from indexer import public_data
from indexer.catalogue.cleaning import PRESETS
from indexer.catalogue.column_map import read_column_map
from indexer.catalogue.spotify import LAYOUT as TRACK_LAYOUT
from indexer.catalogue.tmdb import LAYOUT as MOVIE_LAYOUT
from indexer.commands.data_folder import find_data
from indexer.errors import ConfigError
from indexer.starter import MOVIES, SOUNDTRACKS, TRACKS

#: Where ``fetch`` puts data sets unless told otherwise.
_FETCHED = Path("data")

#: Options that choose sources, and are no settings of a build themselves.
_CHOOSING = frozenset({"run", "starter", "data", "map_movies", "map_tracks", "dry_run"})

_NO_TAGS = "movielens is not fetched, so done without people's tags and ratings: "


def choose_sources(options: argparse.Namespace) -> dict[str, Any]:
    """Settings of the build as ``BuildConfig`` takes them, every source decided; films or songs may be None.

    What an option names goes first, then the starter's, then what is found in a folder. Says what was found there.
    Raises ``ConfigError`` for options that contradict each other, and what looking into the folder raises.
    """
    values = {name: value for name, value in vars(options).items() if name not in _CHOOSING}
    values |= {
        "movie_columns": read_column_map(options.map_movies, MOVIE_LAYOUT),
        "track_columns": read_column_map(options.map_tracks, TRACK_LAYOUT),
    }
    for option, columns, file in (
        ("--map", "movie_columns", "movies"),
        ("--map-tracks", "track_columns", "tracks"),
    ):
        if values[columns] and values[file] is None:
            raise ConfigError(f"{option} names the columns of --{file}, which is not given")
    if options.preset not in (*PRESETS, public_data.PRESET):
        known = ", ".join((*PRESETS, public_data.PRESET))
        raise ConfigError(f"unknown preset {options.preset!r}; there are {known}")
    is_public = options.preset == public_data.PRESET
    if options.starter:
        if is_public:
            raise ConfigError(
                "--starter and --preset public both bring films and songs: leave one of them out"
            )
        values |= _take_starter(values)
    if is_public:
        # The preset brings files; they are cleaned like any other.
        values |= {"preset": "default", **_find_public(options.data or _FETCHED, values)}
    elif options.data is not None:
        values |= find_data(options.data, values)
    return values


def _take_starter(given: dict[str, Any]) -> dict[str, Path]:
    starter = {"movies": MOVIES, "tracks": TRACKS, "soundtracks": SOUNDTRACKS}
    taken = {name: path for name, path in starter.items() if given[name] is None}
    if len(taken.keys() & {"movies", "tracks"}) < 2:
        # Its pairs are of its own films and songs.
        taken.pop("soundtracks", None)
    return taken


def _find_public(folder: Path, given: dict[str, Any]) -> dict[str, Path]:
    files = public_data.find_public_files(
        folder, {name for name in public_data.SOURCES if given.get(name) is not None}
    )
    sys.stdout.write(
        f"from {folder}: {', '.join(path.relative_to(folder).as_posix() for path in files.found.values())}\n"
    )
    if files.lacking:
        sys.stdout.write(_NO_TAGS + public_data.fetch_command("movielens", folder) + "\n")
    return files.found
