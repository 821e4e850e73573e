"""The sentence about a film or a song that the text encoder reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from indexer.catalogue.records import Movie, Track, movie_from_cells, track_from_cells

if TYPE_CHECKING:
    import pandas as pd

#: (feature, below, words, above, words): only the telling ends get words; the middle says nothing.
_AUDIO_WORDS: tuple[tuple[str, float, str, float, str], ...] = (
    ("valence", 0.25, "sad, melancholy", 0.75, "happy, cheerful"),
    ("energy", 0.3, "calm, quiet", 0.8, "energetic, intense"),
    ("tempo", 80.0, "slow", 150.0, "fast"),
    ("acousticness", -1.0, "", 0.75, "acoustic"),
    ("instrumentalness", -1.0, "", 0.6, "instrumental"),
    ("danceability", -1.0, "", 0.75, "danceable"),
    ("speechiness", -1.0, "", 0.4, "spoken words"),
    ("liveness", -1.0, "", 0.8, "live"),
)
#: Long tag lists repeat themselves; the first ones are the strongest.
_MOST_TAGS = 12


def describe_movie(movie: Movie) -> str:
    """Say what a film is: title, genres, tagline, overview, keywords; unknown parts are left out."""
    return _join(
        movie.title,
        ", ".join(movie.genres),
        movie.tagline,
        movie.overview,
        ", ".join(movie.keywords),
    )


def describe_track(track: Track) -> str:
    """Say what a song is: title, artists, genres and tags, decade, and its audio features in words."""
    by = " by ".join(part for part in (track.title, ", ".join(track.artists)) if part)
    if track.artists and not track.title:
        by = f"by {by}"
    labels = dict.fromkeys((*track.genres, *track.tags[:_MOST_TAGS]))
    decade = track.decade if track.decade is not None else _decade(track.year)
    return _join(
        by,
        ", ".join(labels),
        f"{decade}s" if decade is not None else None,
        ", ".join(_audio_words(track)),
    )


def describe_movies(movies: pd.DataFrame) -> list[str]:
    """One sentence per row of a table with ``MOVIE_COLUMNS``."""
    return [describe_movie(movie_from_cells(cells)) for cells in _rows(movies)]


def describe_tracks(tracks: pd.DataFrame) -> list[str]:
    """One sentence per row of a table with ``TRACK_COLUMNS``."""
    return [describe_track(track_from_cells(cells)) for cells in _rows(tracks)]


def _rows(table: pd.DataFrame) -> Iterator[Mapping[str, Any]]:
    """Rows as dicts, one at a time: a million of them at once would not fit."""
    names = [str(name) for name in table.columns]
    for cells in zip(
        *(table[name].astype(object).where(table[name].notna(), None) for name in names), strict=True
    ):
        yield dict(zip(names, cells, strict=True))


def _decade(year: int | None) -> int | None:
    return None if year is None else year // 10 * 10


def _audio_words(track: Track) -> Iterable[str]:
    for feature, low, low_words, high, high_words in _AUDIO_WORDS:
        value = getattr(track, feature)
        if value is None:
            continue
        if value < low:
            yield low_words
        elif value > high:
            yield high_words


def _join(*parts: str | None) -> str:
    told = [part.strip().rstrip(".") for part in parts if part and part.strip()]
    return ". ".join(told) + "." if told else ""
