"""What a playlist's request and reply look like: checked on the way in, described in /openapi.json on both ways."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from indexer.catalogue.records import Medium, Track
from indexer.playlists.reading import MAX_LINES, MAX_PLAYLIST
from indexer.playlists.resolving import LEAST_CONFIDENCE, Resolution
from server import replies, reply_schemas
from server.request_schemas import SearchBody, WantedBody
from server.search import Answer, Query

_EXAMPLES: dict[str, Any] = {
    "lines": {
        "value": {"playlist": "Toto – Africa\nImagine by John Lennon - Remastered 2010\n", "limit": 5},
    },
    "Exportify": {
        "value": {
            "playlist": "Track URI,Track Name,Artist Name(s)\nspotify:track:2374M0fQpWi3dLnB54qaLX,Africa,TOTO\n",
            "target": "tracks",
            "filters": {"year_max": 1995},
        }
    },
}


class PlaylistBody(WantedBody):
    """A playlist as text, and what to find by it; the rest is as in a search."""

    # The library that writes the description looks for examples of a body under this key.
    model_config = ConfigDict(
        extra="forbid", allow_inf_nan=False, strict=True, openapi_extra={"examples": _EXAMPLES}
    )  # type: ignore[typeddict-unknown-key]

    playlist: str = Field(
        min_length=1,
        max_length=MAX_PLAYLIST,
        description=f"lines “artist – title”, CSV (Exportify's too) or M3U, told by content; at most {MAX_LINES} songs",
    )
    target: Medium = Field(default="movies", description="what to find")

    def to_query(self, tracks: list[str]) -> Query:
        """Make the query for the songs found, however many they are."""
        given = {name: getattr(self, name) for name in type(self).model_fields if name != "playlist"}
        return SearchBody.model_construct(tracks=tracks, movies=[], text="", **given).to_query()


class SongOfLine(BaseModel):
    """A song, as much of it as tells which it is."""

    id: str
    confidence: float = Field(description="0 to 1: how surely the line means this song")
    title: str
    artists: list[str]
    album: str | None
    year: int | None
    listen: str = Field(description="where to go")


class ResolvedLine(SongOfLine):
    """A line and the song that it was taken for."""

    line: int = Field(description="from 1, in the playlist as sent")
    text: str


class UnresolvedLine(BaseModel):
    """A line that was taken for no song."""

    line: int = Field(description="from 1, in the playlist as sent")
    text: str
    candidates: list[SongOfLine] = Field(description="the nearest songs, best first; to choose from")


PlaylistMatches = create_model(
    "PlaylistMatches",
    __base__=reply_schemas.Matches,
    resolved=(
        list[ResolvedLine],
        Field(
            description=f"the songs searched by, in their order: those of confidence {LEAST_CONFIDENCE} or more"
        ),
    ),
    unresolved=(list[UnresolvedLine], ...),
    duplicates=(int, Field(description="lines left out since an earlier one is the same song")),
)


def show_resolution(resolution: Resolution) -> dict[str, Any]:
    """Spell out what became of the lines."""
    return {
        "resolved": [
            {"line": one.entry.line, "text": one.entry.text, **_show_song(one.track, one.confidence)}
            for one in resolution.resolved
        ],
        "unresolved": [
            {
                "line": one.entry.line,
                "text": one.entry.text,
                "candidates": [_show_song(near.track, near.confidence) for near in one.candidates],
            }
            for one in resolution.unresolved
        ],
        "duplicates": resolution.duplicates,
    }


def show_reply(query: Query, answer: Answer, resolution: Resolution) -> dict[str, Any]:
    """Spell out the whole reply: which lines were found first, then the results as in a search."""
    shown = replies.show_answer(query, answer)
    head = {name: shown.pop(name) for name in ("index_version", "query")}
    return {**head, **show_resolution(resolution), **shown}


def _show_song(track: Track, confidence: float) -> dict[str, Any]:
    return {
        "id": track.id,
        "confidence": replies.check_number(confidence),
        "title": track.title,
        "artists": list(track.artists),
        "album": track.album,
        "year": track.year,
        "listen": replies.link_to(track),
    }
