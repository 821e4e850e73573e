"""The benchmark of reading: its made-up tables hold what they say, and a report that is wrong is found out."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from indexer.benchmarks import read
from indexer.benchmarks.__main__ import main
from indexer.benchmarks.made_tables import MOVIE_HEADER, TRACK_HEADER, write_movies, write_tracks
from indexer.catalogue.tmdb import read_movies
from indexer.errors import EmptyCatalogue
from indexer.starter import MOVIES, TRACKS


def test_made_films_are_distinct_and_have_the_published_columns(tmp_path: Path) -> None:
    made = write_movies(tmp_path / "movies.csv", MOVIES, 3000, 1)
    assert len(MOVIE_HEADER) == 24
    with (tmp_path / "movies.csv").open(encoding="utf-8", errors="replace", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == MOVIE_HEADER
    assert len(rows) == 3001
    films, report = read_movies(tmp_path / "movies.csv")
    assert len(films) == 3000 - sum(made.values())
    assert films["title"].is_unique
    # Words of a text in another order, begun elsewhere: the starter has 370 films, each is used eight times.
    assert films["overview"].nunique() > 0.9 * len(films)
    assert report.rules["missing_genres"].count == made["missing_genres"] > 200


def test_the_same_seed_makes_the_same_tables(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_tracks(tmp_path / name, TRACKS, 500, seed)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()
    assert (tmp_path / "a").read_text(encoding="utf-8").splitlines()[0] == ",".join(TRACK_HEADER)


def test_a_catalogue_of_which_nothing_is_left_makes_nothing(tmp_path: Path) -> None:
    source = tmp_path / "films.csv"
    source.write_text("id,title,overview,genres\n1,Up,,Drama\n", encoding="utf-8")
    with pytest.raises(EmptyCatalogue, match="no row is left to make others of"):
        write_movies(tmp_path / "movies.csv", source, 10, 0)


def test_reading_is_measured_and_its_report_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "read.json"
    arguments = ["read", "--films", "6000", "--songs", "4000", "--seed", "5", "--json", str(out)]
    assert main([*arguments, "--scratch", str(tmp_path)]) == 0
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["does_not_add_up"] == []
    assert found["seconds"] > 0
    assert found["peak_bytes"] > found["start_bytes"] > 10**7
    films = found["report"]["files"]["movies"]
    assert films["rows_read"] == 6000
    assert films["rows_kept"] == 6000 - sum(found["made"]["faults"]["movies"].values())
    assert found["made"]["faults"]["tracks"]["genre_rows_merged"] > 500
    said = capsys.readouterr().out
    assert "| 6,000 | 4,000 |" in said
    assert [path.name for path in tmp_path.iterdir()] == ["read.json"]
    assert main([*arguments, "--most-mib", "1"]) == 1
    assert "above 1" in capsys.readouterr().err


def test_a_report_that_does_not_add_up_is_found_out() -> None:
    def report(**changes: Any) -> dict[str, Any]:
        rules = [
            {"name": "adult", "action": "drop", "count": 2},
            {"name": "unrated", "action": "blank", "count": 9},
        ]
        whole = {"rows_read": 10, "rows_kept": 8, "rows_dropped": 2, "rows_merged": 0, "rules": rules}
        return whole | changes

    assert read.check(report(), 10, {"adult": 2}) == []
    assert read.check(report(rows_read=9, rows_kept=7), 10, {"adult": 2}) == ["9 rows read instead of 10"]
    assert read.check(report(rows_kept=9), 10, {"adult": 2}) == [
        "rows kept, dropped and merged are not those read"
    ]
    assert read.check(report(), 10, {"adult": 3}) == ["adult 2 instead of 3"]
    assert read.check(report(), 10, {}) == ["adult 2 instead of 0"]


def test_a_reading_that_fails_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write_nothing(path: Path, *_: object) -> dict[str, int]:
        path.touch()
        return {}

    monkeypatch.setattr(read, "write_movies", write_nothing)
    monkeypatch.setattr(read, "write_tracks", write_nothing)
    assert main(["read", "--films", "1", "--songs", "1", "--scratch", str(tmp_path)]) == 1
    assert "the reading process ended with 1: " in (said := capsys.readouterr().err)
    assert "tracks.csv: the file is empty" in said
