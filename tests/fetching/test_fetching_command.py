"""``python -m indexer fetch``, with its hosts replaced by the stand-in."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from stand_in_host import make_picture, policy_for, reply

from indexer.__main__ import main
from indexer.fetching import addresses, metadata, picture_sources
from indexer.fetching.film_sources import OmdbFilms, TmdbFilms
from indexer.fetching.spotify import SpotifySongs

SONG_ID = "4uLU6hMCjMI75M1A2tKUQC"


@pytest.fixture
def command(stand_in, monkeypatch, tmp_path):
    """Runs ``fetch`` with every host of the program at the stand-in; gives its exit code."""
    origins = []

    def policy(listed, *_, **__):
        origins.append(listed)
        return policy_for(stand_in.origin)

    monkeypatch.setattr(addresses, "HostPolicy", policy)
    monkeypatch.setattr(metadata, "HostPolicy", policy)
    for name, parts in (
        ("tmdb_posters", {"origin": stand_in.origin, "omdb_origin": stand_in.origin}),
        ("omdb_posters", {"origin": stand_in.origin}),
        ("spotify_covers", {"origin": stand_in.origin}),
    ):
        monkeypatch.setattr(picture_sources, name, partial(getattr(picture_sources, name), **parts))
    monkeypatch.setattr(metadata, "TmdbFilms", partial(TmdbFilms, origin=stand_in.origin))
    monkeypatch.setattr(metadata, "OmdbFilms", partial(OmdbFilms, origin=stand_in.origin))
    monkeypatch.setattr(
        metadata,
        "SpotifySongs",
        partial(SpotifySongs, origin=stand_in.origin, accounts_origin=stand_in.origin),
    )

    def run(*arguments: object) -> int:
        return main(["fetch", *(str(argument) for argument in arguments)])

    run.origins = origins
    return run


def answer(value: object, status: int = 200):
    return reply(json.dumps(value).encode(), status, "application/json")


def write(path: Path, *rows: list[str]) -> Path:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.fixture
def movies(tmp_path) -> Path:
    return write(
        tmp_path / "movies.csv",
        ["id", "title", "poster_path", "imdb_id"],
        ["603.0", "The Matrix", "/abc.jpg", "tt0133093"],
        ["604", "No poster", "", "tt0000604"],
        ["605", "Nothing known", "", ""],
        ["606", "A trick", "/../../../etc/passwd", ""],
        ["607", "Gone", "/gone.jpg", "tt0000607"],
    )


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_posters_come_from_tmdb_without_a_key(command, stand_in, movies, tmp_path, capsys):
    stand_in.routes = {"/t/p/w342/abc.jpg": reply(make_picture(1))}
    folder = tmp_path / "posters"
    assert command("posters", "--movies", movies, "--to", folder, "--threads", 2) == 0
    assert names_in(folder) == ["603.jpg", "failures.csv"]
    assert dict(stand_in.asked) == {"/t/p/w342/abc.jpg": 1, "/t/p/w342/gone.jpg": 1}
    printed = capsys.readouterr()
    assert "3 of 5 have no address to ask at\n1 fetched (0.0 MB, " in printed.out
    assert (
        f"0 were there, 0 skipped as hopeless, 1 failed\nfailures are in {folder}/failures.csv: 1 status-404\n"
        in (printed.out)
    )
    assert "posters: 100%" in printed.err
    assert command("posters", "--movies", movies, "--to", folder) == 0
    assert sum(stand_in.asked.values()) == 2
    assert (
        "0 fetched (0.0 MB, 0 a second), 1 were there, 1 skipped as hopeless, 0 failed"
        in capsys.readouterr().out
    )


def test_with_a_key_omdb_is_asked_for_the_rest_and_the_key_is_not_logged(command, stand_in, movies, tmp_path):
    stand_in.routes = {
        "/t/p/w500/abc.jpg": reply(make_picture(1)),
        "/?i=tt0000604&apikey=top-secret": answer(
            {"Response": "True", "Poster": f"{stand_in.origin}/604.jpg"}
        ),
        "/604.jpg": reply(make_picture(2)),
    }
    keys, folder = tmp_path / "keys", tmp_path / "posters"
    keys.write_text("SEGUE_OMDB_KEY=top-secret\n")
    run = partial(
        command, "posters", "--movies", movies, "--to", folder, "--key-file", keys, "--width", "w500"
    )
    assert run() == 0
    assert names_in(folder) == ["603.jpg", "604.jpg", "failures.csv"]
    stand_in.routes |= {
        "/?i=tt0000607&apikey=top-secret": answer({"Response": "True", "Poster": "N/A"}),
    }
    assert run("--source", "omdb", "--retry-failed") == 0
    log = (folder / "failures.csv").read_text()
    assert log.splitlines()[1:] == [
        f"607,{stand_in.origin}/?i=tt0000607,final not-found: OMDb has no poster,1"
    ]
    assert "/t/p/w500/abc.jpg" in stand_in.asked
    assert sum(stand_in.asked.values()) == 5


def test_a_used_up_key_ends_the_run(command, stand_in, tmp_path, capsys):
    movies = write(
        tmp_path / "m.csv", ["id", "title", "imdb_id"], *[[str(n), "t", f"tt{n}"] for n in range(1, 200)]
    )
    for number in range(1, 200):
        stand_in.routes[f"/?i=tt{number}&apikey=k"] = answer(
            {"Response": "False", "Error": "Request limit reached!"}, 401
        )
    keys = tmp_path / "keys"
    keys.write_text("SEGUE_OMDB_KEY=k")
    options = (
        "--movies",
        movies,
        "--to",
        tmp_path / "p",
        "--source",
        "omdb",
        "--key-file",
        keys,
        "--threads",
        1,
    )
    assert command("posters", *options) == 1
    assert "segue: gave-up: key: OMDb says: Request limit reached!; run the same again to go on" in (
        capsys.readouterr().err
    )
    assert sum(stand_in.asked.values()) <= 3


def test_covers_come_from_a_column_or_from_oembed(command, stand_in, tmp_path, capsys):
    other = "0" * 22
    tracks = write(
        tmp_path / "tracks.csv.gz",
        ["track_id", "track_name", "cover_url"],
        [SONG_ID, "by oEmbed", ""],
        [other, "no cover", ""],
        ["mine-1", "by its address", f"{stand_in.origin}/mine.png"],
        ["mine-2", "elsewhere", "https://evil.example/a.jpg"],
        ["mine-3", "nothing known", ""],
    )
    asked = "/oembed?url=https%3A%2F%2Fopen.spotify.com%2Ftrack%2F"
    stand_in.routes = {
        asked + SONG_ID: answer({"thumbnail_url": f"{stand_in.origin}/image/1"}),
        asked + other: answer({"title": "no thumbnail"}),
        "/image/1": reply(make_picture(1)),
        "/mine.png": reply(make_picture(2, format="PNG"), content_type="image/png"),
    }
    folder = tmp_path / "covers"
    assert command("covers", "--tracks", tracks, "--to", folder, "--limit", 10) == 0
    assert names_in(folder) == [f"{SONG_ID}.jpg", "failures.csv", "mine-1.png"]
    assert capsys.readouterr().out.startswith("1 of 5 have no address to ask at\n2 fetched ")
    assert {
        row["id"]: row["reason"] for row in csv.DictReader((folder / "failures.csv").read_text().splitlines())
    } == {
        other: "final not-found: Spotify names no cover",
        "mine-2": "final refused: https://evil.example is not among the hosts that may be asked",
    }
    assert command("covers", "--tracks", tracks, "--to", folder, "--url-column", "art") == 1
    assert "no column art" in capsys.readouterr().err


def test_only_the_listed_hosts_and_those_of_the_user_by_https(command, movies, tmp_path):
    command("posters", "--movies", movies, "--to", tmp_path / "p", "--allow-host", "Art.Example.org")
    assert command.origins == [
        {
            "https://image.tmdb.org",
            "https://www.omdbapi.com",
            "https://m.media-amazon.com",
            "https://art.example.org",
        }
    ]
    for host in ("http://a.org", "a.org:80", "localhost", "a.org/x", "*.org", ""):
        with pytest.raises(SystemExit):
            command("posters", "--movies", movies, "--to", tmp_path / "p", "--allow-host", host)


def test_the_films_and_songs_that_are_served_are_the_default(command, stand_in, indexes, tmp_path, capsys):
    assert command("posters", "--indexes", indexes, "--to", tmp_path / "p", "--limit", 1) == 0
    assert command("covers", "--indexes", indexes, "--to", tmp_path / "c", "--limit", 1) == 0
    assert command("covers", "--indexes", tmp_path / "none", "--to", tmp_path / "c") == 1
    capsys.readouterr()
    assert all(path.startswith(("/t/p/w342/", "/oembed?url=")) for path in stand_in.asked)


def test_a_source_without_its_key_is_refused(command, movies, tmp_path, capsys):
    assert command("posters", "--movies", movies, "--source", "omdb", "--to", tmp_path / "p") == 1
    assert "OMDb needs --key-file FILE with a line SEGUE_OMDB_KEY=" in capsys.readouterr().err
    assert not (tmp_path / "p").exists()


def test_one_song_and_one_film_are_looked_up(command, stand_in, tmp_path, capsys):
    keys = tmp_path / "keys"
    keys.write_text(
        "SEGUE_TMDB_KEY=t\nSEGUE_OMDB_KEY=o\nSEGUE_SPOTIFY_CLIENT_ID=i\nSEGUE_SPOTIFY_CLIENT_SECRET=s\n"
    )
    omdb = {"Response": "True", "Title": "Heat", "imdbID": "tt0113277", "Year": "1995"}
    stand_in.routes = {
        "/3/search/movie?query=Heat&year=1995&api_key=t": answer({"results": []}),
        "/?t=Heat&y=1995&type=movie&plot=full&apikey=o": answer(omdb),
        "/api/token": answer({"access_token": "a", "token_type": "Bearer", "expires_in": 3600}),
        f"/v1/tracks/{SONG_ID}": answer({"id": SONG_ID, "name": "Song", "artists": [{"name": "Somebody"}]}),
    }
    assert command("film", "Heat", "--year", 1995, "--key-file", keys) == 0
    assert json.loads(capsys.readouterr().out) == {
        "source": "OMDb",
        "id": "tt0113277",
        "title": "Heat",
        "year": 1995,
        "imdb_id": "tt0113277",
    }
    assert command("song", "--id", SONG_ID, "--key-file", keys) == 0
    assert json.loads(capsys.readouterr().out) == {
        "source": "Spotify",
        "id": SONG_ID,
        "title": "Song",
        "artists": ["Somebody"],
    }
    assert command("film", "--id", "x", "--key-file", keys) == 1
    assert "not-found: unknown to TMDb and OMDb" in capsys.readouterr().err
    assert command("film", "--key-file", keys) == 1
    keys.write_text("")
    assert command("song", "x", "--key-file", keys) == 1
    assert "has no SEGUE_SPOTIFY_CLIENT_ID" in capsys.readouterr().err


def test_what_is_not_installed_is_named():
    program = """
import sys
for name in sys.argv[2].split(","):
    sys.modules[name] = None
from indexer.errors import MissingLibrary
try:
    exec(sys.argv[1])
except MissingLibrary as error:
    print(error)
"""

    def run(code: str, lacking: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", program, code, lacking],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
        )
        return done.stdout.strip()

    install = "python -m pip install -r requirements.txt"
    assert run("import indexer.fetching.download", "urllib3") == f"fetching needs urllib3: {install}"
    spotify = "from indexer.fetching.spotify import *; SpotifySongs(None, '', '')"
    assert run(spotify, "spotipy") == f"Spotify needs spotipy: {install}"
    picture = "from indexer.fetching.picture_check import *; check_picture(b'')"
    assert run(picture, "PIL") == f"checking pictures needs Pillow: {install}"
    assert run("import indexer.__main__, server.settings", "urllib3,requests,spotipy,PIL,pandas,tqdm") == ""
