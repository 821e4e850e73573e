"""``--data``: a folder whose files stand in for those that are not named."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from indexer.errors import SegueError

#: Under which name ``--data`` looks for the file of a setting.
DATA_FILES = {
    "movies": "movies_19k.csv",
    "tracks": "tracks_82k.csv",
    "soundtracks": "soundtracks.csv",
    "song_emotions": "song_emotion_deezer.csv",
    "emotion_words": "song_emotion_tags.csv",
    "movie_tags": "movie_tags_movielens.csv",
    "song_positivity": "spotiflix_song_positivity_4k.csv",
    "clip_features": "fma_echonest_13k.csv",
    "soundtrack_features": "spotiflix_soundtracks.csv",
}


def find_data(folder: Path, given: dict[str, Any]) -> dict[str, Path]:
    """The files of a data folder that were not named otherwise; says which were found and which were not."""
    if not folder.is_dir():
        raise SegueError(
            f"{folder} is not a folder; --data takes one that holds some of {', '.join(DATA_FILES.values())}"
        )
    wanted = {name: folder / file for name, file in DATA_FILES.items() if given.get(name) is None}
    found = {name: path for name, path in wanted.items() if path.is_file()}
    lacking = [path.name for name, path in wanted.items() if name not in found]
    sys.stdout.write(f"from {folder}: {', '.join(path.name for path in found.values()) or 'nothing'}\n")
    if lacking:
        sys.stdout.write(f"not there, so done without: {', '.join(lacking)}\n")
    return found
