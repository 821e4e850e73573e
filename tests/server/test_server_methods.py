"""Other methods than segue, over HTTP: on a version built without them, and on one built with them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from indexer.build import build
from indexer.config import BuildConfig
from indexer.index_folder import current_name
from indexer.index_version import verify
from indexer.starter import MOVIES, SOUNDTRACKS, TRACKS
from server.app import create_app
from server.search import METHODS, Search
from server.settings import Settings

ACROSS_ONLY = ("crosstune", "music2movie", "music2movie-aligned")
EVERY_WAY = ("popularity", "random", "text-cosine")
#: A song whose tags reach films by every method.
FILM, SONG = "casablanca-1942", "the-rolling-stones-jumpin-jack-flash"
INPUTS = {"movies": [FILM, "alien-1979"], "tracks": [SONG]}


def open_client(indexes: Path) -> Iterator[FlaskClient]:
    search = Search.open(indexes)
    yield create_app(Settings(), search).test_client()
    search.close()


@pytest.fixture(scope="module")
def plain(starter_indexes: Path) -> Iterator[FlaskClient]:
    """A server of a version without other methods."""
    yield from open_client(starter_indexes)


@pytest.fixture(scope="module")
def built(starter_indexes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Indexes of a version with other methods; encoder and texts are those of the version before."""
    indexes = tmp_path_factory.mktemp("methods") / "indexes"
    shutil.copytree(starter_indexes, indexes)
    build(
        BuildConfig(
            movies=MOVIES,
            tracks=TRACKS,
            soundtracks=SOUNDTRACKS,
            indexes=indexes,
            methods=(*EVERY_WAY, *ACROSS_ONLY),
        )
    )
    return indexes


@pytest.fixture(scope="module")
def client(built: Path) -> Iterator[FlaskClient]:
    """A server of the version with other methods."""
    yield from open_client(built)


def ask(client: FlaskClient, **body: Any) -> dict[str, Any]:
    reply = client.post("/v1/search", json=body)
    assert reply.status_code == 200, reply.get_json()
    found: dict[str, Any] = reply.get_json()
    return found


def refusal(client: FlaskClient, **body: Any) -> dict[str, str]:
    """The one error of a search that is refused."""
    reply = client.post("/v1/search", json=body)
    assert (reply.status_code, reply.mimetype) == (422, "application/problem+json")
    (error,) = reply.get_json()["errors"]
    found: dict[str, str] = error
    return found


@pytest.mark.parametrize("method", METHODS[1:])
def test_a_method_that_was_not_built_says_what_to_do(plain: FlaskClient, method: str) -> None:
    error = refusal(plain, target="movies", tracks=[SONG], method=method)
    assert error["field"] == "method"
    assert f"the method {method} is not in this version" in error["message"]
    assert "--methods" in error["message"]


@pytest.mark.parametrize("method", ["magic", "Segue", ""])
def test_a_method_that_nobody_knows_is_answered_with_the_known(plain: FlaskClient, method: str) -> None:
    error = refusal(plain, target="movies", tracks=[SONG], method=method)
    assert error["field"] == "method"
    for known in METHODS:
        assert known in error["message"]


def directions(methods: tuple[str, ...], across: bool, within: bool) -> list[tuple[str, str, str]]:
    ways = [
        (source, target)
        for source in ("movies", "tracks")
        for target in ("movies", "tracks")
        if (across and source != target) or (within and source == target)
    ]
    return [(method, source, target) for method in methods for source, target in ways]


@pytest.mark.parametrize(
    ("method", "source", "target"),
    directions(EVERY_WAY, True, True) + directions(ACROSS_ONLY, True, False),
)
def test_every_method_answers_in_its_directions(
    client: FlaskClient, method: str, source: str, target: str
) -> None:
    body = {"target": target, source: INPUTS[source], "method": method}
    reply = ask(client, **body, limit=1000)
    hits = reply["results"]
    gallery = {"movies": 370, "tracks": 985}[target]
    inputs = set(INPUTS[source]) if source == target else set()
    assert reply["query"]["method"] == method
    assert reply["total"] == len(hits) == len({hit["id"] for hit in hits}) == gallery - len(inputs)
    assert not inputs & {hit["id"] for hit in hits}
    assert [hit["rank"] for hit in hits] == list(range(1, len(hits) + 1))
    raw = [hit["raw_score"] for hit in hits]
    assert raw == sorted(raw, reverse=True)
    # The match score is the share of the gallery that scores lower.
    scores = [hit["score"] for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert 0.0 == scores[-1] <= scores[0] <= 1.0
    # The starter's films have no votes, so by popularity they are all alike.
    assert (scores[0] > 0.9) == ((method, target) != ("popularity", "movies"))
    for hit in hits[:20]:
        assert [(reason["term"], reason["value"]) for reason in hit["reasons"]] == [
            (method, hit["raw_score"])
        ]
        assert hit["reasons"][0]["text"]
    page = ask(client, **body, limit=7, offset=5)["results"]
    assert [(hit["id"], hit["rank"]) for hit in page] == [(hit["id"], hit["rank"]) for hit in hits[5:12]]


def test_popularity_ranks_by_popularity_and_random_does_not(client: FlaskClient) -> None:
    def popularities(method: str) -> list[float]:
        hits = ask(client, target="tracks", movies=[FILM], limit=50, method=method)["results"]
        return [hit["popularity"] for hit in hits]

    known = popularities("popularity")
    assert known == sorted(known, reverse=True)
    assert known[0] > 90
    shuffled = popularities("random")
    assert shuffled != sorted(shuffled, reverse=True)
    assert shuffled == popularities("random")


def test_methods_differ_from_each_other_and_from_segue(client: FlaskClient) -> None:
    lists = {
        tuple(
            hit["id"]
            for hit in ask(client, target="movies", tracks=[SONG], method=method, explain=False)["results"]
        )
        for method in ("segue", *EVERY_WAY, *ACROSS_ONLY)
    }
    assert len(lists) == 1 + len(EVERY_WAY) + len(ACROSS_ONLY)


def test_text_cosine_finds_the_like_of_a_film(client: FlaskClient) -> None:
    """What is nearest in plain sentences: for one crew hunted by an alien thing, another."""
    hits = ask(client, target="movies", movies=["alien-1979"], method="text-cosine", limit=5)["results"]
    assert "the-thing-1982" in {hit["id"] for hit in hits}


@pytest.mark.parametrize("method", [*EVERY_WAY, *ACROSS_ONLY])
def test_filters_hold_for_every_method(client: FlaskClient, method: str) -> None:
    body = {"target": "movies", "tracks": [SONG], "method": method, "explain": False}
    filters = {"genres": ["War"], "year_max": 1980}
    everything = ask(client, **body, limit=1000)["results"]
    expected = [hit["id"] for hit in everything if "War" in hit["genres"] and hit["year"] <= 1980]
    filtered = ask(client, **body, limit=1000, filters=filters)
    assert [hit["id"] for hit in filtered["results"]] == expected
    assert filtered["total"] == len(expected) > 5


@pytest.mark.parametrize(("method", "source", "target"), directions(ACROSS_ONLY, False, True))
def test_a_direction_that_a_method_lacks_is_refused(
    client: FlaskClient, method: str, source: str, target: str
) -> None:
    error = refusal(client, target=target, **{source: INPUTS[source]}, method=method)
    assert error["field"] == "target"
    assert f"not from {source} to {target}" in error["message"]


@pytest.mark.parametrize("method", [*EVERY_WAY, *ACROSS_ONLY])
@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"text": "rain"}, "text"),
        ({"avoid": {"text": "rain"}}, "avoid"),
        ({"avoid": {"movies": [FILM]}}, "avoid"),
        ({"mood": {"valence": 0.5}}, "mood"),
        ({"popularity": 1}, "popularity"),
        ({"diversity": 0.5}, "diversity"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_what_only_segue_understands_is_refused(
    client: FlaskClient, method: str, more: dict[str, Any], field: str
) -> None:
    error = refusal(client, target="movies", tracks=[SONG], **more, method=method)
    assert error["field"] == field
    assert method in error["message"]


def test_the_other_fitted_methods_are_still_named_as_missing(client: FlaskClient) -> None:
    error = refusal(client, target="movies", movies=[FILM], method="collaborative")
    assert (error["field"], "collaborative" in error["message"]) == ("method", True)


def test_relevance_equals_the_manifests_card(built: Path, client: FlaskClient) -> None:
    manifest = verify(built / current_name(built))
    reply = client.get("/v1/relevance").get_json()
    assert list(reply) == ["index_version", "relevance", "learned", "methods", "good_match"]
    assert reply["index_version"] == current_name(built)
    assert reply["relevance"] == manifest["relevance"]
    assert reply["relevance"]["pairs"] == 355
    assert reply["relevance"]["song_to_film"]["gallery"] == 370
    assert 0 < reply["relevance"]["song_to_film"]["recall_10"]["value"] < 1
    assert reply["learned"] == manifest["learned"]
    assert set(reply["methods"]) == {*EVERY_WAY, *ACROSS_ONLY}
    assert reply["good_match"] == 0.5


def test_relevance_without_other_methods(plain: FlaskClient) -> None:
    assert plain.get("/v1/relevance").get_json()["methods"] == {}
