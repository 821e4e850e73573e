"""A search pinned to an index version is answered by that one or refused, so that pages never mix two."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest
from flask.testing import FlaskClient

from indexer.errors import VersionChanged
from server.app import create_app
from server.search import Query, Search
from server.settings import Settings

FILM, SONG = "casablanca-1942", "stevie-wonder-superstition"
SAID = "results come from another index version now; start again from offset 0 without it"


@pytest.fixture(scope="module")
def client(search: Search) -> FlaskClient:
    return create_app(Settings(), search).test_client()


def test_the_version_that_answers_may_be_named(search: Search) -> None:
    query = Query("movies", tracks=(SONG,), offset=10)
    assert search.find(replace(query, index_version=search.name)) == search.find(query)


def test_another_version_is_refused_even_for_an_answer_in_memory(search: Search) -> None:
    query = Query("movies", tracks=(SONG,), index_version="20200101T000000Z")
    search.find(replace(query, index_version=""))
    with pytest.raises(VersionChanged, match=SAID) as caught:
        search.find(query)
    assert caught.value.field == "index_version"


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/tracks/{SONG}/movies",
        f"/v1/tracks/{SONG}/similar",
        f"/v1/movies/{FILM}/tracks",
        f"/v1/movies/{FILM}/similar",
        "/v1/search",
    ],
)
def test_every_call_for_matches_can_be_pinned(client: FlaskClient, search: Search, path: str) -> None:
    def ask(version: str) -> tuple[int, str, dict[str, object]]:
        if path == "/v1/search":
            body = {"target": "movies", "text": "rain", "offset": 10, "index_version": version}
            reply = client.post(path, json=body)
        else:
            reply = client.get(f"{path}?offset=10&index_version={version}")
        return reply.status_code, reply.mimetype, reply.get_json()

    status, _, shown = ask(search.name)
    assert (status, shown["index_version"]) == (200, search.name)
    assert shown["query"]["index_version"] == search.name  # type: ignore[index]
    status, kind, problem = ask("20200101T000000Z")
    assert (status, kind) == (409, "application/problem+json")
    assert (problem["title"], problem["status"], problem["detail"]) == ("Conflict", 409, SAID)
    assert problem["errors"] == [{"field": "index_version", "message": SAID}]


def test_an_empty_pin_is_refused(client: FlaskClient) -> None:
    assert client.get(f"/v1/tracks/{SONG}/movies?index_version=").status_code == 422
    body = {"target": "movies", "text": "rain", "index_version": ""}
    assert client.post("/v1/search", json=body).status_code == 422


@pytest.mark.parametrize("address", [f"/plain?medium=tracks&id={SONG}", "/plain?target=movies&text=rain"])
def test_the_page_goes_on_with_the_version_it_began_with(
    client: FlaskClient, search: Search, address: str
) -> None:
    links = re.findall(r'href="([^"]*offset=10[^"]*)"', client.get(address).text)
    assert len(links) == 1
    link = unescape(links[0])
    assert link.endswith(f"&index_version={search.name}")
    assert client.get(link).status_code == 200
    gone = client.get(link.replace(search.name, "20200101T000000Z"))
    assert gone.status_code == 409
    assert SAID in gone.text


def test_problems_that_may_come_are_described(client: FlaskClient) -> None:
    description = client.get("/openapi.json").get_json()
    for path, calls in description["paths"].items():
        if path.startswith("/v1/"):
            for call in calls.values():
                assert {"400", "401", "404", "409", "413", "422", "429", "500", "503"} <= set(
                    call["responses"]
                )
    assert "index_version" in description["components"]["schemas"]["SearchBody"]["properties"]
