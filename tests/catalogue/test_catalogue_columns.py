"""Files whose columns have names of their own: what a user says of them, and what is wrong with it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from indexer.catalogue import read_catalogue
from indexer.catalogue.column_map import read_column_map
from indexer.catalogue.spotify import LAYOUT as TRACK_LAYOUT
from indexer.catalogue.spotify import read_tracks
from indexer.catalogue.tmdb import LAYOUT as MOVIE_LAYOUT
from indexer.catalogue.tmdb import read_movies
from indexer.errors import ConfigError, MissingColumn, UnreadableFile

Write = Callable[..., Path]

OWN = """nr,Name,plot,kind,premiere,mins,state
7,Up North,A walk.,Drama|Comedy,1999-05-04,90,Released
8,Down South,"A drive, a day.","Crime, War",2003,,Released
9,Nowhere,Not made yet.,Drama,2001,80,Planned
"""
COLUMNS = {
    "id": "nr",
    "title": "Name",
    "overview": "plot",
    "genres": "kind",
    "year": "premiere",
    "runtime_min": "mins",
    "status": "state",
}


def write_own(folder: Path, kind: str) -> Path:
    path = folder / f"own.{kind}"
    if kind == "csv":
        path.write_text(OWN, encoding="utf-8")
    elif kind == "csv.gz":
        path.write_bytes(gzip.compress(OWN.encode()))
    else:
        (folder / "plain.csv").write_text(OWN, encoding="utf-8")
        pd.read_csv(folder / "plain.csv").to_parquet(path)
    return path


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
def test_columns_are_read_under_the_names_a_user_gives(tmp_path: Path, kind: str) -> None:
    films, report = read_movies(write_own(tmp_path, kind), columns=COLUMNS)
    assert films["id"].tolist() == ["7", "8"]
    assert films["title"].tolist() == ["Up North", "Down South"]
    assert films["overview"].tolist() == ["A walk.", "A drive, a day."]
    assert films["year"].tolist() == [1999.0, 2003.0]
    assert films["runtime_min"].fillna(-1).tolist() == [90.0, -1.0]
    # A list in a column that a user names may be joined by a bar as well.
    assert films["genres"].tolist() == ["Drama|Comedy", "Crime|War"]
    dropped = report.rules["not_released"]
    assert [(sample.row, sample.id, sample.value) for sample in dropped.samples] == [(3, "9", "Planned")]
    assert "year" not in report.absent
    assert "keywords" in report.absent


def test_a_bar_tears_nothing_apart_in_a_column_that_nobody_named(write_movies: Write) -> None:
    films, _ = read_movies(write_movies({"genres": "Rock|Pop, War"}))
    assert films["genres"].tolist() == ["Rock/Pop|War"]


def test_two_fields_may_come_from_one_column(write_movies: Write) -> None:
    films, _ = read_movies(write_movies({"title": "Up"}), columns={"overview": "title", "tagline": "title"})
    assert films[["title", "overview", "tagline"]].to_numpy().tolist() == [["Up", "Up", "Up"]]


def test_a_named_column_goes_before_the_layouts_own(write_tracks: Write) -> None:
    path = write_tracks({"album_name": "Ann|Bob & Co", "artists": "Cy;Di"})
    songs, _ = read_tracks(path, columns={"artists": "album_name"})
    assert songs["artists"].tolist() == ["Ann|Bob & Co"]
    assert read_tracks(path)[0]["artists"].tolist() == ["Cy|Di"]


def test_a_lone_quote_costs_one_row_in_a_file_with_names_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(OWN.replace("7,Up North", '7,"Up North'), encoding="utf-8")
    films, report = read_movies(path, columns=COLUMNS)
    assert films["id"].tolist() == ["8"]
    assert report.rules["broken_row"].count == 1


def test_both_files_of_a_catalogue_take_names(tmp_path: Path, write_tracks: Write) -> None:
    songs = write_tracks({}, {})
    catalogue = read_catalogue(
        write_own(tmp_path, "csv"), songs, movie_columns=COLUMNS, track_columns={"title": "album_name"}
    )
    assert catalogue.movies["id"].tolist() == ["7", "8"]
    assert catalogue.tracks["title"].tolist() == ["One"]


def test_a_column_that_is_not_there_is_said_with_those_like_it(tmp_path: Path) -> None:
    with pytest.raises(
        MissingColumn, match=r"no column 'name' for title \(Name\?\); the file has nr, Name, plot"
    ):
        read_movies(write_own(tmp_path, "csv"), columns={**COLUMNS, "title": "name"})


def test_what_is_needed_and_has_another_name_is_said_with_the_option(tmp_path: Path) -> None:
    with pytest.raises(MissingColumn, match=r"no column id, title, overview, genres; .*--map id=COLUMN"):
        read_movies(write_own(tmp_path, "csv"))
    with pytest.raises(
        MissingColumn, match=r"no column track_id, artists, track_name; .*--map-tracks id=COLUMN"
    ):
        read_tracks(write_own(tmp_path, "csv"))


def test_a_column_of_songs_that_is_missing_is_said_before_the_films_are_read(
    tmp_path: Path, write_movies: Write, write_tracks: Write
) -> None:
    films = write_movies({"overview": ""})  # reading it would say that no film is left
    with pytest.raises(MissingColumn, match="no column 'band' for artists"):
        read_catalogue(films, write_tracks({}), track_columns={"artists": "band"})


def test_a_column_that_is_used_and_named_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.csv"
    path.write_text("id,name,name,overview,genres\n1,A,B,C,D\n", encoding="utf-8")
    with pytest.raises(UnreadableFile, match="the header names name more than once"):
        read_movies(path, columns={"title": "name"})


def test_field_and_column_pairs_are_read_from_options() -> None:
    given = ["title=Name,overview=plot", '"genres=kind, of old"', " year = a=b "]
    assert read_column_map(given, MOVIE_LAYOUT) == {
        "title": "Name",
        "overview": "plot",
        "genres": "kind, of old",
        "year": "a=b",
    }
    assert read_column_map([], TRACK_LAYOUT) == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["titel=Name"], r"no field 'titel' of movies \(title\?\); known are id, year, status"),
        (["title=a,title=b"], "the field title is given twice: a and b"),
        (["title=a", "title=b"], "the field title is given twice: a and b"),
        (["title"], "'title' should be field=column"),
        (["title="], "'title=' should be field=column"),
        (["title=a,"], "'' should be field=column"),
        (['"title=a'], "is no list of field=column"),
        (["vote_count=n"], r"no field 'vote_count' of movies"),
    ],
)
def test_what_cannot_be_understood_is_refused(given: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_column_map(given, MOVIE_LAYOUT)


def test_every_field_of_both_layouts_can_be_named() -> None:
    assert MOVIE_LAYOUT.fields["year"] == "release_date"
    assert MOVIE_LAYOUT.fields["adult"] == "adult"
    assert TRACK_LAYOUT.fields["genres"] == "track_genre"
    assert TRACK_LAYOUT.fields["title"] == "track_name"
