"""``build --dry-run`` and ``--map``: what would be read and dropped is said, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer import index_version as versions
from indexer.__main__ import main

FILMS = """nr,name,plot,kind,year,mins,cast
7,Up North,A walk.,Drama|Comedy,1999-05-04,90,Ann
8,Down South,,Drama,2003,100,Bob
9,East,A train.,Crime,1977,long,Cy
"""
MAP = "id=nr,title=name,overview=plot,genres=kind,runtime_min=mins"


@pytest.fixture
def films(tmp_path: Path) -> Path:
    path = tmp_path / "films.csv"
    path.write_text(FILMS, encoding="utf-8")
    return path


def test_a_dry_run_says_what_becomes_of_the_rows_and_writes_nothing(
    films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "build",
        "--movies",
        str(films),
        "--map",
        MAP,
        "--dry-run",
        "--indexes",
        str(tmp_path / "ix"),
    ]
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{films}: 3 rows read, 2 films kept",
        "  dropped: 1",
        "    missing_overview: 1 (no overview)",
        "      line 3: id 8 · Down South",
        "  values made unknown: 1",
        "    wrong_type: 1 (not of the column's type; the value becomes unknown)",
        "      line 4: id 9 · East · runtime_min = long",
        "  not known of all that is kept: runtime_min 1",
        "  columns read: id ← nr, title ← name, overview ← plot, genres ← kind, runtime_min ← mins",
        "  columns not read: year, cast",
        "    year would be read with --map year=year",
        "  no column for:",
        "    year: no filter by year, and the age of films does not count",
        "    original_title: films are not found by their original titles",
        "    tagline: moods are read of the overview alone",
        "    language: no filter by language",
        "    imdb_id: posters and texts that are named by IMDb id are not found",
        "    poster_path: the page shows no poster",
        "    keywords: themes are not learned: films are compared by sentence and mood alone",
        "    countries: nothing: no search reads them",
        "    votes: no filter by votes, and every rating counts as unknown, since nothing says that anybody gave it",
        "    rating: no filter by rating",
        "    popularity: no filter by popularity, and no dial from well known to little known",
        "    revenue: nothing but the method music2movie reads it",
        "    budget: nothing: no search reads it",
        "    status: films that are not released yet are kept",
        "    adult: films for adults only are kept",
        "  the first films as they are understood:",
        "    7: Up North",
        "      genres: Drama; Comedy",
        "      overview: A walk.",
        "      runtime_min: 90.0",
        "    9: East",
        "      genres: Crime",
        "      overview: A train.",
        "",
        "No --tracks is named, so a build would be refused.",
        "",
        "Nothing was written.",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["films.csv"]


def test_a_dry_run_of_everything_tells_of_songs_pairs_and_other_files(
    films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    songs = tmp_path / "songs.csv"
    songs.write_text(
        "track_id,band,track_name,valence\nt1,Ann;Bob,Song,0.5\nt1,Ann;Bob,Song,\n", encoding="utf-8"
    )
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("tmdb_id,track_id\n7,t1\n8,t1\n", encoding="utf-8")
    tags = tmp_path / "tags.csv"
    arguments = ["build", "--movies", str(films), "--map-movies", MAP, "--tracks", str(songs), "--dry-run"]
    arguments += ["--map-tracks", "artists=band", "--soundtracks", str(pairs), "--movie-tags", str(tags)]
    assert main([*arguments, "--indexes", str(tmp_path / "ix")]) == 0
    said = capsys.readouterr().out
    assert f"{songs}: 2 rows read, 1 songs kept\n  merged: 1\n    genre_rows_merged: 1" in said
    assert "      line 3: id t1 · Song · merged into t1\n" in said
    assert "  columns read: id ← track_id, artists ← band, title ← track_name, valence ← valence\n" in said
    assert (
        "    energy: no filter by energy, and songs' texts and moods know less of how a song sounds\n" in said
    )
    assert "    t1: Song\n      artists: Ann; Bob\n      valence: 0.5\n" in said
    assert f"{pairs}: 2 rows read, 1 pairs kept\n  dropped: 1\n    unknown_movie: 1" in said
    assert f"not looked into now:\n  movie_tags: {tags} (NOT THERE)\n" in said
    assert not (tmp_path / "ix").exists()


def test_a_catalogue_of_which_nothing_is_left_is_shown_and_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    films = tmp_path / "films.csv"
    films.write_text("id,title,overview,genres\n1,Up,,Drama\n", encoding="utf-8")
    assert main(["build", "--movies", str(films), "--dry-run"]) == 1
    said = capsys.readouterr()
    assert "    missing_overview: 1 (no overview)\n" in said.out
    assert "Nothing was written" not in said.out
    assert "no film is left of 1 rows; removed by missing_overview (no overview) 1" in said.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--dry-run"], "--dry-run needs something to read"),
        (["--dry-run", "--starter", "--report", "r.json"], "does not go with --report"),
        (["--map", "title=name"], "--map names the columns of --movies, which is not given"),
        (["--starter", "--map-tracks", "title=name"], "--map-tracks names the columns of --tracks"),
        (["--starter", "--map", "titel=name"], "there is no field 'titel' of movies (title?)"),
        (["--preset", "publik"], "unknown preset 'publik'; there are default, music2movie, public"),
        (["--preset", "public", "--starter"], "leave one of them out"),
    ],
)
def test_options_that_make_no_sense_together_are_refused(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", *arguments, "--indexes", str(tmp_path / "ix")]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "ix").exists()


def test_own_films_are_built_beside_the_starters_songs(
    films: Path, indexes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "build",
        "--movies",
        str(films),
        "--map",
        MAP,
        "--starter",
        "--no-publish",
        "--indexes",
        str(indexes),
    ]
    assert main(arguments) == 0
    name = capsys.readouterr().out.split()[0]
    manifest = versions.verify(indexes / name)
    assert manifest["counts"]["movies"] == 2
    assert [(source["what"], source["file"]) for source in manifest["sources"]] == [
        ("movies", "films.csv"),
        ("tracks", "tracks.csv"),
    ]
    assert manifest["build"]["settings"]["movie_columns"] == dict(pair.split("=") for pair in MAP.split(","))
    opened = versions.open_version(indexes, name)
    film = opened.store.movies([0])[0]
    opened.close()
    assert (film.id, film.title, film.genres, film.overview) == (
        "7",
        "Up North",
        ("Drama", "Comedy"),
        "A walk.",
    )
