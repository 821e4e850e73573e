from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import pytest

from indexer.catalogue import MOVIE_COLUMNS, Movie, movie_from_cells
from indexer.catalogue.report import FileReport
from indexer.catalogue.tmdb import read_movies
from indexer.errors import ConfigError

Write = Callable[..., Path]


def counts(report: FileReport) -> dict[str, int]:
    return {name: rule.count for name, rule in report.rules.items() if rule.count}


def test_a_row_becomes_the_record_it_describes(write_movies: Write) -> None:
    table, report = read_movies(write_movies({"id": "19995.0", "title": "  Up \n North "}))
    assert list(table.columns) == list(MOVIE_COLUMNS)
    assert movie_from_cells(dict(zip(MOVIE_COLUMNS, table.iloc[0], strict=True))) == Movie(
        id="19995",
        title="Up North",
        original_title="Up North",
        year=1999,
        genres=("Drama", "Comedy"),
        keywords=("walk", "north"),
        overview="A walk.",
        tagline="Go.",
        language="en",
        countries=("France", "Spain"),
        runtime_min=90.0,
        rating=7.5,
        votes=10,
        popularity=1.5,
        revenue=5.0,
        budget=3.0,
        imdb_id="tt0000001",
        poster_path="/p.jpg",
    )
    assert counts(report) == {}


def test_required_columns_alone_are_enough_and_the_rest_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "movies.csv"
    path.write_text("genres,overview,title,id,extra\nDrama,A walk.,nan,casablanca-1942,1\n", encoding="utf-8")
    table, report = read_movies(path)
    assert movie_from_cells(dict(zip(MOVIE_COLUMNS, table.iloc[0], strict=True))) == Movie(
        id="casablanca-1942", title="nan", genres=("Drama",), overview="A walk."
    )
    assert {
        name: str(kind) for name, kind in table.dtypes.items() if name in ("year", "keywords", "tagline")
    } == {
        "year": "float64",
        "keywords": "str",
        "tagline": "str",
    }
    assert "keywords" in report.absent
    assert report.unknown["keywords"] == 1
    assert report.unknown["title"] == 0


@pytest.mark.parametrize(
    ("change", "rule", "value"),
    [
        ({"id": " "}, "missing_id", " "),
        ({"id": "a|b"}, "missing_id", "a|b"),
        ({"title": " "}, "missing_title", None),
        ({"overview": "\n"}, "missing_overview", None),
        ({"genres": "(no genres listed)"}, "missing_genres", None),
        ({"genres": " , "}, "missing_genres", None),
        ({"status": "Post Production"}, "not_released", "Post Production"),
        ({"adult": "True"}, "adult", None),
    ],
)
def test_each_row_rule_drops_its_row(
    write_movies: Write, change: Mapping[str, str], rule: str, value: str | None
) -> None:
    table, report = read_movies(write_movies({}, change, {}))
    assert table["id"].tolist() == ["1", "3"]
    assert counts(report) == {rule: 1}
    sample = report.rules[rule].samples[0]
    assert (sample.row, sample.line) == (2, 3)
    assert sample.value == (value.strip() if value is not None else None)


def test_a_row_that_hits_two_rules_is_counted_under_the_first(write_movies: Write) -> None:
    _, report = read_movies(write_movies({"title": "", "genres": "", "runtime": "abc", "adult": "True"}, {}))
    assert counts(report) == {"missing_title": 1}


@pytest.mark.parametrize(
    ("source", "cell", "column", "rule"),
    [
        ("runtime", "abc", "runtime_min", "wrong_type"),
        ("runtime", "nan", "runtime_min", "impossible_number"),
        ("runtime", "inf", "runtime_min", "impossible_number"),
        ("runtime", "-90", "runtime_min", "impossible_number"),
        ("runtime", "0.0", "runtime_min", "zero_is_unknown"),
        ("revenue", "0", "revenue", "zero_is_unknown"),
        ("budget", "0", "budget", "zero_is_unknown"),
        ("popularity", "-1", "popularity", "impossible_number"),
        ("vote_average", "11", "rating", "impossible_number"),
        ("release_date", "1869-12-31", "year", "impossible_number"),
        ("release_date", "2101", "year", "impossible_number"),
        ("release_date", "soon", "year", "wrong_type"),
        ("imdb_id", "0", "imdb_id", "wrong_type"),
    ],
)
def test_an_odd_value_becomes_unknown_and_its_row_stays(
    write_movies: Write, source: str, cell: str, column: str, rule: str
) -> None:
    table, report = read_movies(write_movies({}, {source: cell}))
    assert table["id"].tolist() == ["1", "2"]
    assert table[column].isna().tolist() == [False, True]
    assert counts(report) == {rule: 1}
    assert report.rules[rule].samples[0].value == f"{column} = {cell}"
    assert report.unknown[column] == 1


@pytest.mark.parametrize(("date", "year"), [("1870", 1870.0), ("2009-12-10", 2009.0), ("2100.0", 2100.0)])
def test_years_are_read_from_dates_and_years(write_movies: Write, date: str, year: float) -> None:
    table, _ = read_movies(write_movies({"release_date": date}))
    assert table["year"].tolist() == [year]


def test_a_rating_without_votes_is_unknown(write_movies: Write) -> None:
    table, report = read_movies(
        write_movies({"vote_count": "0"}, {"vote_count": ""}, {"vote_count": "-3"}, {})
    )
    assert table["rating"].fillna(-1).tolist() == [-1.0, -1.0, -1.0, 7.5]
    assert table["votes"].fillna(-1).tolist() == [0.0, -1.0, -1.0, 10.0]
    assert counts(report) == {"unrated": 3, "impossible_number": 1}


def test_the_first_whole_film_of_an_id_is_kept(write_movies: Write) -> None:
    table, report = read_movies(
        write_movies(
            {"id": "7", "overview": ""}, {"id": "7", "title": "Kept"}, {"id": "7.0", "title": "Later"}
        )
    )
    assert table["title"].tolist() == ["Kept"]
    assert counts(report) == {"missing_overview": 1, "duplicate_id": 1}
    assert report.rules["duplicate_id"].samples[0].row == 3


def test_the_paper_preset_also_wants_poster_and_popularity(write_movies: Write) -> None:
    path = write_movies({"poster_path": ""}, {"popularity": "inf"}, {})
    table, report = read_movies(path, "music2movie")
    assert table["id"].tolist() == ["3"]
    assert counts(report) == {"missing_poster": 1, "missing_popularity": 1}
    assert read_movies(path)[0]["id"].tolist() == ["1", "2", "3"]


def test_an_unknown_preset_lists_those_there_are(write_movies: Write) -> None:
    with pytest.raises(ConfigError, match=r"'strict'.*default, music2movie"):
        read_movies(write_movies({}), "strict")


def test_chunks_make_no_difference(write_movies: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_movies(*[{"title": f"Film {at}", "runtime": "x" if at % 3 else "5"} for at in range(20)])
    whole, whole_report = read_movies(path)
    monkeypatch.setattr("indexer.catalogue.csv_table.CsvTable.chunks.__defaults__", (3,))
    parts, parts_report = read_movies(path)
    pd.testing.assert_frame_equal(parts, whole)
    assert parts_report.to_dict() == whole_report.to_dict()
    assert whole_report.rules["wrong_type"].count == 13
