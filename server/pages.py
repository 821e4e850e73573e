"""The web pages: the one with scripts, and a plain one that is rendered on the server."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal

from flask import Blueprint, Response, render_template, request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticUseDefault
from werkzeug.exceptions import NotFound

from indexer.catalogue.records import Medium, Movie, Track, other_medium
from indexer.errors import SegueError
from server.api import item_in_address
from server.leases import Current
from server.problems import describe_problem, find_status
from server.replies import link_to
from server.search import GOOD_MATCH, Answer, Query, Search
from server.settings import MAX_ID_LENGTH, MAX_OFFSET, MAX_TEXT, Settings

_CANDIDATES = 10
_PAGE_SIZE = 10


def _blank_to_default(value: Any) -> Any:
    # Forms send the fields that were left empty, too.
    if isinstance(value, str) and not value.strip():
        raise PydanticUseDefault
    return value.strip() if isinstance(value, str) else value


_Blank = BeforeValidator(_blank_to_default)


class PageQuery(BaseModel):
    """What the page is asked for: a title to look up, an item to match, or a mood in words."""

    model_config = ConfigDict(extra="ignore")

    medium: Annotated[Medium, _Blank] = "tracks"
    target: Annotated[Literal["movies", "tracks"], _Blank] = "movies"
    q: Annotated[str, Field(max_length=MAX_TEXT), _Blank] = ""
    id: Annotated[str, Field(max_length=MAX_ID_LENGTH), _Blank] = ""
    text: Annotated[str, Field(max_length=MAX_TEXT), _Blank] = ""
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET), _Blank] = 0
    index_version: Annotated[str, Field(max_length=MAX_ID_LENGTH), _Blank] = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the template gets."""

    asked: PageQuery
    error: str = ""
    candidates: tuple[Movie | Track, ...] | None = None
    chosen: Movie | Track | None = None
    answer: Answer | None = None
    target: Medium = "movies"
    next_offset: int | None = None


def make_pages(current: Current, settings: Settings) -> Blueprint:
    """Make the pages over the ``Search`` that ``current`` gives."""
    pages = Blueprint("pages", __name__)
    pages.add_app_template_filter(link_to)
    pages.add_app_template_filter(show_facts)

    folders = {"movies": settings.posters, "tracks": settings.covers}
    shown_folders = [medium for medium, folder in folders.items() if folder is not None]

    @pages.get("/")
    def home() -> str:
        posters = "remote" if settings.remote_posters == "on" else "none"
        return render_template("app.html", posters=posters, folders=shown_folders)

    @pages.get("/plain")
    def plain() -> tuple[str, int]:
        try:
            asked = PageQuery.model_validate(request.args.to_dict())
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            message = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
            return _render(Shown(PageQuery(), error=message), HTTPStatus.UNPROCESSABLE_ENTITY)
        try:
            return _render(_show(current, asked), HTTPStatus.OK)
        except SegueError as error:
            return _render(Shown(asked, error=describe_problem(error).detail), find_status(error))

    @pages.get("/relevance")
    def relevance() -> tuple[str, int]:
        try:
            search = current()
        except SegueError as error:
            return _render(Shown(PageQuery(), error=describe_problem(error).detail), find_status(error))
        shown = {"name": search.name, "manifest": search.manifest, "has_report": search.report is not None}
        return render_template("relevance.html", **shown, good_match=GOOD_MATCH), int(HTTPStatus.OK)

    @pages.get("/report")
    def report() -> Response:
        path = current().report
        if path is None:
            raise NotFound(
                "This version has no evaluation report. Write one with: python -m indexer evaluate --pairs FILE --html"
            )
        return Response(path.read_bytes(), mimetype="text/html")

    return pages


def show_facts(item: Movie | Track) -> str:
    """Say in a few words what is known of an item: artists or genres, album, year."""
    year = str(item.year) if item.year is not None else ""
    if isinstance(item, Track):
        if not year and item.decade is not None:
            year = f"{item.decade}s"
        parts = [", ".join(item.artists), item.album or "", year]
    else:
        parts = [year, ", ".join(item.genres[:3])]
    return " · ".join(part for part in parts if part)


def _show(current: Current, asked: PageQuery) -> Shown:
    page: dict[str, Any] = {
        "limit": _PAGE_SIZE,
        "offset": asked.offset,
        "index_version": asked.index_version,
    }
    if asked.id:
        search = current()
        target = other_medium(asked.medium)
        with item_in_address():
            chosen = search.item(asked.medium, asked.id)
        ids = (asked.id,)
        tracks, movies = (ids, ()) if asked.medium == "tracks" else ((), ids)
        query = Query(target, tracks, movies, **page)
        return _show_matches(search, asked, query, chosen)
    if asked.text:
        query = Query(asked.target, text=asked.text, **page)
        return _show_matches(current(), asked, query, None)
    if asked.q:
        found = current().look_up(asked.medium, asked.q, _CANDIDATES)
        return Shown(asked, candidates=tuple(item for _, item in found))
    return Shown(asked)


def _show_matches(search: Search, asked: PageQuery, query: Query, chosen: Movie | Track | None) -> Shown:
    answer = search.find(query)
    after = query.offset + _PAGE_SIZE
    more = after < answer.total and after <= MAX_OFFSET
    return Shown(
        asked, chosen=chosen, answer=answer, target=query.target, next_offset=after if more else None
    )


def _render(shown: Shown, status: HTTPStatus) -> tuple[str, int]:
    return render_template("plain.html", shown=shown), int(status)
