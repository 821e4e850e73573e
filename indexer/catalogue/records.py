"""What a film and a song are, everywhere in Segue: plain records, and the columns a table of them has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

Medium = Literal["movies", "tracks"]

#: Joins the parts of a multi-valued cell (genres, keywords, artists, tags, other ids).
SEPARATOR = "|"


def other_medium(medium: Medium) -> Medium:
    """Songs for films, films for songs."""
    return "tracks" if medium == "movies" else "movies"


def split_cell(cell: object) -> list[str]:
    """Parts of a multi-valued cell, empty ones left out; none for a cell that is no text."""
    return [part for part in cell.split(SEPARATOR) if part] if isinstance(cell, str) else []


#: Spotify's audio features with their documented ranges (Spotify Web API reference, "audio features").
AUDIO_FEATURES: dict[str, tuple[float, float]] = {
    "danceability": (0.0, 1.0),
    "energy": (0.0, 1.0),
    "loudness": (-60.0, 10.0),
    "speechiness": (0.0, 1.0),
    "acousticness": (0.0, 1.0),
    "instrumentalness": (0.0, 1.0),
    "liveness": (0.0, 1.0),
    "valence": (0.0, 1.0),
    "tempo": (0.0, 300.0),
}


@dataclass(frozen=True, slots=True)
class Movie:
    """One film. ``None`` means unknown; it is never a stand-in value. Popularity is the source's own scale."""

    id: str
    title: str
    original_title: str | None = None
    year: int | None = None
    genres: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    overview: str | None = None
    tagline: str | None = None
    language: str | None = None
    countries: tuple[str, ...] = ()
    runtime_min: float | None = None
    rating: float | None = None
    votes: int | None = None
    popularity: float | None = None
    revenue: float | None = None
    budget: float | None = None
    imdb_id: str | None = None
    poster_path: str | None = None


@dataclass(frozen=True, slots=True)
class Track:
    """One song. ``None`` means unknown. Loudness in dB, tempo in beats a minute, popularity 0–100."""

    id: str
    title: str
    artists: tuple[str, ...] = ()
    other_ids: tuple[str, ...] = ()
    album: str | None = None
    genres: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    year: int | None = None
    decade: int | None = None
    popularity: float | None = None
    duration_ms: int | None = None
    explicit: bool | None = None
    key: int | None = None
    mode: int | None = None
    time_signature: int | None = None
    danceability: float | None = None
    energy: float | None = None
    loudness: float | None = None
    speechiness: float | None = None
    acousticness: float | None = None
    instrumentalness: float | None = None
    liveness: float | None = None
    valence: float | None = None
    tempo: float | None = None


def _columns(record: type[Movie] | type[Track]) -> dict[str, str]:
    kinds: dict[str, str] = {}
    for field in fields(record):
        declared = str(field.type)
        if declared.startswith("tuple"):
            kinds[field.name] = "many"
        elif declared.startswith("int"):
            kinds[field.name] = "int"
        elif declared.startswith("float"):
            kinds[field.name] = "float"
        elif declared.startswith("bool"):
            kinds[field.name] = "bool"
        else:
            kinds[field.name] = "text"
    return kinds


#: Column → kind ("text", "many", "int", "float", "bool"), in the order tables keep.
MOVIE_COLUMNS: dict[str, str] = _columns(Movie)
TRACK_COLUMNS: dict[str, str] = _columns(Track)


def _from_cells(kinds: Mapping[str, str], cells: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, kind in kinds.items():
        cell = cells.get(name)
        if kind == "many":
            values[name] = tuple(part for part in str(cell).split(SEPARATOR) if part) if cell else ()
        elif cell is None or cell != cell:
            values[name] = None
        elif kind == "int":
            values[name] = int(cell)
        elif kind == "float":
            values[name] = float(cell)
        elif kind == "bool":
            values[name] = bool(cell)
        else:
            values[name] = str(cell) or None
    return values


def movie_from_cells(cells: Mapping[str, Any]) -> Movie:
    """Make a ``Movie`` from a table row: multi-valued cells are split at ``SEPARATOR``, empty means unknown."""
    return Movie(**_from_cells(MOVIE_COLUMNS, cells))


def track_from_cells(cells: Mapping[str, Any]) -> Track:
    """Make a ``Track`` from a table row: multi-valued cells are split at ``SEPARATOR``, empty means unknown."""
    return Track(**_from_cells(TRACK_COLUMNS, cells))
