"""The route that takes a playlist: find its songs, then search by those found."""

from __future__ import annotations

from typing import Any

from flask import Flask, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from indexer.errors import VersionChanged
from indexer.playlists.reading import read_playlist
from server.leases import Current
from server.playlist_schemas import PlaylistBody, PlaylistMatches, show_reply
from server.search import Answer

_SEARCH = Tag(name="search")
_ENDPOINT = "api.playlist"


def add_playlist(app: Flask, api: APIBlueprint, current: Current, max_bytes: int) -> None:
    """Add the route to ``api``, before that is registered with ``app``; its bodies may have up to ``max_bytes``."""

    # Before any hook of the blueprint, which reads the body.
    @app.before_request
    def allow_long_body() -> None:
        if request.endpoint == _ENDPOINT:
            request.max_content_length = max_bytes

    @api.post(
        "/v1/playlist", tags=[_SEARCH], summary="Search by a playlist", responses={200: PlaylistMatches}
    )
    def playlist(body: PlaylistBody) -> dict[str, Any]:
        search = current()
        if body.index_version and body.index_version != search.name:
            raise VersionChanged  # before the songs are looked for, which takes longer
        resolution = search.resolve(read_playlist(body.playlist))
        query = body.to_query([one.track.id for one in resolution.resolved])
        # Nothing found is an answer: the reply says for which lines, and what was near.
        answer = search.find(query) if query.tracks else Answer(search.name, 0, ())
        return show_reply(query, answer, resolution)
