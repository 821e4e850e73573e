"""Reads the written knowledge: profiles, feel pairs, mood texts, soundtrack facts, and what names stand for.

Every table is plain CSV beside this file; README.md says what the columns mean and how the rows were made. Works are
keyed as the look-up folds them: films by title and year, songs by title and artist, artists and genres by name.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from indexer.errors import InputError
from indexer.knowledge.vocabulary import FOLDER, GROUPS, NUMBERS, vocabulary
from indexer.title_lookup import cut_tail, make_key

Floats = npt.NDArray[np.float32]
Key = TypeVar("Key")

#: How sure a row says it is, 3 (known well) to 1 (a guess) → its weight against what is predicted.
SURE = {3: 0.9, 2: 0.7, 1: 0.4}
_YEAR = re.compile(r"\d{4}")


class FilmKey(NamedTuple):
    """A film: its folded title and the year of its release."""

    title: str
    year: int


class SongKey(NamedTuple):
    """A song: its folded title, without what follows a dash or stands in brackets at the end, and its artist."""

    title: str
    artist: str


def film_key(title: str, year: str | int) -> FilmKey:
    """Key of a film; raises ``InputError`` for a year that is none."""
    if not _YEAR.fullmatch(str(year)):
        raise InputError(f"{title!r}: {year!r} is not a year")
    return FilmKey(make_key(title), int(year))


def song_key(title: str, artist: str) -> SongKey:
    """Key of a song."""
    return SongKey(make_key(cut_tail(title)) or make_key(title), make_key(artist))


def name_key(name: str) -> str:
    """Key of an artist or a genre: hyphens and spaces are one."""
    return make_key(name)


@dataclass(frozen=True)
class Profiles(Generic[Key]):
    """Written profiles: ``values`` (n, width) float32, ``weights`` (n,) by how sure they are, ``phrases`` in words."""

    keys: tuple[Key, ...]
    values: Floats
    weights: Floats
    phrases: tuple[str, ...]

    @property
    def rows(self) -> dict[Key, int]:
        """Key → row."""
        return {key: row for row, key in enumerate(self.keys)}


class Pair(NamedTuple):
    """A film and a song; ``strength`` 3 (soulmates) … 1, or how sure a fact is."""

    film: FilmKey
    song: SongKey
    strength: int


class MoodText(NamedTuple):
    """A text as people type it: its profile, the ``unwanted`` one, and the works that suit it."""

    text: str
    profile: Floats
    unwanted: Floats
    films: tuple[FilmKey, ...]
    songs: tuple[SongKey, ...]


class Reference(NamedTuple):
    """What a name in a text stands for (a maker, a series, a style): its spellings, and a profile and phrase."""

    names: tuple[str, ...]
    profile: Floats
    phrase: str


@cache
def films() -> Profiles[FilmKey]:
    """Profiles of films."""
    return _profiles("films.csv", lambda row: film_key(row["title"], row["year"]))


@cache
def songs() -> Profiles[SongKey]:
    """Profiles of songs."""
    return _profiles("songs.csv", lambda row: song_key(row["title"], row["artist"]))


@cache
def artists() -> Profiles[str]:
    """Profiles of artists."""
    return _profiles("artists.csv", lambda row: name_key(row["artist"]))


@cache
def genres() -> Profiles[str]:
    """Profiles of the names of genres and tags."""
    return _profiles("genres.csv", lambda row: name_key(row["name"]))


@cache
def feel_pairs() -> tuple[Pair, ...]:
    """Films and songs that feel alike."""
    return tuple(_pairs("feel_pairs.csv", "strength"))


@cache
def soundtrack_facts() -> tuple[Pair, ...]:
    """Songs that are heard in films."""
    return tuple(_pairs("soundtracks.csv", "sure"))


@cache
def mood_texts() -> tuple[MoodText, ...]:
    """Texts with what they mean and the works that suit them."""
    suited: dict[str, tuple[list[FilmKey], list[SongKey]]] = {}
    for row in read_table(FOLDER / "mood_text_works.csv"):
        films, songs = suited.setdefault(row["text"], ([], []))
        if row["target"] == "movies":
            films.append(film_key(row["title"], row["artist_or_year"]))
        else:
            songs.append(song_key(row["title"], row["artist_or_year"]))
    found = []
    for row in read_table(FOLDER / "mood_texts.csv"):
        avoided = split(row["avoid"])
        words = vocabulary()
        lists = {group: [word for word in avoided if (group, word) in words.places] for group in GROUPS}
        films, songs = suited.get(row["text"], ([], []))
        unwanted = np.nan_to_num(words.write(lists, (None,) * len(NUMBERS)))
        found.append(MoodText(row["text"], profile_of(row), unwanted, tuple(films), tuple(songs)))
    return tuple(found)


@cache
def references() -> tuple[Reference, ...]:
    """What names stand for that people use to describe a mood."""
    return tuple(
        Reference(
            tuple(dict.fromkeys(name_key(name) for name in (row["name"], *split(row["spellings"])))),
            profile_of(row),
            row["phrase"],
        )
        for row in read_table(FOLDER / "references.csv")
    )


def split(cell: str) -> list[str]:
    """The parts of a list in a cell."""
    return [part for part in cell.split("|") if part]


def profile_of(row: dict[str, str]) -> Floats:
    """The profile that a row of a table writes; raises ``InputError`` for a word or number that is none."""
    lists = {group: split(row[group]) for group in GROUPS}
    try:
        numbers = [float(row[name]) if row[name] else None for name in NUMBERS]
    except ValueError as error:
        raise InputError(f"energy, valence and acoustic are numbers from 0 to 10: {error}") from error
    if any(number is not None and not 0 <= number <= 10 for number in numbers):
        raise InputError(f"energy, valence and acoustic are numbers from 0 to 10, not {numbers}")
    return vocabulary().write(lists, numbers)


def read_table(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a table of knowledge; raises ``InputError`` for one that has too many or too few cells."""
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            if None in row or None in row.values():
                raise InputError(f"{path.name}, line {number}: too many or too few cells")
            yield row


def _profiles(name: str, key_of: Callable[[dict[str, str]], Key]) -> Profiles[Key]:
    rows: dict[Key, dict[str, str]] = {}
    for number, row in enumerate(read_table(FOLDER / name), start=2):
        key = key_of(row)
        if key in rows:
            raise InputError(f"{name}, line {number}: {key} is there twice")
        rows[key] = row
    values, weights = [], []
    for key, row in rows.items():
        try:
            values.append(profile_of(row))
            weights.append(SURE[int(row["sure"])])
        except (InputError, KeyError, ValueError) as error:
            raise InputError(f"{name}, {key}: {error}") from error
    return Profiles(
        tuple(rows),
        np.stack(values),
        np.array(weights, dtype=np.float32),
        tuple(row["phrase"] for row in rows.values()),
    )


def _pairs(name: str, strength: str) -> Iterator[Pair]:
    for row in read_table(FOLDER / name):
        film, song = film_key(row["film"], row["year"]), song_key(row["song"], row["artist"])
        yield Pair(film, song, int(row[strength]))
