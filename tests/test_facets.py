"""Facets count the rows that the filters leave, less the inputs: the same rows as ``total``, on all pages."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from indexer.catalogue.records import Movie
from indexer.filter_columns import Facets, Filters
from server.app import create_app
from server.search import Hit, Query, Search
from server.settings import Settings

FILM, SONG = "casablanca-1942", "stevie-wonder-superstition"
QUERIES = [
    Query("movies", tracks=(SONG,)),
    Query("tracks", movies=(FILM,)),
    Query("movies", movies=(FILM, "alien-1979"), avoid_movies=("psycho-1960",)),
    Query("tracks", tracks=(SONG,), filters=Filters(genres=("soul", "Rock"))),
    Query("movies", text="rain", filters=Filters(genres=("Drama",), year_min=1960, language=("en",))),
    Query("movies", movies=(FILM,), filters=Filters(genres=("Drama",), year_max=1950)),
    Query("tracks", text="rain", filters=Filters(year_max=1979, energy_min=0.5)),
]


@pytest.fixture(scope="module")
def client(search: Search) -> FlaskClient:
    return create_app(Settings(), search).test_client()


def count(hits: tuple[Hit, ...]) -> tuple[Counter[str], Counter[int], Counter[str]]:
    """Genres, decades and languages of all hits, one by one."""
    genres: Counter[str] = Counter()
    decades: Counter[int] = Counter()
    languages: Counter[str] = Counter()
    for hit in hits:
        genres.update({genre.casefold() for genre in hit.item.genres})
        year = hit.item.year if isinstance(hit.item, Movie) else hit.item.year or hit.item.decade
        if year is not None:
            decades[year // 10 * 10] += 1
        if isinstance(hit.item, Movie) and hit.item.language is not None:
            languages[hit.item.language] += 1
    return genres, decades, languages


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_facets_equal_a_count_of_all_results(search: Search, query: Query) -> None:
    everything = search.find(replace(query, limit=1000, explain=False))
    page = search.find(replace(query, limit=3, offset=2, facets=True))
    assert page.total == len(everything.hits) > 0
    assert page.facets is not None
    genres, decades, languages = count(everything.hits)
    assert {name.casefold(): number for name, number in page.facets.genres.items()} == genres
    assert page.facets.decades == decades
    assert page.facets.languages == languages
    for counted in (page.facets.genres, page.facets.decades, page.facets.languages):
        assert list(counted.values()) == sorted(counted.values(), reverse=True)


def test_facets_are_counted_only_where_asked_for(search: Search) -> None:
    assert search.find(QUERIES[0]).facets is None


def test_where_nothing_is_left_there_is_nothing_to_count(search: Search) -> None:
    answer = search.find(Query("movies", tracks=(SONG,), filters=Filters(year_min=2500), facets=True))
    assert (answer.total, answer.facets) == (0, Facets({}, {}, {}))


def test_both_ways_of_asking_reply_with_the_same_facets(client: FlaskClient, search: Search) -> None:
    facets = search.find(
        Query("movies", tracks=(SONG,), filters=Filters(genres=("War",)), facets=True)
    ).facets
    assert facets is not None
    expected = {
        "genres": facets.genres,
        "decades": {str(decade): number for decade, number in facets.decades.items()},
        "languages": facets.languages,
    }
    got = client.get(f"/v1/tracks/{SONG}/movies?genres=War&facets=true").get_json()
    body = {"target": "movies", "tracks": [SONG], "filters": {"genres": ["War"]}, "facets": True}
    posted = client.post("/v1/search", json=body).get_json()
    assert got["facets"] == posted["facets"] == expected
    assert expected["genres"]["War"] == got["total"]
    assert got["query"]["facets"] is True
    plain = client.get(f"/v1/tracks/{SONG}/movies?genres=War").get_json()
    assert "facets" not in plain
    assert "facets" not in plain["query"]


def test_the_description_has_them(client: FlaskClient) -> None:
    description = client.get("/openapi.json").get_json()
    schemas = description["components"]["schemas"]
    assert set(schemas["FacetsReply"]["properties"]) == {"genres", "decades", "languages"}
    for reply in ("MovieMatches", "TrackMatches", "Matches"):
        assert "facets" in schemas[reply]["properties"]
    assert schemas["SearchBody"]["properties"]["facets"]["default"] is False
    for path in ("/v1/tracks/{id}/movies", "/v1/movies/{id}/tracks", "/v1/movies/{id}/similar"):
        names = {parameter["name"] for parameter in description["paths"][path]["get"]["parameters"]}
        assert {"facets", "index_version"} <= names
