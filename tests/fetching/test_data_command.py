"""``python -m indexer fetch spotify-tracks`` and its like, and finding what was fetched."""

from __future__ import annotations

import json
from functools import partial

import pytest
from stand_in_data import COMMIT, TABLE, GroupLens, Hub, Kaggle
from stand_in_host import reply

from indexer.__main__ import main
from indexer.errors import UnreadableFile
from indexer.fetching import movielens, spotify_tracks, tmdb_movies
from indexer.fetching.data_sets import fetched_files
from indexer.fetching.transfer import Patience


@pytest.fixture
def into(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def hub(stand_in, cdn, into, hub_closed, monkeypatch) -> Hub:
    made = Hub(stand_in, cdn, into)
    fetch = partial(spotify_tracks.fetch_spotify_tracks, endpoint=made.origin, sha256=made.digest)
    monkeypatch.setattr(spotify_tracks, "fetch_spotify_tracks", fetch)
    made.commit = spotify_tracks.REVISION
    return made


@pytest.fixture
def kaggle(stand_in, cdn, into, kaggle_here) -> Kaggle:
    return Kaggle(stand_in, cdn, into)


@pytest.fixture
def grouplens(stand_in, into, monkeypatch) -> GroupLens:
    made = GroupLens(stand_in, stand_in, into)
    fetch = partial(movielens.fetch_movielens, policy=made.policy, origin=made.origin)
    monkeypatch.setattr(movielens, "fetch_movielens", fetch)
    return made


@pytest.fixture
def fetch(into, monkeypatch):
    """Runs ``fetch``; gives its exit code. Between attempts nothing is waited for."""
    from indexer.commands import fetch_data

    monkeypatch.setattr(fetch_data, "Patience", partial(Patience, attempts=2, wait=lambda _: None))
    return lambda *arguments: main(["fetch", *arguments, "--into", str(into)])


def test_spotify_tracks_come_at_the_known_commit_and_only_once(hub, fetch, into, capsys):
    assert fetch("spotify-tracks") == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0] == f"spotify-tracks is in {into}/spotify-tracks: dataset.csv 0.3 MB"
    assert printed.out.splitlines()[1].startswith(f"{spotify_tracks.REVISION}; 0.3 MB came in ")
    assert printed.out.splitlines()[1].endswith(
        f"licence: {spotify_tracks.LICENCE.name}, see {into}/spotify-tracks/LICENCE.txt"
    )
    assert printed.err.startswith(spotify_tracks.LICENCE.notice)
    assert "spotify-tracks, fetched: 100%" in printed.err
    assert (into / "spotify-tracks/LICENCE.txt").read_text() == spotify_tracks.LICENCE.notice + "\n"
    asked = len(hub.stand_in.requests)
    assert fetch("spotify-tracks") == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(
        f"spotify-tracks is in {into}/spotify-tracks already: {spotify_tracks.REVISION}, "
    )
    assert printed.out.endswith("nothing was fetched (--again fetches it anew)\n")
    assert printed.err == ""
    assert len(hub.stand_in.requests) == asked
    assert fetch("spotify-tracks", "--again") == 0
    assert len(hub.file.ranges) == 2


def test_a_branch_is_asked_after_and_fetched_only_where_it_has_moved(hub, fetch, capsys):
    assert fetch("spotify-tracks") == 0
    assert fetch("spotify-tracks", "--revision", "main") == 0
    assert "nothing was fetched" in capsys.readouterr().out
    hub.commit = COMMIT
    assert fetch("spotify-tracks", "--revision", "main") == 0
    assert capsys.readouterr().out.splitlines()[1].startswith(f"{COMMIT}; ")
    assert len(hub.file.ranges) == 2


def test_tmdb_movies_stay_at_the_version_that_is_there(kaggle, fetch, capsys):
    assert fetch("tmdb-movies") == 0
    assert "tmdb-movies, unpacked: 100%" in capsys.readouterr().err
    kaggle.revision = "615"
    assert fetch("tmdb-movies") == 0
    assert "already: 614, " in capsys.readouterr().out
    assert fetch("tmdb-movies", "--version", "600") == 0
    assert fetch("tmdb-movies", "--again") == 0
    assert [line.split(";")[0] for line in capsys.readouterr().out.splitlines()[1::2]] == ["600", "615"]
    assert (kaggle.home / tmdb_movies.FILE).read_bytes() == TABLE


def test_movielens_comes_in_the_size_that_is_asked_for(grouplens, fetch, capsys):
    assert fetch("movielens", "--size", "small") == 0
    assert fetch("movielens") == 0
    assert "already: ml-latest-small " in capsys.readouterr().out
    grouplens.stand_in.routes["/datasets/movielens/ml-latest.zip"] = grouplens.file
    grouplens.stand_in.routes["/datasets/movielens/ml-latest.zip.md5"] = reply(grouplens.md5_line.encode())
    assert fetch("movielens", "--size", "latest") == 0
    assert capsys.readouterr().out.splitlines()[1].startswith(f"ml-latest {grouplens.md5}; ")
    with pytest.raises(SystemExit):
        fetch("movielens", "--size", "100m")


def test_all_that_the_public_catalogues_need_comes_by_one_call_and_is_gone_on_with(
    hub, kaggle, grouplens, fetch, into, monkeypatch
):
    small = movielens.EDITIONS["small"]
    monkeypatch.setitem(movielens.EDITIONS, "32m", small)  # the one that the stand-in has
    assert fetch("public") == 0
    assert sorted(fetched_files(into)) == ["spotify-tracks/dataset.csv", f"tmdb-movies/{tmdb_movies.FILE}"]
    asked = len(hub.stand_in.requests)
    assert fetch("public") == 0
    assert len(hub.stand_in.requests) == asked
    assert fetch("public", "--movielens") == 0
    assert sorted(fetched_files(into))[:3] == [
        "movielens/links.csv",
        "movielens/ratings.csv",
        "movielens/tags.csv",
    ]


@pytest.mark.parametrize("revision", ["../main", "-main", "", "a b", "x" * 101, "main?x=1"])
def test_a_revision_that_is_none_is_refused(fetch, revision):
    with pytest.raises(SystemExit):
        fetch("spotify-tracks", f"--revision={revision}")


def test_a_host_out_of_reach_ends_it_with_one_line(grouplens, hub, kaggle, fetch, into, capsys):
    for host in (hub.stand_in, hub.cdn_host):
        host.shutdown()
        host.server_close()
    for what in (["spotify-tracks"], ["tmdb-movies"], ["movielens", "--size", "small"]):
        assert fetch(*what) == 1
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith("segue: connection: ")
        assert last.endswith("; run the same again to go on where this ended")
    assert fetched_files(into) == {}


def test_a_wish_for_a_key_ends_it_with_one_line(kaggle, fetch, capsys):
    kaggle.stand_in.routes[kaggle.download] = reply(b"{}", 401, "application/json")
    assert fetch("tmdb-movies") == 1
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .startswith("segue: key: Kaggle wants a key (401): make a token at ")
    )


def test_an_interrupted_fetch_says_so_and_is_gone_on_with(grouplens, fetch, monkeypatch, capsys):
    from indexer.commands import fetch_data

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(fetch_data._Fetch, "advance", interrupt)
        assert fetch("movielens", "--size", "small") == 130
    assert not (grouplens.home / "fetched.json").exists()
    assert fetch("movielens", "--size", "small") == 0


def test_a_file_that_was_altered_is_seen_and_fetched_again(grouplens, fetch, into, capsys):
    assert fetch("movielens", "--size", "small") == 0
    ratings = grouplens.home / "ratings.csv"
    ratings.write_bytes(TABLE[:-1])
    with pytest.raises(
        UnreadableFile, match=r"ratings\.csv has 312008 bytes, 312009 were fetched: .* --again"
    ):
        fetched_files(into)
    ratings.unlink()
    with pytest.raises(
        UnreadableFile, match=r"ratings\.csv was fetched and is gone: python -m indexer fetch movielens"
    ):
        fetched_files(into)
    assert fetch("movielens", "--size", "small") == 0
    assert "is gone" in capsys.readouterr().err
    assert ratings.read_bytes() == TABLE


def test_what_was_fetched_is_found(grouplens, fetch, into):
    assert fetched_files(into) == {}
    assert fetch("movielens", "--size", "small") == 0
    assert fetched_files(into) == {
        f"movielens/{name}": into / "movielens" / name for name in ("tags.csv", "ratings.csv", "links.csv")
    }


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda record: {}, "cannot be understood"),
        (lambda record: record | {"files": {"tags.csv": {}}}, "cannot be understood"),
        (lambda record: record | {"files": []}, "cannot be understood"),
        (lambda record: record | {"dataset": "other"}, "is not of movielens"),
        (
            lambda record: record | {"files": {"../../etc/passwd": record["files"]["tags.csv"]}},
            "is not of movielens",
        ),
    ],
)
def test_a_record_that_is_none_is_not_believed(grouplens, fetch, into, change, why):
    assert fetch("movielens", "--size", "small") == 0
    path = grouplens.home / "fetched.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(UnreadableFile, match=why):
        fetched_files(into)


def test_data_without_a_record_do_not_count(into):
    (into / "movielens").mkdir(parents=True)
    (into / "movielens/tags.csv").write_text("half of it")
    with pytest.raises(
        UnreadableFile, match=r"movielens is incomplete \(no fetched\.json\): python -m indexer fetch"
    ):
        fetched_files(into)
