from __future__ import annotations

import io
import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from indexer.errors import VersionDamaged
from indexer.filter_columns import Filters
from indexer.space import Dials
from server.app import create_app
from server.search import Query
from server.settings import Settings

FILM = {
    "id": "680",
    "title": "Rain",
    "original_title": None,
    "year": 1994,
    "genres": ["Drama"],
    "keywords": [],
    "overview": None,
    "tagline": None,
    "language": None,
    "countries": [],
    "runtime_min": None,
    "rating": 8.5,
    "votes": None,
    "popularity": None,
    "revenue": None,
    "budget": None,
    "imdb_id": None,
    "poster_path": None,
    "watch": "https://www.themoviedb.org/movie/680",
}
REASONS = [
    {"term": "text", "value": 0.5, "text": "words alike: rain"},
    {"term": "mood", "value": -0.125, "text": "the song is gladder"},
]
ECHO: dict[str, Any] = {
    "target": "movies",
    "tracks": [],
    "movies": [],
    "text": "",
    "avoid": {"tracks": [], "movies": [], "text": ""},
    "filters": {},
    "limit": 10,
    "offset": 0,
    "explain": True,
    "mood": {"valence": 0.0, "energy": 0.0},
    "popularity": None,
    "diversity": 0.0,
    "method": "segue",
    "unique": True,
}


def test_search_replies_with_every_value_in_order(client):
    reply = client.post("/v1/search", json={"target": "movies", "text": " rain "})
    assert reply.status_code == 200
    body = reply.get_json()
    assert list(body) == ["index_version", "query", "total", "good_match", "results"]
    assert body["index_version"] == "v1"
    assert body["query"] == {**ECHO, "text": "rain"}
    assert body["total"] == 31
    assert body["good_match"] is True
    assert body["results"][0] == {
        **FILM,
        "rank": 1,
        "score": 0.75,
        "raw_score": 0.375,
        "soundtrack": False,
        "based_on": None,
        "reasons": REASONS,
    }
    assert list(body["results"][0])[:6] == ["id", "rank", "score", "raw_score", "based_on", "soundtrack"]
    assert [hit["id"] for hit in body["results"]] == ["680", "x-9"]


def test_search_hands_every_input_on(client, search):
    body = {
        "target": "tracks",
        "tracks": ["s1"],
        "movies": ["680", "x-9"],
        "text": "rain",
        "avoid": {"tracks": ["s1"], "movies": ["680"], "text": "sun"},
        "filters": {"genres": ["pop"], "year_min": 1980, "explicit": False, "energy_max": 1},
        "limit": 1000,
        "offset": 100000,
        "explain": False,
        "mood": {"valence": 0.25, "energy": -1},
        "popularity": 0.75,
        "diversity": 0.5,
        "method": "crosstune",
        "unique": False,
    }
    reply = client.post("/v1/search", json=body)
    assert reply.status_code == 200
    assert reply.get_json()["query"] == body
    assert search.queries == [
        Query(
            "tracks",
            ("s1",),
            ("680", "x-9"),
            "rain",
            ("s1",),
            ("680",),
            "sun",
            Filters(genres=("pop",), year_min=1980, explicit=False, energy_max=1),
            dials=Dials(valence=0.25, energy=-1, popularity=0.5),
            diversity=0.5,
            limit=1000,
            offset=100000,
            explain=False,
            method="crosstune",
            unique=False,
        )
    ]


@pytest.mark.parametrize(("given", "turned"), [(None, 0.0), (0, -1.0), (0.5, 0.0), (1, 1.0)])
def test_popularity_left_out_or_in_the_middle_plays_no_part(client, search, given, turned):
    body = {"target": "movies", "text": "a", "popularity": given}
    assert client.post("/v1/search", json=body).status_code == 200
    assert search.queries[0].dials == Dials(0.0, 0.0, turned)


def test_nothing_found_is_no_good_match(client):
    body = client.post("/v1/search", json={"target": "movies", "text": "nothing"}).get_json()
    assert (body["good_match"], body["results"]) == (False, [])


def test_relevance_is_what_the_manifest_says(client):
    assert client.get("/v1/relevance").get_json() == {
        "index_version": "v1",
        "relevance": {"pairs": 925},
        "learned": {"alignment": "925 known pairs"},
        "methods": {"random": {"about": "any order", "seconds": 0.1, "facts": {}}},
        "good_match": 0.5,
    }


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/tracks/s1/movies", Query("movies", tracks=("s1",), soundtrack=True)),
        ("/v1/tracks/s1/similar", Query("tracks", tracks=("s1",))),
        ("/v1/movies/680/tracks", Query("tracks", movies=("680",), soundtrack=True)),
        ("/v1/movies/x-9/similar", Query("movies", movies=("x-9",))),
        (
            "/v1/tracks/s1/movies?limit=3&offset=6&explain=false&genres=Drama,Crime&genres=War"
            "&language=en&rating_min=7.5&year_max=1999",
            Query(
                "movies",
                tracks=("s1",),
                filters=Filters(
                    genres=("Drama", "Crime", "War"), language=("en",), rating_min=7.5, year_max=1999
                ),
                limit=3,
                offset=6,
                explain=False,
                soundtrack=True,
            ),
        ),
    ],
)
def test_match_routes_ask_for_what_the_address_says(client, search, path, expected):
    assert client.get(path).status_code == 200
    assert search.queries == [expected]


def test_look_up_and_item(client):
    found = client.get("/v1/movies?q=rain&limit=1").get_json()
    assert found == {
        "index_version": "v1",
        "query": {"q": "rain", "limit": 1},
        "total": 1,
        "results": [{**FILM, "rank": 1, "score": 0.8}],
    }
    assert client.get("/v1/movies/680").get_json() == {**FILM, "index_version": "v1"}


def test_links(client):
    assert client.get("/v1/tracks/s1").get_json()["listen"] == (
        "https://open.spotify.com/search/Night%20%26%20Day%20Ann%20Lee%20Bo"
    )
    assert client.get("/v1/movies/x-9").get_json()["watch"] == (
        "https://www.themoviedb.org/search/movie?query=Sun+%26+Sea"
    )


BASE = '{"target": "movies", "text": "a", '
BAD_BODIES = [
    ("", 400, None),
    ("{", 400, None),
    ('{"target": "movies", "text": NaN}', 400, None),
    (BASE + '"text": "b"}', 400, None),
    ("[" * 60_000, 400, None),
    ('{"a":' * 10_000, 400, None),
    (b"\xff\xfe", 400, None),
    (BASE + '"limit": ' + "9" * 5000 + "}", 400, None),
    ("x" * 70_000, 413, None),
    ("[]", 422, ""),
    ("null", 422, ""),
    ('"{}"', 422, ""),
    ('{"text": "a"}', 422, "target"),
    ('{"target": "songs", "text": "a"}', 422, "target"),
    ('{"target": "movies"}', 422, ""),
    ('{"target": "movies", "text": "  "}', 422, ""),
    ('{"target": "movies", "avoid": {"text": "a"}}', 422, ""),
    ('{"target": "movies", "text": "\\ud800"}', 422, "text"),
    (BASE + '"\\ud800": 1}', 422, ""),
    (BASE + '"colour": "red"}', 422, "colour"),
    (BASE + '"limit": 0}', 422, "limit"),
    (BASE + '"limit": 1001}', 422, "limit"),
    (BASE + '"limit": "10"}', 422, "limit"),
    (BASE + '"limit": true}', 422, "limit"),
    (BASE + '"limit": 1.5}', 422, "limit"),
    (BASE + '"limit": null}', 422, "limit"),
    (BASE + '"offset": -1}', 422, "offset"),
    (BASE + '"offset": 100001}', 422, "offset"),
    (BASE + '"explain": 1}', 422, "explain"),
    (BASE + '"method": "magic"}', 422, "method"),
    (BASE + '"method": null}', 422, "method"),
    (BASE + '"method": "' + "x" * 41 + '"}', 422, "method"),
    (BASE + '"mood": "sad"}', 422, "mood"),
    (BASE + '"mood": {"valence": 1.01}}', 422, "mood.valence"),
    (BASE + '"mood": {"energy": -2}}', 422, "mood.energy"),
    (BASE + '"mood": {"energy": "1"}}', 422, "mood.energy"),
    (BASE + '"mood": {"joy": 1}}', 422, "mood.joy"),
    (BASE + '"popularity": 1.5}', 422, "popularity"),
    (BASE + '"popularity": -0.1}', 422, "popularity"),
    (BASE + '"popularity": true}', 422, "popularity"),
    (BASE + '"diversity": 2}', 422, "diversity"),
    (BASE + '"diversity": -0.1}', 422, "diversity"),
    (BASE + '"diversity": null}', 422, "diversity"),
    (BASE + '"tracks": "s1"}', 422, "tracks"),
    (BASE + '"tracks": [1]}', 422, "tracks.0"),
    (BASE + '"tracks": [""]}', 422, "tracks.0"),
    (BASE + '"tracks": ' + json.dumps(["s1"] * 101) + "}", 422, "tracks"),
    (BASE + '"tracks": ["unknown"]}', 422, "tracks"),
    (BASE + '"avoid": {"genres": []}}', 422, "avoid.genres"),
    (BASE + '"filters": []}', 422, "filters"),
    (BASE + '"filters": {"genre": ["a"]}}', 422, "filters.genre"),
    (BASE + '"filters": {"genres": ["Nope"]}}', 422, "filters.genres"),
    (BASE + '"filters": {"rating_min": 1e999}}', 422, "filters.rating_min"),
    (BASE + '"filters": {"rating_min": "7"}}', 422, "filters.rating_min"),
    (BASE + '"filters": {"tempo_min": true}}', 422, "filters.tempo_min"),
    (BASE + '"filters": {"energy_min": ' + "9" * 400 + "}}", 422, "filters.energy_min"),
    (BASE + '"filters": {"year_min": 2000, "year_max": 1990}}', 422, "filters.year_min"),
    ('{"target": "movies", "text": "' + "a" * 2001 + '"}', 422, "text"),
    ('{"target": "movies", "text": "' + "a" * 60_000 + '"}', 422, "text"),
    ('{"target": "movies", "text": "' + "a" * 100_000 + '"}', 413, None),
]


def assert_problem(reply: Any, status: int, field: str | None = None) -> dict[str, Any]:
    assert (reply.status_code, reply.mimetype) == (status, "application/problem+json")
    problem = json.loads(reply.data)
    assert list(problem) == ["type", "title", "status", "detail", "errors"]
    assert problem["status"] == status
    assert problem["detail"] != ""
    if field is not None:
        assert [error["field"] for error in problem["errors"]] == [field]
        assert problem["errors"][0]["message"] != ""
    return problem


@pytest.mark.parametrize(("body", "status", "field"), BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_bad_bodies_are_refused_as_problems(client, body, status, field):
    reply = client.post("/v1/search", data=body, content_type="application/json")
    assert_problem(reply, status, field)


@pytest.mark.parametrize(
    ("method", "path", "status", "field"),
    [
        ("GET", "/nowhere", 404, None),
        ("GET", "/v1/albums", 404, None),
        ("GET", "/v1/tracks/nope", 404, None),
        ("GET", "/v1/movies/nope", 404, None),
        ("GET", "/v1/tracks/nope/movies", 404, None),
        ("GET", "/v1/movies/nope/similar", 404, None),
        ("GET", "/v1/tracks/" + "x" * 201, 422, "id"),
        ("GET", "/v1/search", 405, None),
        ("DELETE", "/v1/tracks/s1", 405, None),
        ("POST", "/", 405, None),
        ("GET", "/v1/tracks", 422, "q"),
        ("GET", "/v1/tracks?q=%20", 422, "q"),
        ("GET", "/v1/tracks?q=a&limit=0", 422, "limit"),
        ("GET", "/v1/tracks?q=a&limit=ten", 422, "limit"),
        ("GET", "/v1/tracks?q=a&page=2", 422, "page"),
        ("GET", "/v1/tracks?q=a&q=b", 422, "q"),
        ("GET", "/v1/tracks/s1?x=1", 422, "x"),
        ("GET", "/v1/relevance?x=1", 422, "x"),
        ("POST", "/v1/relevance", 405, None),
        ("GET", "/v1/tracks/s1/movies?rating_min=nan", 422, "rating_min"),
        ("GET", "/v1/tracks/s1/movies?limit=1001", 422, "limit"),
        ("GET", "/v1/tracks/s1/movies?genres=", 422, "genres.0"),
        ("GET", "/v1/tracks/s1/movies?genres=Nope", 422, "genres"),
        ("GET", "/v1/tracks/s1/movies?year_min=2000&year_max=1990", 422, "year_min"),
        ("GET", "/v1/tracks/s1/movies?explain=maybe", 422, "explain"),
        ("GET", "/static/none.css", 404, None),
    ],
)
def test_bad_addresses_are_refused_as_problems(client, method, path, status, field):
    assert_problem(client.open(path, method=method), status, field)


def test_other_content_types_are_refused(client):
    reply = client.post("/v1/search", data='{"target": "movies", "text": "a"}', content_type="text/plain")
    problem = assert_problem(reply, 415)
    assert "Content-Type: application/json" in problem["detail"]


def test_a_wrong_method_names_the_right_ones(client):
    assert client.get("/v1/search").headers["Allow"] == "OPTIONS, POST"


def test_a_long_body_in_chunks_is_refused_not_cut(client):
    body = b'{"target": "movies", "text": "a"}'
    for padding, status in ((0, 200), (70_000, 413)):
        stream = io.BytesIO(body + b" " * padding)
        environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
        reply = client.post(
            "/v1/search", input_stream=stream, content_type="application/json", environ_overrides=environ
        )
        assert reply.status_code == status


def test_bad_json_says_where(client):
    reply = client.post("/v1/search", data='{"target": }', content_type="application/json")
    assert "line 1 column 12" in assert_problem(reply, 400)["detail"]


@pytest.mark.parametrize(
    ("failure", "status"), [(RuntimeError("/srv/secret"), 500), (VersionDamaged("/srv/secret"), 503)]
)
def test_failures_of_the_server_are_logged_and_not_shown(client, search, caplog, failure, status):
    search.failure = failure
    reply = client.post("/v1/search", json={"target": "movies", "text": "a"})
    assert_problem(reply, status)
    assert b"secret" not in reply.data
    assert "/srv/secret" in caplog.text


def test_nan_in_a_reply_is_a_failure_not_broken_json(client, search, monkeypatch):
    monkeypatch.setattr(
        search, "look_up", lambda medium, text, limit: [(float("nan"), search.item("movies", "680"))]
    )
    assert_problem(client.get("/v1/movies?q=rain"), 500)


def test_operations(client):
    assert client.get("/healthz").get_json() == {"status": "ok"}
    assert client.get("/readyz").get_json() == {"index_version": "v1", "status": "ready", "refused": None}


def test_without_a_version_the_server_is_up_but_not_ready(tmp_path):
    client = create_app(Settings(indexes=tmp_path)).test_client()
    assert client.get("/healthz").status_code == 200
    for path in ("/readyz", "/v1/tracks?q=a", "/v1/tracks/s1", "/v1/relevance"):
        problem = assert_problem(client.get(path), 503)
        assert str(tmp_path) not in problem["detail"]
    assert client.get("/plain?q=a").status_code == 503


def test_metrics_count_requests_by_route_and_status(client: FlaskClient) -> None:
    client.get("/healthz")
    client.get("/v1/movies/never-heard-of")
    text = client.get("/metrics").text
    assert 'segue_requests_total{route="/healthz",status="200"} 1.0' in text
    assert 'segue_requests_total{route="/v1/movies/<id>",status="404"} 1.0' in text
