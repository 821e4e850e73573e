"""People's tags of films: which are read, and which files are refused."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from indexer.errors import MissingColumn, UnreadableFile
from indexer.features.film_tags import read_film_tags

MOVIES = pd.DataFrame({"id": ["862", "078", "11"]})


def write(folder: Path, text: str) -> Path:
    path = folder / "tags.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_tags_are_read_by_film_row(tmp_path: Path) -> None:
    path = write(tmp_path, 'count,tag,tmdb_id\n3,"toys, alive",862\n1,space,11\n1,Pixar,862\n')
    assert read_film_tags(path, MOVIES) == [(0, "toys, alive"), (2, "space"), (0, "Pixar")]


def test_ids_are_text(tmp_path: Path) -> None:
    # 078 is not 78, whatever a table reader may think of numbers.
    path = write(tmp_path, "tmdb_id,tag\n078,android\n78,robot\n11.0,wrong\n")
    assert read_film_tags(path, MOVIES) == [(1, "android")]


def test_other_films_and_empty_cells_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, "tmdb_id,tag\n999,nothing\n862,\n,space\n11,1984\n")
    assert read_film_tags(path, MOVIES) == [(2, "1984")]


def test_a_table_without_rows_has_no_tags(tmp_path: Path) -> None:
    assert read_film_tags(write(tmp_path, "tmdb_id,tag\n"), MOVIES) == []


@pytest.mark.parametrize(("header", "missing"), [("tmdb_id,word", "tag"), ("id,tag", "tmdb_id")])
def test_a_missing_column_is_named(tmp_path: Path, header: str, missing: str) -> None:
    path = write(tmp_path, f"{header}\n862,toys\n")
    with pytest.raises(MissingColumn, match=rf"tags\.csv: there is no column '{missing}'"):
        read_film_tags(path, MOVIES)


@pytest.mark.parametrize(
    "content",
    [b"", b"tmdb_id,tag\n862,\xff\xfe\n", b'tmdb_id,tag\n862,"toys\n', b"tmdb_id,tag\n862,a\n1,b,c,d\n"],
    ids=["empty", "not utf-8", "an open quote", "too many cells"],
)
def test_what_is_not_a_table_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tags.csv"
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match=r"tags\.csv: cannot be read as CSV"):
        read_film_tags(path, MOVIES)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"nowhere\.csv"):
        read_film_tags(tmp_path / "nowhere.csv", MOVIES)
    with pytest.raises(UnreadableFile, match="cannot be read as CSV"):
        read_film_tags(tmp_path, MOVIES)
