"""The route that takes a song as a file: estimate its features, then search by those."""

from __future__ import annotations

from typing import Any

from flask import Flask, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models import RawModel
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field, create_model

from indexer.errors import SoundTooLarge
from indexer.sound.containers import MOST_BYTES, tell_container
from indexer.sound.listening import Heard, check_libraries
from server import replies, reply_schemas
from server.audio import Listener
from server.leases import Current
from server.request_schemas import MatchQuery
from server.search import Query

_SONGS = Tag(name="songs")
ENDPOINT = "api.audio"
_DESCRIPTION = (
    "The body is the file itself: mp3, ogg, wav or flac, told by its content whatever the Content-Type says; at most "
    "15 MiB and 10 minutes. Its audio features are estimated by signal analysis, and films are found by them alone."
)


class AudioFile(RawModel):
    """A sound file as it is."""

    mimetypes = ["audio/mpeg", "audio/ogg", "audio/wav", "audio/flac", "application/octet-stream"]  # noqa: RUF012


class AudioFeatures(BaseModel):
    """The seven audio features, each 0 to 1."""

    danceability: float
    energy: float
    speechiness: float
    acousticness: float
    instrumentalness: float
    liveness: float
    valence: float


class HeardAudio(BaseModel):
    """What was heard in the file."""

    estimated: bool = Field(description="always true: estimated from the sound, not taken from a catalogue")
    features: AudioFeatures
    tempo: float | None = Field(description="beats a minute; null where nothing recurs")
    loudness: float = Field(description="integrated loudness, LUFS")
    duration_s: float
    format: str = Field(description="mp3, ogg, wav or flac")


AudioMatches = create_model(
    "AudioMatches",
    __base__=reply_schemas.MovieMatches,
    audio=(HeardAudio, Field(description="what was heard in the file")),
)


def add_audio(app: Flask, api: APIBlueprint, current: Current) -> None:
    """Add the route to ``api``, before that is registered with ``app``; its bodies may have up to 15 MiB."""
    listener = Listener()

    # Before any hook of the blueprint. One byte more than may be there tells that a body without a length is too long.
    @app.before_request
    def allow_file() -> None:
        if request.endpoint == ENDPOINT:
            request.max_content_length = MOST_BYTES + 1

    @api.post(
        "/v1/audio",
        tags=[_SONGS],
        summary="Films for a sound file",
        description=_DESCRIPTION,
        responses={200: AudioMatches},
    )
    def audio(query: MatchQuery, raw: AudioFile) -> dict[str, Any]:  # noqa: ARG001
        search = current()
        check_libraries()
        upload = listener.listen(_read_file())
        asked = Query(
            target="movies",
            items=(upload.song,),
            filters=query.to_filters(),
            limit=query.limit,
            offset=query.offset,
            explain=query.explain,
            facets=query.facets,
            index_version=query.index_version or "",
        )
        return {"audio": show_heard(upload.heard), **replies.show_answer(asked, search.find(asked))}


def show_heard(heard: Heard) -> dict[str, Any]:
    """Spell out what was heard."""
    return {
        "estimated": True,
        "features": heard.features,
        "tempo": heard.tempo_bpm,
        "loudness": heard.loudness_db,
        "duration_s": heard.duration_s,
        "format": heard.container,
    }


def _read_file() -> bytes:
    """Read the body, as far as it may be a sound file; a wrong length or beginning ends it there."""
    if (request.content_length or 0) > MOST_BYTES:
        raise SoundTooLarge(MOST_BYTES)
    head = request.stream.read(16)
    if head:
        tell_container(head)
    content: bytes = head + request.stream.read(MOST_BYTES + 1 - len(head))
    if len(content) > MOST_BYTES:
        raise SoundTooLarge(MOST_BYTES)
    return content
