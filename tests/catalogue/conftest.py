from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

HEALTHY_MOVIE = {
    "id": "1", "title": "Up North", "vote_average": "7.5", "vote_count": "10", "status": "Released",
    "release_date": "1999-05-04", "revenue": "5", "runtime": "90", "adult": "False", "budget": "3",
    "imdb_id": "tt0000001", "original_language": "en", "original_title": "Up North", "overview": "A walk.",
    "popularity": "1.5", "poster_path": "/p.jpg", "tagline": "Go.", "genres": "Drama, Comedy",
    "production_countries": "France, Spain", "keywords": "walk, north",
}  # fmt: skip
HEALTHY_TRACK = {
    "": "0", "track_id": "t1", "artists": "Ann;Bob", "album_name": "One", "track_name": "Song",
    "popularity": "40", "duration_ms": "200000", "explicit": "False", "danceability": "0.5", "energy": "0.6",
    "key": "3", "loudness": "-7.5", "mode": "1", "speechiness": "0.1", "acousticness": "0.2",
    "instrumentalness": "0.3", "liveness": "0.4", "valence": "0.7", "tempo": "120.5", "time_signature": "4",
    "track_genre": "folk", "year": "1972.0", "decade": "1970.0", "tags": "soft rock|mellow",
}  # fmt: skip

MOVIE_HEADER = list(HEALTHY_MOVIE)
TRACK_HEADER = list(HEALTHY_TRACK)

WriteRows = Callable[..., Path]


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Mapping[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([[row.get(name, "") for name in header] for row in rows])
    return path


@pytest.fixture
def write_movies(tmp_path: Path) -> WriteRows:
    """Write films that differ from a healthy one only in what each mapping says; ids count up from 1."""

    def write(*changes: Mapping[str, str], drop: Sequence[str] = ()) -> Path:
        rows = [{**HEALTHY_MOVIE, "id": str(at), **change} for at, change in enumerate(changes, start=1)]
        return write_csv(tmp_path / "movies.csv", [name for name in MOVIE_HEADER if name not in drop], rows)

    return write


@pytest.fixture
def write_tracks(tmp_path: Path) -> WriteRows:
    """Write songs that differ from a healthy one only in what each mapping says; ids and titles count up."""

    def write(*changes: Mapping[str, str], drop: Sequence[str] = ()) -> Path:
        rows = [
            {**HEALTHY_TRACK, "track_id": f"t{at}", "track_name": f"Song {at}", **change}
            for at, change in enumerate(changes, start=1)
        ]
        return write_csv(tmp_path / "tracks.csv", [name for name in TRACK_HEADER if name not in drop], rows)

    return write
