"""Metadata from stand-ins of Spotify, TMDb and OMDb that answer, and fail in every usual way."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from stand_in_host import QUICK, close_at_once, drip, head, policy_for, reply

from indexer.catalogue.records import Movie, Track
from indexer.errors import ConfigError, FetchFailed
from indexer.fetching.download import Downloader
from indexer.fetching.film_sources import OmdbFilms, TmdbFilms
from indexer.fetching.json_values import number_of, text_of, year_of
from indexer.fetching.keys import KEY_NAMES, Keys, read_key, read_keys
from indexer.fetching.metadata import KEPT_S, NOTHING_KEPT_S, CachedSource, Metadata
from indexer.fetching.spotify import SpotifySongs
from indexer.fetching.wish import Wish
from server.settings import Settings

ID = "4uLU6hMCjMI75M1A2tKUQC"
SONG = {
    "id": ID,
    "name": "Never Gonna Give You Up",
    "artists": [{"name": "Rick Astley"}, {"name": ""}, 7],
    "album": {"name": "Whenever You Need Somebody", "release_date": "1987-11-12"},
    "popularity": 80,
    "duration_ms": 213573,
    "explicit": False,
}
TRACK = Track(
    id=ID,
    title="Never Gonna Give You Up",
    artists=("Rick Astley",),
    album="Whenever You Need Somebody",
    year=1987,
    popularity=80.0,
    duration_ms=213573,
    explicit=False,
)
TMDB_FILM = {
    "id": 603,
    "title": "The Matrix",
    "original_title": "The Matrix",
    "release_date": "1999-03-31",
    "genres": [{"id": 28, "name": "Action"}, {"id": 878, "name": "Science Fiction"}],
    "keywords": {"keywords": [{"name": "dystopia"}, {"name": "a|b"}]},
    "overview": "A hacker\n learns the truth.",
    "tagline": "",
    "original_language": "en",
    "production_countries": [{"name": "United States of America"}],
    "runtime": 136,
    "vote_average": 8.2,
    "vote_count": 26000,
    "popularity": 80.5,
    "revenue": 463517383,
    "budget": 0,
    "imdb_id": "tt0133093",
    "poster_path": "/f89U3ADr1oiB1s9GkdPOEpXUk5H.jpg",
}
MOVIE = Movie(
    id="603",
    title="The Matrix",
    original_title="The Matrix",
    year=1999,
    genres=("Action", "Science Fiction"),
    keywords=("dystopia", "a/b"),
    overview="A hacker learns the truth.",
    language="en",
    countries=("United States of America",),
    runtime_min=136.0,
    rating=8.2,
    votes=26000,
    popularity=80.5,
    revenue=463517383.0,
    imdb_id="tt0133093",
    poster_path="/f89U3ADr1oiB1s9GkdPOEpXUk5H.jpg",
)
OMDB_FILM = {
    "Response": "True",
    "Title": "The Matrix",
    "Year": "1999",
    "Genre": "Action, Sci-Fi",
    "Plot": "A hacker learns the truth.",
    "Country": "United States, Australia",
    "Runtime": "136 min",
    "imdbRating": "8.7",
    "imdbVotes": "2,100,345",
    "BoxOffice": "$172,076,928",
    "imdbID": "tt0133093",
    "Poster": "N/A",
}


def answer(value: object, status: int = 200, **headers: str):
    return reply(json.dumps(value).encode(), status, "application/json; charset=utf-8", **headers)


TOKEN = answer({"access_token": "granted", "token_type": "Bearer", "expires_in": 3600})


def queries(stand_in, path: str) -> list[dict[str, list[str]]]:
    return [
        parse_qs(urlsplit(asked).query)
        for _, asked, _, _ in stand_in.requests
        if urlsplit(asked).path == path
    ]


class ByPath(dict):
    """Routes by the path alone; what a query holds is looked at afterwards."""

    def get(self, asked, default=None):
        return super().get(urlsplit(asked).path, default)


@pytest.fixture
def services(stand_in):
    stand_in.routes = ByPath()
    return stand_in


@pytest.fixture
def spotify(services, downloader):
    services.routes["/api/token"] = TOKEN
    return SpotifySongs(downloader, "me", "secret", services.origin, services.origin)


def test_a_song_is_looked_up_by_its_id_with_one_token_for_all(services, spotify):
    services.routes[f"/v1/tracks/{ID}"] = answer(SONG)
    assert [spotify.by_id(ID), spotify.by_id(ID), spotify.by_id("../me"), spotify.by_id("")] == [
        TRACK,
        TRACK,
        None,
        None,
    ]
    method, path, headers, body = services.requests[0]
    assert (method, path, body) == ("POST", "/api/token", b"grant_type=client_credentials")
    assert headers["authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()
    assert [headers["authorization"] for _, _, headers, _ in services.requests[1:]] == ["Bearer granted"] * 2


def test_the_hit_most_like_the_wish_is_taken_and_another_song_is_not(services, spotify):
    hits = [
        SONG
        | {
            "id": "A" * 22,
            "name": "Never Gonna Give You Up (Karaoke Version)",
            "artists": [{"name": "Karaoke"}],
        },
        {"id": None, "name": "x"},
        7,
        SONG,
        SONG | {"id": "B" * 22, "name": "Together Forever"},
    ]
    services.routes["/v1/search"] = answer({"tracks": {"items": hits}})
    assert spotify.by_title(Wish('never gonna "give" you up', "rick astley", 1987)) == TRACK
    assert spotify.by_title(Wish("Bohemian Rhapsody", "Queen")) is None
    assert spotify.by_title(Wish("Never Gonna Give You Up", "Queen")) is None
    remastered = SONG | {"name": "Never Gonna Give You Up - Remastered 2022"}
    services.routes["/v1/search"] = answer({"tracks": {"items": [hits[0], remastered]}})
    found = spotify.by_title(Wish("Never Gonna Give You Up", "The Rick Astley"))
    assert found is not None
    assert found.title == "Never Gonna Give You Up - Remastered 2022"
    asked = queries(services, "/v1/search")[0]
    assert asked["q"] == ['track:"never gonna  give  you up" artist:"rick astley" year:1987']
    assert asked["type"] == ["track"]


@pytest.mark.parametrize(
    "value", [{}, {"tracks": None}, {"tracks": {"items": "none"}}, {"tracks": {"items": []}}]
)
def test_a_reply_without_hits_finds_nothing(services, spotify, value):
    services.routes["/v1/search"] = answer(value)
    assert spotify.by_title(Wish("x")) is None


def test_an_unknown_song_is_none(services, spotify):
    services.routes[f"/v1/tracks/{ID}"] = answer({"error": {"status": 404, "message": "not found"}}, 404)
    assert spotify.by_id(ID) is None


@pytest.mark.parametrize(
    ("token", "song", "expected"),
    [
        (answer({"error": "invalid_client"}, 400), TOKEN, "key"),
        (TOKEN, answer({"error": {"message": "expired"}}, 401), "key"),
        (TOKEN, answer({"error": {"message": "no"}}, 403), "key"),
        (TOKEN, answer({"error": {"message": "odd"}}, 400), "status-400"),
        (TOKEN, answer({}, 500), "status-500"),
        (TOKEN, answer({}, 429, Retry_After="86400"), "status-429"),
        (answer({}, 503), TOKEN, "status-503"),
        (TOKEN, reply(b"<html>", content_type="text/html"), "content-type"),
        (TOKEN, reply(b"{", content_type="application/json"), "bad-reply"),
        (TOKEN, answer([1]), "bad-reply"),
        (TOKEN, close_at_once, "connection"),
        (close_at_once, TOKEN, "connection"),
        (TOKEN, reply(b"", 302, Location="http://169.254.169.254/"), "refused"),
        (TOKEN, answer("x" * 2_000_000), "too-large"),
    ],
)
def test_every_failure_of_spotify_has_a_name(services, spotify, token, song, expected):
    services.routes |= {"/api/token": token, f"/v1/tracks/{ID}": song}
    with pytest.raises(FetchFailed) as raised:
        spotify.by_id(ID)
    assert raised.value.kind == expected
    assert "secret" not in str(raised.value)


def test_spotify_is_asked_again_after_failures_that_pass(services, spotify):
    services.routes[f"/v1/tracks/{ID}"] = [answer({}, 502), answer({}, 429, Retry_After="0"), answer(SONG)]
    assert spotify.by_id(ID) == TRACK


def test_a_slow_spotify_is_cut_off(services):
    slow = drip(head(Content_Type="application/json", Content_Length="900"), b" " * 900)
    services.routes |= {"/api/token": TOKEN, f"/v1/tracks/{ID}": slow}
    with Downloader(policy_for(services.origin), replace(QUICK, attempts=1, whole_s=0.3)) as downloader:
        songs = SpotifySongs(downloader, "me", "secret", services.origin, services.origin)
        with pytest.raises(FetchFailed, match=r"^timeout: not whole after 0.3 s"):
            songs.by_id(ID)


def test_tmdb_gives_a_film_by_either_id_and_by_title(services, downloader):
    services.routes |= {
        "/3/movie/603": answer(TMDB_FILM),
        "/3/find/tt0133093": answer({"movie_results": [{"id": 603}]}),
        "/3/search/movie": answer(
            {
                "results": [
                    {"id": 1, "title": "The Matrix", "release_date": "2014-01-01"},
                    {"id": 2, "title": "Matrixed", "original_title": "Anything"},
                    {"id": 603, "title": "The Matrix", "release_date": "1999-03-31"},
                ]
            }
        ),
    }
    films = TmdbFilms(downloader, "key", services.origin)
    assert films.by_id("603") == films.by_id("tt0133093") == MOVIE
    assert films.by_title(Wish("the matrix", year=1998)) == MOVIE
    assert films.by_title(Wish("Amélie & Co")) is None
    assert films.by_id("../account") is None
    assert queries(services, "/3/movie/603")[0] == {"append_to_response": ["keywords"], "api_key": ["key"]}
    assert queries(services, "/3/search/movie")[1] == {"query": ["Amélie & Co"], "api_key": ["key"]}


def test_a_token_of_version_4_goes_into_a_header(services, downloader):
    services.routes["/3/movie/603"] = answer(TMDB_FILM)
    assert TmdbFilms(downloader, "a.b.c", services.origin).by_id("603") == MOVIE
    assert services.requests[0][2]["authorization"] == "Bearer a.b.c"
    assert "api_key" not in queries(services, "/3/movie/603")[0]


def test_a_refused_key_and_an_unknown_film_of_tmdb(services, downloader):
    films = TmdbFilms(downloader, "key", services.origin)
    services.routes["/3/movie/1"] = answer({"status_code": 34, "status_message": "not found"}, 404)
    assert films.by_id("1") is None
    services.routes["/3/movie/1"] = answer({"status_code": 7, "status_message": "Invalid API key"}, 401)
    with pytest.raises(FetchFailed, match=r"^key: TMDb says: Invalid API key$"):
        films.by_id("1")


def test_omdb_gives_a_film_with_its_numbers_read(services, downloader):
    services.routes["/"] = answer(OMDB_FILM)
    films = OmdbFilms(downloader, "key", services.origin)
    expected = Movie(
        id="tt0133093",
        title="The Matrix",
        year=1999,
        genres=("Action", "Sci-Fi"),
        overview="A hacker learns the truth.",
        countries=("United States", "Australia"),
        runtime_min=136.0,
        rating=8.7,
        votes=2100345,
        revenue=172076928.0,
        imdb_id="tt0133093",
    )
    assert films.by_id("tt0133093") == films.by_title(Wish("The Matrix", year=1999)) == expected
    assert films.by_title(Wish("Amélie")) is None
    assert films.by_id("603") is None
    assert queries(services, "/")[1] == {
        "t": ["The Matrix"],
        "y": ["1999"],
        "type": ["movie"],
        "plot": ["full"],
        "apikey": ["key"],
    }


@pytest.mark.parametrize(
    ("value", "status", "expected"),
    [
        ({"Response": "False", "Error": "Movie not found!"}, 200, None),
        ({"Response": "False", "Error": "Incorrect IMDb ID."}, 200, None),
        ({"Response": "True"}, 200, None),
        ({"Response": "False", "Error": "Invalid API key!"}, 401, "key: OMDb says: Invalid API key!"),
        (
            {"Response": "False", "Error": "Request limit reached!"},
            401,
            "key: OMDb says: Request limit reached!",
        ),
        (
            {"Response": "False", "Error": "Error getting data."},
            200,
            "bad-reply: OMDb says: Error getting data.",
        ),
        ({}, 200, "bad-reply: OMDb says: nothing"),
        ([], 200, "bad-reply: the reply is no JSON object"),
    ],
)
def test_what_omdb_says_besides(services, downloader, value, status, expected):
    services.routes["/"] = answer(value, status)
    films = OmdbFilms(downloader, "top-secret", services.origin)
    if expected is None:
        assert films.by_id("tt0133093") is None
        return
    with pytest.raises(FetchFailed) as raised:
        films.by_id("tt0133093")
    assert str(raised.value) == expected


def test_values_of_the_wrong_kind_count_as_unknown():
    assert [text_of(value) for value in ("  a \n b ", "", "N/A", None, 7, ["a"])] == ["a b"] + [None] * 5
    assert [number_of(value) for value in (3, "136 min", "$1,234.5", "2,100,345")] == [
        3.0,
        136.0,
        1234.5,
        2100345.0,
    ]
    assert [
        number_of(value) for value in (0, -1, True, "N/A", None, float("nan"), float("inf"), "1" * 400)
    ] == [None] * 8
    assert [year_of(value) for value in ("1999-03-31", "1999–2003", "31.3.1999", "", None, 1999)] == [
        1999,
        1999,
        None,
        None,
        None,
        None,
    ]


class Counting:
    name = "counting"

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.answers: dict[object, object] = {}

    def by_id(self, id):
        self.asked.append(id)
        if isinstance(found := self.answers.get(id), Exception):
            raise found
        return found

    def by_title(self, wish):
        self.asked.append(wish)
        return self.answers.get(wish.key)


def test_answers_are_remembered_for_a_day_and_failures_are_not():
    source, now = Counting(), [0.0]
    cached = CachedSource(source, kept=2, clock=lambda: now[0])
    source.answers = {
        "a": TRACK,
        "bad": FetchFailed("timeout", "slow"),
        ("a  b".replace("  ", " "), None, None): TRACK,
    }
    assert [cached.by_id("a"), cached.by_id("a"), cached.by_id("none"), cached.by_id("none")] == [
        TRACK
    ] * 2 + [None] * 2
    assert source.asked == ["a", "none"]
    now[0] = NOTHING_KEPT_S
    assert [cached.by_id("none"), cached.by_id("a")] == [None, TRACK]
    assert source.asked == ["a", "none", "none"]
    now[0] = KEPT_S
    assert cached.by_id("a") == TRACK
    for _ in range(2):
        with pytest.raises(FetchFailed, match="timeout: slow"):
            cached.by_id("bad")
    assert source.asked == ["a", "none", "none", "a", "bad", "bad"]
    assert cached.by_title(Wish(" A  b")) == cached.by_title(Wish("a B")) == TRACK
    assert len(source.asked) == 7
    cached.by_id("third")
    cached.by_id("a")
    assert source.asked[-2:] == ["third", "a"]


def test_without_keys_there_is_nobody_to_ask():
    with Metadata(Keys()) as metadata:
        assert (metadata.films, metadata.songs, metadata.media) == ((), (), ())
    with Metadata(Keys(tmdb_key="t", omdb_key="o")) as metadata:
        assert [source.name for source in metadata.films] == ["TMDb", "OMDb"]
        assert metadata.media == ("movies",)
    with Metadata(Keys(spotify_client_id="i", spotify_client_secret="s")) as metadata:
        assert [source.name for source in metadata.songs] == ["Spotify"]
        assert metadata.media == ("tracks",)


def test_keys_are_read_from_a_file_and_never_shown(tmp_path):
    path = tmp_path / "keys"
    path.write_text(
        "# mine\n\nSEGUE_OMDB_KEY = abc\nSEGUE_SPOTIFY_CLIENT_ID=i\nSEGUE_SPOTIFY_CLIENT_SECRET=s=1\n"
    )
    keys = read_keys(path)
    assert keys == Keys("i", "s=1", "abc")
    assert repr(keys) == "Keys()"


@pytest.mark.parametrize(
    "content",
    [
        "SEGUE_OMDB_KEY=",
        "SEGUE_OMDB_KEY=hush hush",
        "hush",
        "OTHER=hush",
        "SEGUE_OMDB_KEY=a\nSEGUE_OMDB_KEY=hush",
    ],
)
def test_a_bad_key_file_is_refused_without_being_repeated(tmp_path, content):
    path = tmp_path / "keys"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"keys, line [12]: must be NAME=key") as raised:
        read_keys(path)
    assert "hush" not in str(raised.value)


def test_half_of_spotifys_keys_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="Spotify needs both"):
        Keys(spotify_client_id="i")
    with pytest.raises(ConfigError, match=r"cannot be read .FileNotFoundError"):
        read_keys(tmp_path / "none")


def test_a_file_of_one_key(tmp_path):
    path = tmp_path / "key"
    path.write_text(" abc \n")
    assert read_key(path) == "abc"
    path.write_text("hush\nhush")
    with pytest.raises(ConfigError, match="must hold one key") as raised:
        read_key(path)
    assert "hush" not in str(raised.value)


def test_the_servers_settings_give_the_keys_and_never_show_them():
    settings = Settings.from_environ({"SEGUE_OMDB_KEY": " hush ", "SEGUE_TMDB_KEY": "a.b.c"})
    assert settings.keys == Keys(omdb_key="hush", tmdb_key="a.b.c")
    assert Settings.from_environ({}).keys == Keys()
    assert "hush" not in repr(settings)
    for name in KEY_NAMES:
        with pytest.raises(ConfigError, match=f"^{name} must be a key") as raised:
            Settings.from_environ({name: "hush\nhush"})
        assert "hush" not in str(raised.value)
