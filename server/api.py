"""The JSON routes: parse, call ``Search``, reply."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import orjson
from flask import Response, request
from flask.json.provider import DefaultJSONProvider
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from indexer.catalogue.records import Medium
from indexer.errors import EngineError, QueryError, UnknownItem, VersionChanged, VersionError
from indexer.fetching.keys import Keys
from server import replies, reply_schemas
from server.item_look_up import ItemLookUp
from server.leases import Current
from server.problems import FieldError, ItemNotFound, RequestRefused
from server.refusals import Refusal, VersionRefused
from server.reply_cache import keep_replies
from server.request_schemas import ItemPath, LookUpQuery, MatchQuery, NoQuery, SearchBody
from server.search import Query, Search

Json = dict[str, Any]

_SONGS = Tag(name="songs", description="look up songs; films and songs that fit one")
_FILMS = Tag(name="films", description="look up films; songs and films that fit one")
_SEARCH = Tag(name="search", description="songs, films and words combined")
_OPERATIONS = Tag(name="operations", description="is the server up, and can it answer")
#: Routes whose replies are kept: a search and nothing else decides them.
_KEPT = frozenset(
    f"api.{view}" for view in ("movies_for_track", "tracks_for_movie", "similar_tracks", "similar_movies")
)
_REPEATABLE = ("genres", "language")
#: Routes whose body is a file.
_FILES = frozenset({"api.audio"})


class StrictJson(DefaultJSONProvider):
    """JSON as its standard has it: no NaN or infinity either way, no key twice, no bottomless nesting."""

    sort_keys = False

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """Reply with JSON, written by orjson: numbers take the standard library longer than all else of a search.

        It writes null for NaN and infinity; replies refuse those where they come from (``replies.check_number``).
        """
        shown = self._prepare_response_obj(args, kwargs)
        try:
            body = orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE)
        except orjson.JSONEncodeError:  # keys that are numbers, and numbers past 64 bits
            body = f"{self.dumps(shown)}\n".encode()
        return Response(body, mimetype=self.mimetype)

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Write JSON; ValueError for NaN and infinity."""
        return super().dumps(obj, allow_nan=False, **kwargs)

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Read JSON; ValueError for what is none."""
        try:
            return super().loads(s, parse_constant=_refuse_constant, object_pairs_hook=_pair_up, **kwargs)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error


def make_api(
    current: Current,
    refused: Callable[[], Refusal | None] = lambda: None,
    look_up: ItemLookUp | None = None,
    engine_error: Callable[[], EngineError | None] = lambda: None,
) -> APIBlueprint:
    """Make the routes of the API over the ``Search`` that ``current`` gives.

    ``refused`` gives the published version, where it is not the one that answers, and why. ``look_up`` completes items
    from live services; without it nothing is asked. ``engine_error`` gives why the engine cannot search now.
    """
    schema = {"$ref": "#/components/schemas/Problem"}
    problems: dict[str | int | HTTPStatus, Any] = {
        status: {"content": {"application/problem+json": {"schema": schema}}}
        for status in (400, 401, 404, 409, 413, 415, 422, 429, 500, 501, 503)
    }
    api = APIBlueprint("api", __name__, abp_responses=problems)
    keep_replies(api, current, _KEPT)
    api.before_request(_check_request)
    _add_operations(api, current, refused, engine_error)
    _add_items(api, current)
    _add_matches(api, current, look_up or ItemLookUp(Keys()))
    return api


def _add_operations(
    api: APIBlueprint,
    current: Current,
    refused: Callable[[], Refusal | None],
    engine_error: Callable[[], EngineError | None],
) -> None:
    @api.get("/healthz", tags=[_OPERATIONS], summary="The server runs", responses={200: reply_schemas.Health})
    def healthz() -> Json:
        return {"status": "ok"}

    @api.get(
        "/readyz",
        tags=[_OPERATIONS],
        summary="The server can answer",
        responses={200: reply_schemas.Readiness},
    )
    def readyz() -> Json:
        refusal, lost = refused(), engine_error()
        if lost is not None:
            raise type(lost)(str(lost), lost.retry_after_s)
        try:
            name = current().name
        except VersionError as error:
            raise error if refusal is None else VersionRefused(refusal) from error
        shown = None if refusal is None else {"version": refusal.version, "reason": refusal.reason}
        return {"index_version": name, "status": "ready", "refused": shown}


def _add_items(api: APIBlueprint, current: Current) -> None:
    @api.get("/v1/tracks", tags=[_SONGS], summary="Look up songs", responses={200: reply_schemas.FoundTracks})
    def look_up_tracks(query: LookUpQuery) -> Json:
        return _look_up(current(), "tracks", query)

    @api.get("/v1/movies", tags=[_FILMS], summary="Look up films", responses={200: reply_schemas.FoundMovies})
    def look_up_movies(query: LookUpQuery) -> Json:
        return _look_up(current(), "movies", query)

    @api.get("/v1/tracks/<id>", tags=[_SONGS], summary="One song", responses={200: reply_schemas.TrackReply})
    def track(path: ItemPath, query: NoQuery) -> Json:  # noqa: ARG001
        return _item(current(), "tracks", path.id)

    @api.get("/v1/movies/<id>", tags=[_FILMS], summary="One film", responses={200: reply_schemas.MovieReply})
    def movie(path: ItemPath, query: NoQuery) -> Json:  # noqa: ARG001
        return _item(current(), "movies", path.id)


def _add_matches(api: APIBlueprint, current: Current, look_up: ItemLookUp) -> None:
    movies, tracks = reply_schemas.MovieMatches, reply_schemas.TrackMatches

    @api.get("/v1/tracks/<id>/movies", tags=[_SONGS], summary="Films for a song", responses={200: movies})
    def movies_for_track(path: ItemPath, query: MatchQuery) -> Json:
        return _match(current(), "tracks", path.id, "movies", query)

    @api.get("/v1/movies/<id>/tracks", tags=[_FILMS], summary="Songs for a film", responses={200: tracks})
    def tracks_for_movie(path: ItemPath, query: MatchQuery) -> Json:
        return _match(current(), "movies", path.id, "tracks", query)

    @api.get("/v1/tracks/<id>/similar", tags=[_SONGS], summary="Songs like a song", responses={200: tracks})
    def similar_tracks(path: ItemPath, query: MatchQuery) -> Json:
        return _match(current(), "tracks", path.id, "tracks", query)

    @api.get("/v1/movies/<id>/similar", tags=[_FILMS], summary="Films like a film", responses={200: movies})
    def similar_movies(path: ItemPath, query: MatchQuery) -> Json:
        return _match(current(), "movies", path.id, "movies", query)

    @api.post("/v1/search", tags=[_SEARCH], summary="Search", responses={200: reply_schemas.Matches})
    def search(body: SearchBody) -> Json:
        query = body.to_query()
        wanted = [item.look_up for item in body.items]
        items, outcomes = look_up.complete(query.items, wanted)
        query = replace(query, items=items)
        return replies.show_answer(query, current().find(query), outcomes)

    @api.get(
        "/v1/relevance", tags=[_SEARCH], summary="Relevance card", responses={200: reply_schemas.Relevance}
    )
    def relevance(query: NoQuery) -> Json:  # noqa: ARG001
        return replies.show_relevance(current().name, current().manifest)


def _look_up(search: Search, medium: Medium, query: LookUpQuery) -> Json:
    found = search.look_up(medium, query.q, query.limit)
    results = []
    for rank, (score, item) in enumerate(found, start=1):
        score = replies.check_number(score)
        results.append({"id": item.id, "rank": rank, "score": score, **replies.show_item(item)})
    return {
        "index_version": search.name,
        "query": {"q": query.q, "limit": query.limit},
        "total": len(results),
        "results": results,
    }


def _item(search: Search, medium: Medium, id: str) -> Json:
    with item_in_address():
        return {"index_version": search.name, **replies.show_item(search.item(medium, id))}


def _match(search: Search, medium: Medium, id: str, target: Medium, given: MatchQuery) -> Json:
    query = Query(
        target=target,
        tracks=(id,) if medium == "tracks" else (),
        movies=(id,) if medium == "movies" else (),
        filters=given.to_filters(),
        limit=given.limit,
        offset=given.offset,
        explain=given.explain,
        facets=given.facets,
        unique=given.unique,
        soundtrack=medium != target,
        index_version=given.index_version or "",
    )
    with item_in_address():
        return replies.show_answer(query, search.find(query))


@contextmanager
def item_in_address() -> Iterator[None]:
    """Say what goes wrong in terms of an address: an unknown id is a 404, filters have no prefix."""
    try:
        yield
    except UnknownItem as error:
        raise ItemNotFound(str(error)) from error
    except VersionChanged:
        raise
    except QueryError as error:
        field = error.field.removeprefix("filters.")
        raise RequestRefused([FieldError(field=field, message=str(error))]) from error


def _check_request() -> None:
    """Refuse what the schemas cannot see: a body that is no JSON object, a parameter given twice."""
    is_json = request.method == "POST" and request.endpoint not in _FILES
    if is_json and not isinstance(_read_body(), dict):
        raise RequestRefused([FieldError(field="", message="the body must be a JSON object")])
    for name, values in request.args.lists():
        if len(values) > 1 and name not in _REPEATABLE:
            raise RequestRefused([FieldError(field=name[:200], message="is given more than once")])


def _read_body() -> Any:
    # A body sent in chunks is cut at the limit without a word; what fills the limit may have been cut.
    most = request.max_content_length
    if request.content_length is None and most is not None and len(request.get_data()) >= most:
        raise RequestEntityTooLarge
    try:
        return request.get_json()
    except BadRequest as error:
        # Flask keeps what is wrong with the JSON in the cause.
        reason = getattr(error.__cause__, "description", "it cannot be read")
        raise BadRequest(f"The body must be valid JSON. {reason}") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _pair_up(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    paired = dict(pairs)
    if len(paired) != len(pairs):
        raise ValueError("a key is there twice")
    return paired
