"""Songs and films that no index version holds, as a search may bring them: records with any part missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from indexer.catalogue.records import Movie, Track


@dataclass(frozen=True, slots=True)
class UnseenTrack:
    """A song: ``track`` with a made-up id that answers name it by, an empty title where none is known.

    ``lyrics`` are kept apart: an index version is built without any, so nothing reads them yet.
    """

    track: Track
    lyrics: str = ""


@dataclass(frozen=True, slots=True)
class UnseenMovie:
    """A film: ``movie`` with a made-up id that answers name it by, an empty title where none is known."""

    movie: Movie


UnseenItem = UnseenTrack | UnseenMovie


def record_of(item: UnseenItem) -> Movie | Track:
    """The record of either."""
    return item.track if isinstance(item, UnseenTrack) else item.movie


def given_parts(item: UnseenItem) -> dict[str, Any]:
    """The parts of an item that say something, by name; its id is none."""
    record = record_of(item)
    values = {name: getattr(record, name) for name in record.__slots__ if name != "id"}
    if isinstance(item, UnseenTrack):
        values["lyrics"] = item.lyrics
    return {
        name: value for name, value in values.items() if value is not None and value != () and value != ""
    }
