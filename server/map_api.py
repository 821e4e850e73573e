"""The routes of the map: all points in one reply, what their colours mean, and items by their points."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ConfigDict, Field, field_validator

from indexer.catalogue.records import Medium
from indexer.errors import VersionChanged
from indexer.space import MEDIA
from server import replies, reply_schemas, request_schemas
from server.leases import Current
from server.map_points import FAMILIES, UNKNOWN, MapPoints
from server.problems import FieldError, ItemNotFound, RequestRefused
from server.search import Search
from server.settings import MAX_ID_LENGTH, MAX_IDS

_TAG = Tag(name="map", description="films and songs as points in two dimensions")
_BINARY = "application/octet-stream"
#: Points whose items one request may ask for.
MAX_POINTS = 50
_NO_MAP = "This index version was built without a map. Build the index again to get one."
_DESCRIPTION = (
    "Little-endian: the letters SMP1; as uint32 the number of films, of songs, and of bytes in the version's name; "
    "that name in UTF-8, filled up with zeros; then, for films by row and songs by row: x and y, uint16 each, all x "
    "first; the genre's family, uint8; valence and arousal, uint8, 0 to 254, or 255. /v1/map/legend names families."
)


class PointsQuery(request_schemas.Parameters):
    """Which points, of which version."""

    model_config = ConfigDict(extra="forbid")

    points: str = Field(
        pattern=r"^\d{1,9}(,\d{1,9})*$",
        max_length=10 * MAX_POINTS,
        description=f"up to {MAX_POINTS} numbers of points, comma-separated: films by row, then songs by row",
    )
    index_version: str = Field(default="", max_length=MAX_ID_LENGTH, description="the version of the points")

    @field_validator("points")
    @classmethod
    def _check_count(cls, value: str) -> str:
        if value.count(",") >= MAX_POINTS:
            raise ValueError(f"must be at most {MAX_POINTS} numbers")
        return value


class PlacesBody(BaseModel):
    """Films and songs to find on the map."""

    model_config = ConfigDict(extra="forbid", strict=True)

    movies: list[request_schemas.Id] = Field(default_factory=list, max_length=MAX_IDS)
    tracks: list[request_schemas.Id] = Field(default_factory=list, max_length=MAX_IDS)
    index_version: str = Field(default="", max_length=MAX_ID_LENGTH, description="the version of the points")


class PlacesReply(reply_schemas.Versioned):
    """Numbers of points in the order asked; null for an id that is not known."""

    movies: list[int | None]
    tracks: list[int | None]


class MapItems(reply_schemas.Versioned):
    """The items of the points, in the order asked; each with its ``point`` and ``medium``."""

    results: list[dict[str, Any]]


class Legend(reply_schemas.Versioned):
    """What the points mean."""

    movies: int = Field(description="films on the map")
    tracks: int = Field(description="songs on the map")
    genres: dict[Medium, list[str]] = Field(description="families; a point's number counts from 1, 0 is none")
    unknown_mood: int = Field(description="the valence and arousal of a point whose mood is not known")
    landmarks: list[dict[str, Any]] = Field(description="well-known items, spread over the map")


def add_map(api: APIBlueprint, current: Current) -> None:
    """Add the routes over the ``Search`` that ``current`` gives."""
    binary: dict[str | int | HTTPStatus, Any] = {
        HTTPStatus.OK: {"content": {_BINARY: {"schema": {"type": "string", "format": "binary"}}}}
    }

    @api.get("/v1/map", tags=[_TAG], summary="All points", description=_DESCRIPTION, responses=binary)
    def points(query: request_schemas.NoQuery) -> Response:  # noqa: ARG001
        found = _points(current())
        is_packed = request.accept_encodings.best_match(["gzip"]) is not None
        reply = Response(found.packed if is_packed else found.body, mimetype=_BINARY)
        if is_packed:
            reply.headers["Content-Encoding"] = "gzip"
        reply.vary.add("Accept-Encoding")
        reply.headers["Cache-Control"] = "private, no-cache"
        reply.set_etag(f"{found.name}.map1{'.gz' if is_packed else ''}")
        reply.make_conditional(request)
        return reply

    @api.get("/v1/map/legend", tags=[_TAG], summary="What points mean", responses={200: Legend})
    def legend(query: request_schemas.NoQuery) -> dict[str, Any]:  # noqa: ARG001
        search = current()
        found = _points(search)
        landmarks = [
            {"point": mark.point, "medium": mark.medium, "id": item.id, "title": item.title}
            for medium in MEDIA
            for mark, item in _with_items(search, found, medium)
        ]
        return {
            "index_version": search.name,
            "movies": found.sizes["movies"],
            "tracks": found.sizes["tracks"],
            "genres": {medium: list(FAMILIES[medium]) for medium in MEDIA},
            "unknown_mood": UNKNOWN,
            "landmarks": landmarks,
        }

    @api.get("/v1/map/items", tags=[_TAG], summary="Items of points", responses={200: MapItems})
    def items(query: PointsQuery) -> dict[str, Any]:
        search = _pinned(current(), query.index_version)
        found = _points(search)
        results = []
        for number in map(int, query.points.split(",")):
            try:
                medium, row = found.find(number)
            except IndexError as error:
                message = f"there is no point {number}; the last is {sum(found.sizes.values()) - 1}"
                raise RequestRefused([FieldError(field="points", message=message)]) from error
            item = search.items_at(medium, [row])[0]
            results.append({"point": number, "medium": medium, **replies.show_item(item)})
        return {"index_version": search.name, "results": results}

    @api.post("/v1/map/places", tags=[_TAG], summary="Points of items", responses={200: PlacesReply})
    def places(body: PlacesBody) -> dict[str, Any]:
        search = _pinned(current(), body.index_version)
        found = _points(search)

        def number(medium: Medium, ids: list[str]) -> list[int | None]:
            rows = search.rows_of(medium, ids)
            return [None if row is None else found.point(medium, row) for row in rows]

        return {
            "index_version": search.name,
            "movies": number("movies", body.movies),
            "tracks": number("tracks", body.tracks),
        }


def _points(search: Search) -> MapPoints:
    found = search.map_points
    if found is None:
        raise ItemNotFound(_NO_MAP)
    return found


def _pinned(search: Search, name: str) -> Search:
    if name and name != search.name:
        raise VersionChanged
    return search


def _with_items(search: Search, found: MapPoints, medium: Medium) -> list[tuple[Any, Any]]:
    marks = [mark for mark in found.landmarks if mark.medium == medium]
    return list(zip(marks, search.items_at(medium, [mark.row for mark in marks]), strict=True))
