"""Items of a search completed by stand-ins of Spotify and TMDb: what is filled in, what is told, what stops nothing."""

from __future__ import annotations

import json
import threading
from urllib.parse import urlsplit

import pytest
from stand_in_host import close_at_once, reply

from indexer.catalogue.records import Movie, Track
from indexer.errors import ConfigError, MissingLibrary, QueryError
from indexer.fetching.film_sources import TmdbFilms
from indexer.fetching.keys import Keys
from indexer.fetching.spotify import SpotifySongs
from indexer.unseen_items import UnseenMovie, UnseenTrack
from server.app import create_app
from server.item_look_up import ItemLookUp, LookedUp
from server.search import Search
from server.settings import Settings

KEYS = Keys("me", "secret", None, "key")
SONG = {
    "id": "4uLU6hMCjMI75M1A2tKUQC",
    "name": "Never Gonna Give You Up",
    "artists": [{"name": "Rick Astley"}],
    "album": {"name": "Whenever You Need Somebody", "release_date": "1987-11-12"},
    "popularity": 80,
    "duration_ms": 213573,
    "explicit": False,
}
FILM = {
    "id": 603,
    "title": "The Matrix",
    "release_date": "1999-03-31",
    "genres": [{"name": "Action"}],
    "overview": "A hacker learns the truth.",
    "original_language": "en",
}
ASKED_SONG = UnseenTrack(Track("item-1", "Never Gonna Give You Up", ("Rick Astley",), year=1988))
ASKED_FILM = UnseenMovie(Movie("item-2", "The Matrix", overview="My own words."))


class ByPath(dict):
    def get(self, asked, default=None):
        return super().get(urlsplit(asked).path, default)


class StandInSources:
    def __init__(self, origin, downloader):
        self.songs = (SpotifySongs(downloader, "me", "secret", origin, origin),)
        self.films = (TmdbFilms(downloader, "key", origin),)


def answer(value, status=200):
    return reply(json.dumps(value).encode(), status, "application/json; charset=utf-8")


@pytest.fixture
def services(stand_in):
    stand_in.routes = ByPath(
        {
            "/api/token": answer({"access_token": "granted", "token_type": "Bearer", "expires_in": 3600}),
            "/v1/search": answer({"tracks": {"items": [SONG]}}),
            "/3/search/movie": answer({"results": [FILM]}),
            "/3/movie/603": answer(FILM),
        }
    )
    return stand_in


@pytest.fixture
def look_up(services, downloader):
    return ItemLookUp(KEYS, lambda _keys: StandInSources(services.origin, downloader))


def test_what_is_missing_is_filled_in_and_what_is_given_stays(look_up):
    items, outcomes = look_up.complete((ASKED_SONG, ASKED_FILM), (True, True))
    assert items == (
        UnseenTrack(
            Track(
                "item-1",
                "Never Gonna Give You Up",
                ("Rick Astley",),
                album="Whenever You Need Somebody",
                year=1988,
                duration_ms=213573,
            )
        ),
        UnseenMovie(
            Movie(
                "item-2",
                "The Matrix",
                year=1999,
                genres=("Action",),
                overview="My own words.",
                language="en",
            )
        ),
    )
    assert outcomes == (
        LookedUp("Spotify", ("album", "duration_ms")),
        LookedUp("TMDb", ("year", "genres", "language")),
    )


def test_nobody_is_asked_about_items_that_do_not_want_it(look_up, services):
    items, outcomes = look_up.complete((ASKED_SONG, ASKED_FILM), (False, True))
    assert items[0] is ASKED_SONG
    assert outcomes[0] is None
    assert {urlsplit(path).path for _, path, _, _ in services.requests} == {"/3/search/movie", "/3/movie/603"}


@pytest.mark.parametrize(
    ("reply_to_search", "problem"),
    [
        (answer({"results": []}), "no service knows it"),
        (answer({}, 500), "TMDb could not be asked (status-500)"),
        (
            answer({"status_code": 7, "status_message": "Invalid API key"}, 401),
            "TMDb could not be asked (key)",
        ),
        (close_at_once, "TMDb could not be asked (connection)"),
    ],
)
def test_a_service_that_fails_is_told_of_and_stops_nothing(look_up, services, reply_to_search, problem):
    services.routes["/3/search/movie"] = reply_to_search
    assert look_up.complete((ASKED_FILM,), (True,)) == ((ASKED_FILM,), (LookedUp(problem=problem),))


def test_a_service_that_takes_too_long_is_not_waited_for():
    let_go = threading.Event()

    class Slow:
        name = "Slow"

        def by_title(self, _wish):
            let_go.wait(30)

    class Sources:
        films = (Slow(),)

    try:
        found = ItemLookUp(KEYS, lambda _keys: Sources()).complete((ASKED_FILM,), (True,), wait_s=0.05)
    finally:
        let_go.set()
    assert found == ((ASKED_FILM,), (LookedUp(problem="no answer within 0.05 s"),))


def test_without_a_key_the_item_is_refused_by_name():
    with pytest.raises(
        QueryError, match=r"^this server looks no films up: SEGUE_TMDB_KEY or SEGUE_OMDB_KEY"
    ) as raised:
        ItemLookUp(Keys("me", "secret")).complete((ASKED_SONG, ASKED_FILM), (False, True))
    assert raised.value.field == "items.1.look_up"
    with pytest.raises(QueryError, match="looks no songs up"):
        ItemLookUp(Keys(tmdb_key="key")).complete((ASKED_SONG,), (True,))


def test_without_the_libraries_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "indexer.fetching.metadata", None)
    with pytest.raises(MissingLibrary, match=r"install requirements\.txt"):
        ItemLookUp(KEYS).complete((ASKED_FILM,), (True,))


def test_half_of_what_spotify_needs_stops_the_start():
    with pytest.raises(ConfigError, match="both a client id and a client secret"):
        create_app(Settings(spotify_client_id="me"), open_now=False)


def test_over_http_the_reply_says_what_was_added_and_finds_by_it(look_up, starter_indexes, monkeypatch):
    monkeypatch.setattr("server.app.ItemLookUp", lambda _keys: look_up)
    search = Search.open(starter_indexes)
    client = create_app(Settings(), search).test_client()
    item = {"kind": "movie", "title": "The Matrix"}
    completed = {**item, "year": 1999, "genres": ["Action"], "overview": FILM["overview"], "language": "en"}
    try:
        asked = client.post("/v1/search", json={"target": "tracks", "items": [{**item, "look_up": True}]})
        by_hand = client.post("/v1/search", json={"target": "tracks", "items": [completed]})
        untitled = client.post(
            "/v1/search",
            json={"target": "tracks", "items": [{"kind": "movie", "year": 1999, "look_up": True}]},
        )
        only_flag = client.post(
            "/v1/search", json={"target": "tracks", "items": [{"kind": "movie", "look_up": True}]}
        )
    finally:
        search.close()
    shown = asked.get_json()["query"]["items"][0]
    assert shown["looked_up"] == {
        "source": "TMDb",
        "added": ["year", "genres", "overview", "language"],
        "problem": None,
    }
    assert shown["overview"] == "A hacker learns the truth."
    assert asked.get_json()["results"] == by_hand.get_json()["results"]
    assert "looked_up" not in by_hand.get_json()["query"]["items"][0]
    assert (untitled.status_code, only_flag.status_code) == (422, 422)
    assert untitled.get_json()["errors"] == [{"field": "items.0", "message": "look_up needs a title"}]
    assert only_flag.get_json()["errors"] == [
        {"field": "items.0", "message": "give at least one part beside kind"}
    ]


def test_a_server_without_keys_refuses_over_http(starter_indexes):
    search = Search.open(starter_indexes)
    client = create_app(Settings(), search).test_client()
    try:
        reply = client.post(
            "/v1/search",
            json={"target": "tracks", "items": [{"kind": "movie", "title": "Heat", "look_up": True}]},
        )
    finally:
        search.close()
    assert reply.status_code == 422
    assert [error["field"] for error in reply.get_json()["errors"]] == ["items.0.look_up"]
