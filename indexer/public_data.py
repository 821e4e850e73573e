"""The public data sets as a build takes them: which fetched file is which source, and what is known of its origin."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.errors import UnreadableFile
from indexer.fetching.data_sets import (
    FILES,
    MOVIELENS,
    RECORD,
    SPOTIFY_TRACKS,
    TMDB_MOVIES,
    fetched_files,
    read_record,
)

#: The preset of ``build`` that reads them; its rules of cleaning are those of "default".
PRESET = "public"

#: Setting of a build → the fetched file that it takes.
SOURCES = {
    "movies": f"{TMDB_MOVIES}/TMDB_movie_dataset_v11.csv",
    "tracks": f"{SPOTIFY_TRACKS}/dataset.csv",
    "movie_tags": f"{MOVIELENS}/tags.csv",
    "ratings": f"{MOVIELENS}/ratings.csv",
}

_NEEDED = ("movies", "tracks")


@dataclass(frozen=True, slots=True)
class PublicFiles:
    """Fetched files by setting, and the settings done without because their data set was not fetched."""

    found: dict[str, Path]
    lacking: tuple[str, ...]


def find_public_files(folder: Path, given: Collection[str] = ()) -> PublicFiles:
    """Find the fetched files in a folder for all settings but those ``given`` otherwise.

    Films and songs must be there. Raises ``UnreadableFile``, with the command that fetches them, where a data set
    is missing or is not whole.
    """
    fetched = fetched_files(folder)
    wanted = {setting: file for setting, file in SOURCES.items() if setting not in given}
    found = {setting: fetched[file] for setting, file in wanted.items() if file in fetched}
    lacking = tuple(setting for setting in wanted if setting not in found)
    needed = [wanted[setting].split("/")[0] for setting in _NEEDED if setting in lacking]
    if needed:
        raise UnreadableFile(
            f"not fetched into {folder}: {' and '.join(needed)}; "
            + " && ".join(fetch_command(dataset, folder) for dataset in needed)
        )
    return PublicFiles(found, lacking)


def fetch_command(dataset: str, folder: Path) -> str:
    """The command line that fetches a data set into a folder."""
    return f"python -m indexer fetch {dataset} --into {shlex.quote(str(folder))}"


def tell_origin(path: Path, sha256: str) -> dict[str, Any]:
    """Data set, source, revision and licence of a fetched file, as its folder says; nothing for any other file.

    ``is_altered`` is there, and true, where the file's digest is not that of what was fetched.
    """
    if path.name not in FILES.get(path.parent.name, ()) or not (path.parent / RECORD).is_file():
        return {}
    record = read_record(path.parent)
    origin: dict[str, Any] = {
        name: getattr(record, name) for name in ("dataset", "source", "revision", "licence")
    }
    return origin if record.files[path.name].sha256 == sha256 else {**origin, "is_altered": True}
