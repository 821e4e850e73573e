"""Finding a playlist's entries in the catalogue: each surely enough, or not at all, with the nearest songs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from rapidfuzz import fuzz, process

from indexer.catalogue.records import Medium, Track
from indexer.catalogue_store import NamedRow
from indexer.errors import UnknownItem
from indexer.playlists.entries import Entry, Reading
from indexer.playlists.likeness import (
    Credit,
    Title,
    compare_artists,
    compare_keys,
    compare_titles,
    strip_additions,
    take_apart,
    take_artists_apart,
)
from indexer.title_lookup import make_bare, make_key

#: A song is taken for an entry from this confidence on.
LEAST_CONFIDENCE = 0.8
#: Songs that an entry is compared with in full, after the look-up and a first comparison.
_COMPARED = 20
_RECALLED = 150
#: Nearest songs that are named for an entry that is not found, and the least that they have to do with it.
_NEAREST = 3
_LEAST_NEAR = 0.3
#: What a title without an artist is worth where no other artist has a song of that name, and where one has: never
#: enough, since of such titles that are not in a catalogue too many are in it as another's song.
_ONLY_TITLE, _AMBIGUOUS_TITLE = 0.75, 0.6
#: Likeness of artists, at least, where the title is the same: another's song of that name is near, and no more.
_OTHER_ARTIST = 0.4
#: Below so many letters a title has no room for two errors.
_TITLE_CHARS = 10


class Songs(Protocol):
    """Where songs are looked for: a ``CatalogueStore`` or a part of one."""

    def row(self, medium: Medium, id: str) -> int: ...
    def tracks(self, rows: Sequence[int]) -> list[Track]: ...
    def recall(self, medium: Medium, text: str, limit: int) -> list[NamedRow]: ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """A song and the confidence, from 0 to 1, that an entry means it."""

    track: Track
    confidence: float


@dataclass(frozen=True, slots=True)
class Resolved:
    """An entry and the song that it was taken for."""

    entry: Entry
    track: Track
    confidence: float


@dataclass(frozen=True, slots=True)
class Unresolved:
    """An entry that was taken for no song, and the nearest ones, best first."""

    entry: Entry
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Resolution:
    """What became of a playlist, in its order. ``duplicates``: entries left out since an earlier one is the same."""

    resolved: tuple[Resolved, ...]
    unresolved: tuple[Unresolved, ...]
    duplicates: int


def resolve(store: Songs, entries: Sequence[Entry]) -> Resolution:
    """Find each entry's song in a catalogue; VersionError where that cannot be read."""
    resolved: dict[str, Resolved] = {}
    unresolved: list[Unresolved] = []
    seen: set[tuple[str, str]] = set()
    duplicates = 0
    for entry in entries:
        known_by = (entry.id, make_key(entry.text))
        if known_by in seen:
            duplicates += 1
            continue
        seen.add(known_by)
        candidates = find_candidates(store, entry)
        best = candidates[0] if candidates else None
        if best is None or best.confidence < LEAST_CONFIDENCE:
            unresolved.append(Unresolved(entry, tuple(candidates[:_NEAREST])))
        elif best.track.id in resolved:
            duplicates += 1
        else:
            resolved[best.track.id] = Resolved(entry, best.track, best.confidence)
    return Resolution(tuple(resolved.values()), tuple(unresolved), duplicates)


def find_candidates(store: Songs, entry: Entry) -> list[Candidate]:
    """The songs that an entry may mean, best first; the one of its id alone where there is such a one."""
    if entry.id:
        try:
            return [Candidate(store.tracks([store.row("tracks", entry.id)])[0], 1.0)]
        except UnknownItem:
            pass
    if not entry.readings:
        return []
    tracks = _recall(store, entry)
    wanted = [_Wanted.of(reading) for reading in entry.readings]
    compared = [(_compare(wanted, _Song.of(track)), track) for track in tracks]
    alone = _judge_titles_alone(wanted, tracks)
    found = [
        Candidate(track, round(max(confidence, alone.get(track.id, 0.0)), 3))
        for confidence, track in compared
    ]
    near = [one for one in found if one.confidence >= _LEAST_NEAR]
    named = make_key(entry.readings[0].title)
    return sorted(near, key=lambda one: _place(one, named))


def _place(candidate: Candidate, named: str) -> tuple[float, bool, float, str]:
    # Of equally sure ones first the one that is written just so, then the best known.
    track = candidate.track
    fame = -1.0 if track.popularity is None else track.popularity
    return (-candidate.confidence, make_key(track.title) != named, -fame, track.id)


def _recall(store: Songs, entry: Entry) -> list[Track]:
    """Songs whose names share most with the entry's words."""
    stripped = strip_additions(entry.words)
    words = make_bare(make_key(stripped))
    rows = store.recall("tracks", stripped, _RECALLED)
    if not rows:
        return []
    names = [_join(row.titles, row.people) for row in rows]
    # Words in any order, with or without what else the line holds.
    sets = process.cdist([words], names, scorer=fuzz.token_set_ratio)[0]
    sorts = process.cdist([words], names, scorer=fuzz.token_sort_ratio)[0]
    order = np.argsort(-(sets + sorts), kind="stable")[:_COMPARED]
    return store.tracks([rows[place].row for place in order.tolist()])


def _join(titles: Sequence[str], people: Sequence[str]) -> str:
    return make_bare(" ".join([*titles[-1:], *people[:1]]))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A reading ready to be compared; ``artist`` is None for a run of words."""

    weight: float
    title: Title
    artist: Credit | None

    @classmethod
    def of(cls, reading: Reading) -> _Wanted:
        artist = take_artists_apart(reading.artist) if reading.artist else None
        return cls(reading.weight, take_apart(reading.title), artist)


@dataclass(frozen=True, slots=True)
class _Song:
    title: Title
    artists: tuple[Credit, ...]

    @classmethod
    def of(cls, track: Track) -> _Song:
        title = take_apart(track.title)
        return cls(title, tuple(take_artists_apart(name) for name in (*track.artists, *title.credits)))


def _compare(wanted: Sequence[_Wanted], song: _Song) -> float:
    best = 0.0
    for one in wanted:
        if one.artist is None:
            best = max(best, one.weight * _compare_run(one.title.whole, song))
            continue
        title = compare_titles(one.title, song.title)
        if one.weight * title > best:
            artist = compare_artists(one.artist, song.artists)
            best = max(best, one.weight * title * (max(artist, _OTHER_ARTIST) if title >= 0.9 else artist))
    return best


def _compare_run(words: str, song: _Song) -> float:
    """How alike a run of words is to a title and an artist, in either order."""
    best = 0.0
    for artist in song.artists[:2]:
        for title in {song.title.whole, song.title.core}:
            weight = 1.0 if title == song.title.whole or not song.title.recording else 0.75
            first, second = f"{title} {artist.whole}", f"{artist.whole} {title}"
            likeness = max(compare_keys(words, first), compare_keys(words, second))
            # In a short title a second error would make another title.
            if likeness < 0.95 and len(title) < _TITLE_CHARS:
                weight *= 0.75
            best = max(best, weight * likeness)
    return best


def _judge_titles_alone(wanted: Sequence[_Wanted], tracks: Sequence[Track]) -> dict[str, float]:
    """Confidences of songs whose title is all that a line says."""
    if any(one.artist is not None for one in wanted):
        return {}
    same: dict[str, float] = {}
    artists: set[str] = set()
    for track in tracks:
        likeness = max(compare_titles(one.title, take_apart(track.title)) for one in wanted)
        if likeness >= 0.9:
            same[track.id] = likeness
            artists.add(make_key(track.artists[0]) if track.artists else "")
    worth = _ONLY_TITLE if len(artists) == 1 else _AMBIGUOUS_TITLE
    return {id: worth * likeness for id, likeness in same.items()}
