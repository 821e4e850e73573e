"""Whole catalogues: the three files together, both formats, and why a file cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from indexer.catalogue import read_catalogue
from indexer.catalogue.report import FileReport
from indexer.catalogue.spotify import read_tracks
from indexer.catalogue.tmdb import read_movies
from indexer.errors import ConfigError, EmptyCatalogue, MissingColumn, UnreadableFile

Write = Callable[..., Path]


def told(report: FileReport) -> dict[str, tuple[int, list[tuple[int, str | None]]]]:
    return {
        name: (rule.count, [(sample.row, sample.value) for sample in rule.samples])
        for name, rule in report.rules.items()
    }


def test_pairs_are_resolved_to_kept_ids_and_the_rest_reported(
    tmp_path: Path, write_movies: Write, write_tracks: Write
) -> None:
    movies = write_movies({}, {}, {"overview": ""})
    tracks = write_tracks({"track_name": "Same", "popularity": "5"}, {"track_name": "Same"}, {})
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(
        "movie,track_id,tmdb_id\nA,t1,1.0\nA,t2,1\nB,t3,2\nC,t3,3\nD,t9,2\nE,,2\nF,t1\n", encoding="utf-8"
    )
    catalogue = read_catalogue(movies, tracks, pairs)
    assert catalogue.tracks[["id", "other_ids"]].to_numpy().tolist() == [["t2", "t1"], ["t3", ""]]
    assert catalogue.soundtracks.to_dict("list") == {"tmdb_id": ["1", "2"], "track_id": ["t2", "t3"]}
    report = catalogue.report.files["soundtracks"]
    assert {
        name: [sample.row for sample in rule.samples] for name, rule in report.rules.items() if rule.count
    } == {
        "broken_row": [7],
        "missing_id": [6],
        "unknown_movie": [4],
        "unknown_track": [5],
        "duplicate_pair": [2],
    }


def test_without_pairs_the_table_is_empty_and_typed(write_movies: Write, write_tracks: Write) -> None:
    catalogue = read_catalogue(write_movies({}), write_tracks({}))
    assert catalogue.soundtracks.dtypes.astype(str).to_dict() == {"tmdb_id": "str", "track_id": "str"}
    assert catalogue.soundtracks.index.tolist() == []
    assert list(catalogue.report.files) == ["movies", "tracks"]


def test_the_report_is_json_and_names_no_folder(
    tmp_path: Path, write_movies: Write, write_tracks: Write
) -> None:
    report = read_catalogue(write_movies({"runtime": "Zwölf"}), write_tracks({})).report
    report.write(tmp_path / "report.json")
    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    assert json.loads(text) == report.to_dict()
    assert str(tmp_path) not in text
    rules = {rule["name"]: rule for rule in report.to_dict()["files"]["movies"]["rules"]}
    assert rules["wrong_type"] == {
        "name": "wrong_type",
        "action": "blank",
        "description": "not of the column's type; the value becomes unknown",
        "count": 1,
        "samples": [{"row": 1, "line": 2, "id": "1", "title": "Up North", "value": "runtime_min = Zwölf"}],
    }
    assert report.summary().splitlines() == [
        "movies.csv: 1 rows read, 1 kept",
        "  values made unknown: wrong_type 1",
        "tracks.csv: 1 rows read, 1 kept",
    ]


def test_parquet_and_csv_say_the_same(tmp_path: Path, write_movies: Write, write_tracks: Write) -> None:
    changes = [{}, {"runtime": "abc"}, {"title": ""}, {"id": "9007.0"}, {"overview": "Zwölf"}]
    for path, read in (
        (write_movies(*changes), read_movies),
        (write_tracks({}, {"tempo": "0"}), read_tracks),
    ):
        text = pd.read_csv(path, dtype=str, keep_default_na=False)
        parquet = path.with_suffix(".parquet")
        text.to_parquet(parquet, row_group_size=2)
        from_csv, csv_report = read(path)
        from_parquet, parquet_report = read(parquet)
        pd.testing.assert_frame_equal(from_parquet, from_csv)
        assert told(parquet_report) == told(csv_report)


def test_typed_parquet_columns_are_read(tmp_path: Path) -> None:
    path = tmp_path / "movies.parquet"
    columns = {
        "id": pa.array([19995.0, 1152156.0, None]),
        "title": pa.array(["Avatar", "Late", "No id"]).dictionary_encode(),
        "overview": ["x", "y", "z"],
        "genres": ["Drama", "Drama, War", "Drama"],
        "release_date": pa.array([14588, None, 3], pa.date32()),
        "runtime": pa.array([162, None, 5], pa.int16()),
        "adult": pa.array([False, None, True]),
        "revenue": pa.array([2787965087.0, float("inf"), 0.5]),
        "popularity": pa.array([float("nan"), 1.5, 2.5], pa.float32()),
        "poster_path": pa.nulls(3),
    }
    pq.write_table(pa.table(columns), path)
    table, report = read_movies(path)
    assert table["id"].tolist() == ["19995", "1152156"]
    assert table["title"].tolist() == ["Avatar", "Late"]
    assert table["year"].fillna(0).tolist() == [2009.0, 0.0]
    assert table["runtime_min"].fillna(0).tolist() == [162.0, 0.0]
    assert table["revenue"].fillna(0).tolist() == [2787965087.0, 0.0]
    assert table["popularity"].fillna(0).tolist() == [0.0, 1.5]
    assert table["genres"].tolist() == ["Drama", "Drama|War"]
    assert report.rules["impossible_number"].count == 1
    sample = report.rules["missing_id"].samples[0]
    assert (sample.row, sample.line, sample.title) == (3, None, "No id")


def test_parquet_cells_that_are_no_text_cost_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "movies.parquet"
    titles = pa.array([b"Good", b"Caf\xe9", b"N\0l", b"Fine"]).view(pa.string())
    columns = {"id": ["1", "2", "3", "4"], "title": titles, "overview": list("abcd"), "genres": list("wxyz")}
    pq.write_table(pa.table(columns), path)
    table, report = read_movies(path)
    assert table["id"].tolist() == ["1", "4"]
    assert [(s.row, s.id, s.value) for s in report.rules["undecodable_bytes"].samples] == [
        (2, "2", "Caf\\xe9")
    ]
    assert [(s.row, s.id, s.value) for s in report.rules["nul_bytes"].samples] == [(3, "3", "N\\0l")]


def test_parquet_lists_are_refused_by_column(tmp_path: Path) -> None:
    path = tmp_path / "movies.parquet"
    pq.write_table(pa.table({"id": ["1"], "title": ["x"], "overview": ["y"], "genres": [["Drama"]]}), path)
    with pytest.raises(UnreadableFile, match=r"movies\.parquet: column genres holds list"):
        read_movies(path)


def test_a_missing_column_names_file_and_columns(write_movies: Write, write_tracks: Write) -> None:
    with pytest.raises(
        MissingColumn, match=r"movies\.csv: no column overview, genres; the TMDb movies layout"
    ):
        read_movies(write_movies({}, drop=["genres", "overview"]))
    with pytest.raises(MissingColumn, match=r"tracks\.csv: no column artists"):
        read_tracks(write_tracks({}, drop=["artists"]))


def test_pairs_need_both_ids(tmp_path: Path, write_movies: Write, write_tracks: Write) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("tmdb_id,song\n1,t1\n", encoding="utf-8")
    with pytest.raises(MissingColumn, match=r"pairs\.csv: no column track_id"):
        read_catalogue(write_movies({}), write_tracks({}), pairs)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.csv", None, "no such file"),
        ("movies.json", b"{}", "unknown type"),
        ("movies.csv", b"", "the file is empty"),
        ("movies.csv.gz", b"id,title", "cannot be read"),
        ("movies.parquet", b"id,title\n", "not a Parquet file"),
        ("movies.csv", b'"id,title', "no CSV header"),
        ("movies.csv", b"id,title,overview,genres,title\n", "title more than once"),
    ],
)
def test_a_file_that_is_no_table_is_refused(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableFile, match=message):
        read_movies(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="is a folder"):
        read_movies(tmp_path)


def test_an_empty_catalogue_says_what_removed_the_rows(write_movies: Write, write_tracks: Write) -> None:
    movies = write_movies({"status": "Rumored"}, {"overview": ""}, {"overview": ""})
    with pytest.raises(
        EmptyCatalogue, match=r"movies\.csv: no film is left of 3 rows.*overview.* 2, not_released.* 1"
    ):
        read_catalogue(movies, write_tracks({}))
    with pytest.raises(EmptyCatalogue, match=r"tracks\.csv: a header and no rows"):
        read_catalogue(write_movies({}), write_tracks())


def test_an_unknown_preset_is_refused_before_reading(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="music2movie"):
        read_catalogue(tmp_path / "absent.csv", tmp_path / "absent.csv", preset="strict")
