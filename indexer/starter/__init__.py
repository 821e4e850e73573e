"""A small catalogue of Segue's own, for a fresh clone to search; README.md says how it was made."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent

#: Films, in the column order of the TMDb movies data set (v11).
MOVIES: Path = _HERE / "movies.csv"
#: Songs, in the column order of the Spotify Tracks data set, then year, decade and tags; one row per genre.
TRACKS: Path = _HERE / "tracks.csv"
#: Known pairs: which song is heard in which film.
SOUNDTRACKS: Path = _HERE / "soundtracks.csv"

__all__ = ["MOVIES", "SOUNDTRACKS", "TRACKS"]
