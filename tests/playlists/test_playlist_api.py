"""``POST /v1/playlist`` over the starter catalogue."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from server.app import create_app
from server.search import Query, Search
from server.settings import Settings


@pytest.fixture(scope="module")
def client(search: Search) -> FlaskClient:
    return create_app(Settings(), search).test_client()


@pytest.fixture(scope="module")
def named(search: Search) -> list[Any]:
    """Three songs of the catalogue."""
    return [item for _, item in search.look_up("tracks", "love", 3)]


def lines(named: list[Any]) -> str:
    return "\n".join(f"{item.artists[0]} – {item.title}" for item in named)


def ask(client: FlaskClient, **body: Any) -> Any:
    return client.post("/v1/playlist", json=body)


def test_a_playlist_is_answered_as_a_search_by_its_songs(
    client: FlaskClient, search: Search, named: list[Any]
) -> None:
    text = f"# mine\n{lines(named)}\nNobody Known – Qzx Wvut\n{lines(named[:1])}\n"
    reply = ask(client, playlist=text, limit=4, offset=1, filters={"year_min": 1950})
    assert reply.status_code == 200
    body = reply.get_json()
    assert list(body) == [
        "index_version",
        "query",
        "resolved",
        "unresolved",
        "duplicates",
        "total",
        "good_match",
        "results",
    ]
    ids = [item.id for item in named]
    assert body["index_version"] == search.name
    assert (body["query"]["target"], body["query"]["tracks"]) == ("movies", ids)
    assert [(one["line"], one["id"], one["confidence"]) for one in body["resolved"]] == [
        (2, ids[0], 1.0),
        (3, ids[1], 1.0),
        (4, ids[2], 1.0),
    ]
    first = body["resolved"][0]
    assert (first["title"], first["artists"], first["album"], first["year"]) == (
        named[0].title,
        list(named[0].artists),
        named[0].album,
        named[0].year,
    )
    assert first["text"] == lines(named[:1])
    assert [(one["line"], one["text"]) for one in body["unresolved"]] == [(5, "Nobody Known – Qzx Wvut")]
    assert body["duplicates"] == 1
    searched = client.post(
        "/v1/search",
        json={"target": "movies", "tracks": ids, "limit": 4, "offset": 1, "filters": {"year_min": 1950}},
    ).get_json()
    assert {name: body[name] for name in searched} == searched
    assert [hit["rank"] for hit in body["results"]] == [2, 3, 4, 5]


def test_songs_for_a_playlist_are_others(client: FlaskClient, named: list[Any]) -> None:
    body = ask(client, playlist=lines(named), target="tracks", limit=50, facets=True).get_json()
    assert not {hit["id"] for hit in body["results"]} & {item.id for item in named}
    assert body["results"][0]["based_on"] in {item.id for item in named}
    assert body["facets"]["languages"] == {}


def test_a_playlist_of_which_nothing_is_known_is_answered_empty(client: FlaskClient, search: Search) -> None:
    body = ask(client, playlist="qqqq – zzzz\nxxyy - wwvv").get_json()
    assert (body["resolved"], body["results"], body["total"], body["good_match"]) == ([], [], 0, False)
    assert [one["line"] for one in body["unresolved"]] == [1, 2]
    assert body["index_version"] == search.name


def test_a_playlist_has_more_songs_than_a_search_may_have(client: FlaskClient, search: Search) -> None:
    found = {
        item.id: item
        for word in ("love", "the", "you", "a", "la")
        for _, item in search.look_up("tracks", word, 60)
    }
    text = "\n".join(["id,title"] + [f"{id},x" for id in found])
    assert len(found) > 100
    body = ask(client, playlist=text, limit=3).get_json()
    assert [one["id"] for one in body["resolved"]] == list(found)
    answer = search.find(Query(target="movies", tracks=tuple(found), limit=3))
    assert [hit["id"] for hit in body["results"]] == [hit.id for hit in answer.hits]


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({}, "playlist", "is required"),
        ({"playlist": ""}, "playlist", "at least 1 character"),
        ({"playlist": 5}, "playlist", "valid string"),
        ({"playlist": "a\x00b"}, "playlist", "binary file"),
        ({"playlist": "# none"}, "playlist", "no song in it"),
        ({"playlist": "a - b\n" * 1001}, "playlist", "more than 1,000 songs"),
        ({"playlist": "a" * 1_000_001}, "playlist", "at most 1000000 characters"),
        ({"playlist": "a", "target": "songs"}, "target", "'movies' or 'tracks'"),
        ({"playlist": "a", "limit": 0}, "limit", "greater than or equal to 1"),
        ({"playlist": "a", "tracks": ["x"]}, "tracks", "is not known here"),
        (
            {"playlist": "a", "filters": {"year_min": 2, "year_max": 1}},
            "filters.year_min",
            "is above year_max",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    client: FlaskClient, body: dict[str, Any], field: str, message: str
) -> None:
    reply = ask(client, **body)
    assert (reply.status_code, reply.mimetype) == (422, "application/problem+json")
    errors = reply.get_json()["errors"]
    assert errors[0]["field"] == field
    assert message in errors[0]["message"]


def test_a_body_that_is_no_object_is_refused(client: FlaskClient) -> None:
    for data, status in (("[]", 422), ("{", 400), ('{"playlist": "a", "playlist": "b"}', 400)):
        reply = client.post("/v1/playlist", data=data, content_type="application/json")
        assert reply.status_code == status
    assert client.post("/v1/playlist", data="Toto - Africa", content_type="text/plain").status_code == 415


def test_its_bodies_may_be_longer_than_others(search: Search) -> None:
    settings = Settings(max_body_bytes=1_000, max_playlist_bytes=5_000)
    client = create_app(settings, search).test_client()
    for characters, status in ((4_000, 200), (6_000, 413)):
        data = json.dumps({"playlist": "qq - zz\n" + " " * characters})
        assert client.post("/v1/playlist", data=data, content_type="application/json").status_code == status
    data = json.dumps({"target": "movies", "text": "rain" + " " * 1_500})
    assert client.post("/v1/search", data=data, content_type="application/json").status_code == 413


def test_another_version_than_the_pinned_one_does_not_answer(client: FlaskClient) -> None:
    assert ask(client, playlist="a - b", index_version="another").status_code == 409


def test_an_unknown_filter_value_names_itself(client: FlaskClient, named: list[Any]) -> None:
    reply = ask(client, playlist=lines(named), filters={"genres": ["No Such Genre"]})
    assert reply.status_code == 422
    assert reply.get_json()["errors"][0]["field"] == "filters.genres"


def test_the_description_has_the_call(client: FlaskClient) -> None:
    described = client.get("/openapi.json").get_json()
    call = described["paths"]["/v1/playlist"]["post"]
    assert call["summary"] == "Search by a playlist"
    body = described["components"]["schemas"]["PlaylistBody"]
    assert body["required"] == ["playlist"]
    assert body["properties"]["playlist"]["maxLength"] == 1_000_000
    reply = described["components"]["schemas"]["PlaylistMatches"]
    assert {"resolved", "unresolved", "duplicates", "results", "total"} <= set(reply["required"])
