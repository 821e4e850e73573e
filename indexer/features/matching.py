"""Finds the rows of the knowledge that are about the films and songs of a catalogue."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from indexer.catalogue.records import split_cell
from indexer.features.columns import Table, read_numbers, read_texts
from indexer.knowledge.tables import FilmKey, SongKey, artists, name_key
from indexer.title_lookup import make_key, name_track

#: Artists past the third are guests.
_MOST_ARTISTS = 3
#: One film or artist in so many is kept out of all that is fitted.
_KEPT_OUT = 10


def film_rows(movies: Table, known: Mapping[FilmKey, int]) -> dict[int, int]:
    """Catalogue row → row of ``known`` for films that are there, by title or original title and year (± 1)."""
    found = {}
    years = read_numbers(movies, "year")
    titles = zip(read_texts(movies, "title"), read_texts(movies, "original_title"), strict=True)
    by_title: dict[str, list[FilmKey]] = defaultdict(list)
    for key in known:
        by_title[key.title].append(key)
    for row, names in enumerate(titles):
        if np.isnan(years[row]):
            continue
        year = int(years[row])
        candidates = [key for name in names if name for key in by_title.get(make_key(name), ())]
        near = [key for key in candidates if abs(key.year - year) <= 1]
        if near:
            found[row] = known[min(near, key=lambda key: abs(key.year - year))]
    return found


def song_rows(tracks: Table, known: Mapping[SongKey, int]) -> dict[int, int]:
    """Catalogue row → row of ``known`` for songs that are there, by title and any of the artists."""
    found = {}
    for row, keys in enumerate(song_keys(tracks)):
        for key in keys:
            if key in known:
                found[row] = known[key]
                break
    return found


def song_keys(tracks: Table) -> list[list[SongKey]]:
    """The keys that each song of a catalogue may be known by, the surest first."""
    listed = []
    for title, cell in zip(read_texts(tracks, "title"), read_texts(tracks, "artists"), strict=True):
        people = split_cell(cell)[:_MOST_ARTISTS]
        titles = name_track(title, people, None).titles
        listed.append([SongKey(name, make_key(person)) for person in people for name in titles])
    return listed


def artist_rows(cells: Iterable[str], left_out: frozenset[str] = frozenset()) -> list[list[int]]:
    """For each cell of artists, the rows of the written profiles of the first of them."""
    known = artists().rows
    return [
        [
            known[key]
            for name in split_cell(cell)[:_MOST_ARTISTS]
            if (key := name_key(name)) in known and key not in left_out
        ]
        for cell in cells
    ]


def is_kept_out(key: FilmKey | str) -> bool:
    """Whether a film, or an artist by folded name, belongs to the tenth that nothing is fitted to."""
    name = key if isinstance(key, str) else f"{key.title}|{key.year}"
    return hashlib.sha256(name.encode()).digest()[0] % _KEPT_OUT == 0
