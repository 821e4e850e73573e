"""Source tables made up of a real catalogue's rows, as long as is wanted, with faults whose number is known."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from indexer.catalogue.spotify import read_tracks
from indexer.catalogue.tmdb import read_movies
from indexer.errors import EmptyCatalogue

#: The 24 columns of the TMDb movies data set, v11, in their order.
MOVIE_HEADER = [
    "id",
    "title",
    "vote_average",
    "vote_count",
    "status",
    "release_date",
    "revenue",
    "runtime",
    "adult",
    "backdrop_path",
    "budget",
    "homepage",
    "imdb_id",
    "original_language",
    "original_title",
    "overview",
    "popularity",
    "poster_path",
    "tagline",
    "genres",
    "production_companies",
    "production_countries",
    "spoken_languages",
    "keywords",
]

#: The 20 columns of the Spotify Tracks data set beside the unnamed one that counts its rows.
TRACK_HEADER = [
    "",
    "track_id",
    "artists",
    "album_name",
    "track_name",
    "popularity",
    "duration_ms",
    "explicit",
    "danceability",
    "energy",
    "key",
    "loudness",
    "mode",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
    "time_signature",
    "track_genre",
]

#: Share of the films that each rule of cleaning is to drop; most of all what the published file lacks most.
_MOVIE_FAULTS = {
    "missing_overview": 0.05,
    "missing_genres": 0.1,
    "not_released": 0.02,
    "adult": 0.02,
    "duplicate_id": 0.002,
    "missing_title": 0.0005,
    "missing_id": 0.0005,
    "nul_bytes": 0.0002,
    "undecodable_bytes": 0.0002,
    "broken_row": 0.0005,
}

#: The published file lists every fifth song again under another genre, and some recordings under several ids.
_TRACK_FAULTS = {
    "genre_rows_merged": 0.2,
    "same_recording_merged": 0.05,
    "missing_artist": 0.0005,
    "missing_title": 0.0005,
    "broken_row": 0.0005,
}

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PIECE_ROWS = 20_000

Row = dict[str, str]


def write_movies(path: Path, source: Path, rows: int, seed: int) -> dict[str, int]:
    """Write ``rows`` made-up films like those of ``source``; returns rule → rows it is to drop, those of 0 left out.

    Every film has an id, a title and texts of its own, as long as a real film's. Raises what reading ``source``
    raises.
    """
    real = _healthy(source, read_movies(source)[0], MOVIE_HEADER)
    return _write(path, MOVIE_HEADER, real, rows, _MOVIE_FAULTS, _make_movie, seed)


def write_tracks(path: Path, source: Path, rows: int, seed: int) -> dict[str, int]:
    """Write ``rows`` made-up songs like those of ``source``; returns rule → rows it is to drop or merge.

    Raises what reading ``source`` raises.
    """
    real = _healthy(source, read_tracks(source)[0], TRACK_HEADER)
    return _write(path, TRACK_HEADER, real, rows, _TRACK_FAULTS, _make_track, seed)


def _healthy(source: Path, kept: pd.DataFrame, header: Sequence[str]) -> list[Row]:
    """The source's rows that cleaning keeps, each once, as cells of ``header``."""
    read = pd.read_parquet if source.name.lower().endswith(".parquet") else _read_csv
    table = read(source).fillna("").astype(str)
    column = "track_id" if "track_id" in header else "id"
    table = table[table[column].isin(set(kept["id"]))].drop_duplicates(column)
    if table.empty:
        raise EmptyCatalogue(f"{source}: no row is left to make others of")
    return [
        dict(zip(header, cells, strict=True))
        for cells in _rows(table.reindex(columns=list(header), fill_value=""))
    ]


def _read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(
        path, dtype="str", keep_default_na=False, encoding_errors="replace", on_bad_lines="skip"
    )


def _rows(table: pd.DataFrame) -> Any:
    return table.itertuples(index=False, name=None)


def _write(
    path: Path,
    header: Sequence[str],
    real: list[Row],
    rows: int,
    shares: dict[str, float],
    make: Callable[[Row, int, np.random.Generator], Row],
    seed: int,
) -> dict[str, int]:
    names = (*shares, "")
    chances = np.array([*shares.values(), 1 - sum(shares.values())])
    made: Counter[str] = Counter()
    before: Row | None = None
    with path.open("wb") as file:
        file.write(_line(header))
        for start in range(0, rows, _PIECE_ROWS):
            random = np.random.default_rng((seed, start))
            count = min(_PIECE_ROWS, rows - start)
            faults = random.choice(len(names), count, p=chances)
            lines = []
            for at in range(count):
                row = make(real[(start + at) % len(real)], start + at, random)
                fault = names[faults[at]]
                if before is None and fault in _NEED_ANOTHER:
                    fault = ""
                made[fault] += bool(fault)
                lines.append(_spoil(row, fault, before, header))
                if not fault:
                    before = row
            file.write(b"".join(lines))
    return {name: made[name] for name in shares if made[name]}


#: Faults that are about a row before.
_NEED_ANOTHER = frozenset({"duplicate_id", "genre_rows_merged", "same_recording_merged"})

_SPOILT: dict[str, Row] = {
    "missing_overview": {"overview": ""},
    "missing_genres": {"genres": ""},
    "not_released": {"status": "Rumored"},
    "adult": {"adult": "True"},
    "missing_title": {"title": "", "track_name": ""},
    "missing_id": {"id": ""},
    "missing_artist": {"artists": ""},
}

#: What spoils a cell; the second becomes a byte that is no UTF-8.
_MARKS = {"nul_bytes": "\0", "undecodable_bytes": "\udcff"}


def _spoil(row: Row, fault: str, before: Row | None, header: Sequence[str]) -> bytes:
    """The line of ``row`` with one fault, "" for none; ``before`` is a healthy row before it."""
    if fault in _NEED_ANOTHER and before is not None:
        if fault == "duplicate_id":
            row = {**row, "id": before["id"]}
        elif fault == "genre_rows_merged":
            row = {**before, "": row[""], "track_genre": row["track_genre"]}
        else:
            row = {**row, "track_name": f" {before['track_name']} ", "artists": before["artists"]}
    elif fault in _MARKS:
        row = {**row, "title": row["title"] + _MARKS[fault]}
    line = _line([_SPOILT.get(fault, {}).get(name, row[name]) for name in header])
    return line.replace(b"\r\n", b",one cell more\r\n") if fault == "broken_row" else line


def _line(cells: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue().encode(errors="surrogateescape")


def _make_movie(real: Row, number: int, random: np.random.Generator) -> Row:
    """A film with another's facts: its words begin elsewhere, so that no two films share a text."""
    turn = int(random.integers(1, 1000))
    name = f"{_turn(real['title'], turn)} {_numeral(number)}"
    return {
        **real,
        "id": str(number + 1),
        "title": name,
        "original_title": name,
        "status": "Released",
        "adult": "False",
        "vote_count": str(turn),
        "imdb_id": f"tt{number:08}",
        "overview": _turn(real["overview"], turn),
        "tagline": _turn(real["tagline"], turn),
        "keywords": ", ".join(_drop_one(real["keywords"].split(", "), turn)),
        "poster_path": f"/{number:027}.jpg",
        "backdrop_path": f"/{turn}{number:024}.jpg",
        "homepage": f"https://www.example.org/films/{number}" if turn % 10 == 0 else "",
        "production_companies": real["production_companies"] or f"{name.title()} Pictures",
        "spoken_languages": real["spoken_languages"] or "English",
    }


def _make_track(real: Row, number: int, random: np.random.Generator) -> Row:
    turn = int(random.integers(1, 1000))
    return {
        **real,
        "": str(number),
        "track_id": _numeral(number).rjust(22, "0"),
        "track_name": f"{real['track_name']} {_numeral(number)} {number}",
        "album_name": f"{real['album_name']} {_numeral(number // 10)}",
        "duration_ms": str(150_000 + turn * 100),
        "popularity": str(turn % 101),
    }


def _turn(text: str, by: int) -> str:
    words = text.split()
    at = by % len(words) if words else 0
    return " ".join(words[at:] + words[:at])


def _drop_one(parts: list[str], at: int) -> list[str]:
    return [part for place, part in enumerate(parts) if place != at % len(parts)]


def _numeral(number: int) -> str:
    digits = ""
    while number or not digits:
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
