"""Replies are sent again only for the same address of the same version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from server.app import LIVE_SEARCH, create_app
from server.search import Query, Search
from server.settings import Settings
from tests.test_index_version import twin

FILMS = "/v1/tracks/dooley-wilson-as-time-goes-by/movies"


class Counted:
    """A ``Search`` that notes what it was asked."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self.asked: list[Query] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._search, name)

    def find(self, query: Query) -> Any:
        self.asked.append(query)
        return self._search.find(query)


@pytest.fixture
def counted(search: Search) -> Counted:
    return Counted(search)


@pytest.fixture
def client(counted: Counted) -> Iterator[FlaskClient]:
    app = create_app(Settings(), counted)  # type: ignore[arg-type]
    with app.test_client() as opened:
        yield opened


def test_the_same_address_is_searched_once(client: FlaskClient, counted: Counted) -> None:
    first, again = client.get(f"{FILMS}?limit=2"), client.get(f"{FILMS}?limit=2")
    assert [query.limit for query in counted.asked] == [2]
    assert (again.status_code, again.content_type) == (200, first.content_type)
    assert again.get_data() == first.get_data()
    assert first.get_json()["results"][0]["id"] == "casablanca-1942"
    # Headers are made for each request, not kept.
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]


def test_another_page_or_filter_is_another_reply(client: FlaskClient, counted: Counted) -> None:
    for parameters in ("limit=2", "limit=2&offset=2", "limit=2&year_max=1950", "limit=2&explain=false"):
        client.get(f"{FILMS}?{parameters}")
    assert len(counted.asked) == 4


def test_refusals_are_not_kept(client: FlaskClient, counted: Counted) -> None:
    for _ in range(2):
        assert client.get(f"{FILMS}?limit=0").status_code == 422
        assert client.get("/v1/tracks/nobody/movies").status_code == 404
    assert len(counted.asked) == 2


def test_a_swap_forgets_what_the_version_before_said(indexes: Path) -> None:
    app = create_app(Settings(indexes=indexes))
    live = app.extensions[LIVE_SEARCH]
    with app.test_client() as client:
        before = client.get(FILMS).get_json()
        assert client.get(FILMS).get_json() == before
        twin(indexes, "newer")
        (indexes / "CURRENT").write_text("newer\n", encoding="utf-8")
        live.look()
        after = client.get(FILMS).get_json()
    live.stop()
    assert (before["index_version"] != "newer", after["index_version"]) == (True, "newer")
    assert after["results"] == before["results"]
