from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from indexer.catalogue.records import Medium, Movie, Track
from indexer.errors import BadFilter, QueryError, UnknownItem
from server.app import create_app
from server.search import METHODS, Answer, Hit, Query, Reason
from server.settings import Settings

SONG = Track(id="s1", title="Night & Day", artists=("Ann Lee", "Bo"), year=1981, explicit=False, valence=0.25)
FILM = Movie(id="680", title="Rain", year=1994, genres=("Drama",), rating=8.5)
OTHER_FILM = Movie(id="x-9", title="Sun & Sea")


class FakeSearch:
    """Knows one song and two films; every search for films finds both films, every other one the song."""

    name = "v1"

    def __init__(self) -> None:
        self.manifest: dict[str, Any] = {
            "relevance": {"pairs": 925},
            "learned": {"alignment": "925 known pairs"},
            "methods": {"random": {"about": "any order", "seconds": 0.1, "facts": {}}},
            "counts": {"movies": 2, "tracks": 1},
        }
        self.queries: list[Query] = []
        self.failure: Exception | None = None

    def find(self, query: Query) -> Answer:
        self.queries.append(query)
        if self.failure is not None:
            raise self.failure
        if query.method not in METHODS:
            raise QueryError(f"unknown method {query.method!r}", "method")
        for medium, ids in (("tracks", query.tracks), ("movies", query.movies)):
            for id in ids:
                self._get(medium, id, field=medium)
        if "Nope" in query.filters.genres:
            raise BadFilter("unknown genre 'Nope'; did you mean Pop?", field="filters.genres")
        items: tuple[Movie | Track, ...] = (FILM, OTHER_FILM) if query.target == "movies" else (SONG,)
        if query.text == "nothing":
            items = ()
        reasons = (Reason("text", 0.5, "words alike: rain"), Reason("mood", -0.125, "the song is gladder"))
        hits = tuple(
            Hit(item.id, rank, 0.75 / rank, 0.375, reasons if query.explain else (), item)
            for rank, item in enumerate(items, start=1)
        )
        return Answer("v1", 31 if hits else 0, hits, good_match=bool(hits))

    def item(self, medium: Medium, id: str) -> Movie | Track:
        return self._get(medium, id, field="id")

    def look_up(self, medium: Medium, text: str, limit: int) -> list[tuple[float, Movie | Track]]:
        known: list[tuple[float, Movie | Track]] = (
            [(0.9, SONG)] if medium == "tracks" else [(0.8, FILM), (0.5, OTHER_FILM)]
        )
        return [] if text == "zzz" else known[:limit]

    def close(self) -> None:
        pass

    def _get(self, medium: str, id: str, field: str) -> Movie | Track:
        known: dict[str, Movie | Track] = (
            {"s1": SONG} if medium == "tracks" else {"680": FILM, "x-9": OTHER_FILM}
        )
        if id not in known:
            raise UnknownItem(f"there is no item {id!r} among the {medium}", field=field)
        return known[id]


@pytest.fixture
def search() -> FakeSearch:
    return FakeSearch()


@pytest.fixture
def client(search: FakeSearch) -> FlaskClient:
    return create_app(Settings(), search).test_client()  # type: ignore[arg-type]
