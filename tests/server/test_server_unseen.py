"""Songs and films that no version holds, over HTTP: what is taken, what is refused by which name, what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from indexer.catalogue.records import Movie, Track
from server.app import create_app
from server.item_bodies import MovieBody, TrackBody, name_items
from server.search import Search, UnseenMovie, UnseenTrack
from server.settings import MAX_ITEMS, MAX_LONG_TEXT, MAX_NAMES, Settings

TRACK: dict[str, Any] = {"kind": "track", "title": "Rain", "tags": ["folk"]}
MOVIE: dict[str, Any] = {"kind": "movie", "title": "Rain"}


@pytest.fixture(scope="module")
def own_client(starter_indexes: Path) -> Iterator[FlaskClient]:
    search = Search.open(starter_indexes)
    yield create_app(Settings(), search).test_client()
    search.close()


def test_bodies_become_records() -> None:
    song = TrackBody.model_validate(
        {
            **TRACK,
            "artists": [" Amy ", "Bob"],
            "year": 1999,
            "duration_ms": 1000,
            "features": {"energy": 0.5, "mode": 1},
            "lyrics": "la",
        }
    )
    film = MovieBody.model_validate(
        {**MOVIE, "overview": "It rains.", "keywords": ["rain"], "language": "en"}
    )
    track = Track(
        "item-1", "Rain", ("Amy", "Bob"), tags=("folk",), year=1999, duration_ms=1000, energy=0.5, mode=1
    )
    movie = Movie("item-2", "Rain", overview="It rains.", keywords=("rain",), language="en")
    assert name_items([song, film]) == (UnseenTrack(track, "la"), UnseenMovie(movie))


def test_a_reply_says_what_was_read(own_client: FlaskClient) -> None:
    item = {**TRACK, "features": {"energy": 0.5, "key": 3}, "lyrics": "la la"}
    film = {**MOVIE, "language": "xx", "popularity": 3.0}
    reply = own_client.post("/v1/search", json={"target": "movies", "items": [item, film], "limit": 2})
    assert reply.status_code == 200
    assert reply.get_json()["query"]["items"] == [
        {
            **item,
            "id": "item-1",
            "read": ["title", "tags", "features.energy"],
            "unread": ["lyrics", "features.key"],
        },
        {**film, "id": "item-2", "read": ["title", "language"], "unread": ["popularity"]},
    ]
    assert {hit["based_on"] for hit in reply.get_json()["results"]} <= {"item-1", "item-2"}


def test_a_search_without_items_does_not_mention_them(own_client: FlaskClient) -> None:
    reply = own_client.post("/v1/search", json={"target": "movies", "text": "rain"})
    assert "items" not in reply.get_json()["query"]


@pytest.mark.parametrize(
    ("items", "field"),
    [
        ({}, "items"),
        ("rain", "items"),
        ([3], "items.0"),
        ([{}], "items.0"),
        ([{"title": "Rain"}], "items.0"),
        ([{**TRACK, "kind": "song"}], "items.0"),
        ([{"kind": "track"}], "items.0"),
        ([{"kind": "track", "features": {}}], "items.0"),
        ([{"kind": "track", "tags": []}], "items.0"),
        ([TRACK, {**TRACK, "title": 5}], "items.1.title"),
        ([{**TRACK, "title": ""}], "items.0.title"),
        ([{**TRACK, "title": "  "}], "items.0.title"),
        ([{**TRACK, "colour": "red"}], "items.0.colour"),
        ([{**TRACK, "overview": "of films"}], "items.0.overview"),
        ([{**MOVIE, "tags": ["of songs"]}], "items.0.tags"),
        ([{**TRACK, "year": "1999"}], "items.0.year"),
        ([{**TRACK, "year": 1999.5}], "items.0.year"),
        ([{**TRACK, "year": 10**30}], "items.0.year"),
        ([{**TRACK, "artists": "Amy"}], "items.0.artists"),
        ([{**TRACK, "artists": [""]}], "items.0.artists.0"),
        ([{**TRACK, "tags": ["folk"] * (MAX_NAMES + 1)}], "items.0.tags"),
        ([{**TRACK, "lyrics": "a" * (MAX_LONG_TEXT + 1)}], "items.0.lyrics"),
        ([{**MOVIE, "overview": "a" * (MAX_LONG_TEXT + 1)}], "items.0.overview"),
        ([{**TRACK, "features": {"energy": 1.1}}], "items.0.features.energy"),
        ([{**TRACK, "features": {"loudness": -61}}], "items.0.features.loudness"),
        ([{**TRACK, "features": {"tempo": "fast"}}], "items.0.features.tempo"),
        ([{**TRACK, "features": {"colour": 1}}], "items.0.features.colour"),
        ([{**TRACK, "features": [0.5]}], "items.0.features"),
        ([TRACK] * (MAX_ITEMS + 1), "items"),
        ([TRACK, {"kind": "track", "lyrics": "la la"}], "items.1"),
        ([{"kind": "track", "features": {"key": 3}}], "items.0"),
        ([{"kind": "movie", "popularity": 3.0}], "items.0"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value)[:40],
)
def test_nonsense_is_refused_by_name(own_client: FlaskClient, items: Any, field: str) -> None:
    reply = own_client.post("/v1/search", json={"target": "movies", "items": items})
    assert reply.status_code == 422
    assert reply.content_type == "application/problem+json"
    assert [error["field"] for error in reply.get_json()["errors"]] == [field]
    assert reply.get_json()["errors"][0]["message"]


def test_the_most_that_is_allowed_is_answered(own_client: FlaskClient) -> None:
    items = [{**TRACK, "title": f"Rain {number}"} for number in range(MAX_ITEMS)]
    items[0]["lyrics"] = "a" * MAX_LONG_TEXT
    reply = own_client.post("/v1/search", json={"target": "movies", "items": items, "limit": 1})
    assert reply.status_code == 200
    assert [item["id"] for item in reply.get_json()["query"]["items"]][-1] == f"item-{MAX_ITEMS}"


def test_items_join_with_the_other_inputs(own_client: FlaskClient) -> None:
    body = {"target": "tracks", "items": [MOVIE], "text": "rain", "avoid": {"text": "sun"}, "limit": 3}
    reply = own_client.post("/v1/search", json=body)
    assert reply.status_code == 200
    assert {hit["based_on"] for hit in reply.get_json()["results"]} <= {"item-1", "text"}


def test_nothing_at_all_names_items_among_what_may_be_given(own_client: FlaskClient) -> None:
    reply = own_client.post("/v1/search", json={"target": "movies", "items": []})
    assert reply.status_code == 422
    assert reply.get_json()["detail"] == "give at least one of tracks, movies, text and items"


def test_the_description_knows_items(own_client: FlaskClient) -> None:
    schemas = own_client.get("/openapi.json").get_json()["components"]["schemas"]
    items = schemas["SearchBody"]["properties"]["items"]
    assert items["maxItems"] == MAX_ITEMS
    kinds = {name: part["$ref"].rpartition("/")[2] for name, part in _mapping(items).items()}
    assert kinds == {"track": "TrackBody", "movie": "MovieBody"}
    features = schemas["FeaturesBody"]["properties"]
    assert features["loudness"]["anyOf"][0] == {"maximum": 10.0, "minimum": -60.0, "type": "number"}


def _mapping(items: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {name: {"$ref": where} for name, where in items["items"]["discriminator"]["mapping"].items()}
