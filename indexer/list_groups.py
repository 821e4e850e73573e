"""What makes a list worth having: which items are the same for a person, and which of them come last.

*Groups* (n, 2) int32: for songs the recording (title and first artist) and the first artist, for films the film
itself and nothing; -1 is in no group. What is *held against* an item (n,) float32 is taken from its score: karaoke
and tribute versions, covers of a song that is known by somebody else, films of concerts.
"""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import split_cell
from indexer.features.columns import Table, read_texts
from indexer.knowledge import tables
from indexer.title_lookup import cut_tail, make_key

Groups = npt.NDArray[np.int32]

_IMITATION = re.compile(
    r"\b(?:karaoke|tributes?|lullab(?:y|ies)|made famous|originally performed|in the style of|cover version|"
    r"backing track|(?:piano|string quartet|8[- ]bit|music box) (?:version|cover|rendition|tribute)|rockabye baby)\b",
    re.IGNORECASE,
)
_IMITATOR = re.compile(
    r"\b(?:karaoke|tribute|cover band|lullab|rockabye|music box|8[- ]bit|vitamin string|glee cast|kidz bop)",
    re.I,
)
_OTHER_VERSION = re.compile(
    r"\b(?:live|remix|mix|demo|instrumental|acapella|sped up|slowed|commentary|interlude|skit|intro|outro)\b",
    re.I,
)
_CONCERT = re.compile(
    r"\b(?:live (?:at|in|from)|in concert|world tour|the concert|unplugged|stand-?up)\b", re.IGNORECASE
)
_IMITATES, _COVERS, _VARIES, _IS_CONCERT = 0.5, 0.15, 0.06, 0.3
#: Titles shorter than this are borne by many songs that have nothing to do with each other.
_LEAST_TITLE = 8


def group_songs(tracks: Table) -> Groups:
    """Recording and first artist of each song (n, 2)."""
    groups = np.full((len(tracks["id"]), 2), -1, dtype=np.int32)
    numbers: list[dict[str, int]] = [{}, {}]
    for row, (title, cell) in enumerate(
        zip(read_texts(tracks, "title"), read_texts(tracks, "artists"), strict=True)
    ):
        song = make_key(cut_tail(title)) or make_key(title)
        artist = make_key(next(iter(split_cell(cell)), ""))
        groups[row, 0] = numbers[0].setdefault(
            song if len(song) >= _LEAST_TITLE else f"{song}|{artist}", len(numbers[0])
        )
        if artist:
            groups[row, 1] = numbers[1].setdefault(artist, len(numbers[1]))
    return groups


def group_movies(movies: Table) -> Groups:
    """Each film for itself (n, 2)."""
    rows = np.arange(len(movies["id"]), dtype=np.int32)
    return np.stack([rows, np.full(len(rows), -1, dtype=np.int32)], axis=1)


def weigh_songs(tracks: Table) -> npt.NDArray[np.float32]:
    """What is held against each song (n,)."""
    by_title: dict[str, set[str]] = defaultdict(set)
    for key in tables.songs().keys:
        by_title[key.title].add(key.artist)
    against = np.zeros(len(tracks["id"]), dtype=np.float32)
    columns = (read_texts(tracks, name) for name in ("title", "album", "artists"))
    for row, (title, album, cell) in enumerate(zip(*columns, strict=True)):
        beside = title[len(cut_tail(title)) :]
        if _IMITATION.search(
            f"{beside} {album if make_key(album) != make_key(title) else ''}"
        ) or _IMITATOR.search(cell):
            against[row] += _IMITATES
        if _OTHER_VERSION.search(beside):
            against[row] += _VARIES
        song = make_key(cut_tail(title))
        known = by_title.get(song)
        if known and len(song) >= _LEAST_TITLE and not known & {make_key(name) for name in split_cell(cell)}:
            against[row] += _COVERS
    return against


def weigh_movies(movies: Table) -> npt.NDArray[np.float32]:
    """What is held against each film (n,): films of concerts suit every song of their musicians' kind."""
    against = np.zeros(len(movies["id"]), dtype=np.float32)
    columns = (read_texts(movies, name) for name in ("title", "genres", "keywords"))
    for row, (title, genres, keywords) in enumerate(zip(*columns, strict=True)):
        kinds = {genre.casefold() for genre in split_cell(genres)}
        about = {word.casefold() for word in split_cell(keywords)}
        if (
            kinds
            and kinds <= {"music", "documentary", "comedy", "tv movie"}
            and "music" in kinds
            and len(kinds) < 3
        ) and (
            about & {"concert", "concert film", "live performance", "music video", "stand-up comedy"}
            or _CONCERT.search(title)
            or kinds == {"music"}
        ):
            against[row] = _IS_CONCERT
    return against
