"""Labels of people for songs, from made-up files of either kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from indexer.catalogue.records import SEPARATOR
from indexer.errors import InputError, MissingColumn, UnreadableFile
from indexer.features.song_moods import read_song_moods, rows_by_id

TRACKS = pd.DataFrame({"id": ["a", "b", "7"], "other_ids": [None, f"x{SEPARATOR}y", None]})
NAN = float("nan")


def write(path: Path, *rows: str, columns: str = "track_id,valence,arousal") -> Path:
    path.write_text("\n".join((columns, *rows)) + "\n", encoding="utf-8")
    return path


def test_songs_are_known_by_any_of_their_ids_and_their_own_comes_first() -> None:
    tracks = pd.DataFrame({"id": ["a", "b"], "other_ids": [f"b{SEPARATOR}x", "x"]})
    assert rows_by_id(tracks) == {"a": 0, "b": 1, "x": 0}


def test_standardised_labels_are_brought_to_0_and_1(tmp_path: Path) -> None:
    labels = write(tmp_path / "labels.csv", "a,0,1", "y,-1,9", "stranger,1,1")
    found = read_song_moods(labels, None, TRACKS)
    # A deviation is 0.2 of the scale around its middle, and what lies past the end is at the end.
    np.testing.assert_allclose(found, [[0.5, 0.7], [0.3, 1.0], [NAN, NAN]])


def test_shares_are_taken_as_they_are(tmp_path: Path) -> None:
    labels = write(tmp_path / "labels.csv", "7,0.25,1", "b,0,0.5")
    np.testing.assert_allclose(read_song_moods(None, labels, TRACKS), [[NAN, NAN], [0, 0.5], [0.25, 1]])


def test_several_labels_of_one_song_are_averaged(tmp_path: Path) -> None:
    standardised = write(tmp_path / "one.csv", "b,0,0", "x,1,1")
    shares = write(tmp_path / "two.csv", "y,0.9,0")
    found = read_song_moods(standardised, shares, TRACKS)
    np.testing.assert_allclose(found[1], [(0.5 + 0.7 + 0.9) / 3, (0.5 + 0.7 + 0.0) / 3])


def test_without_files_nothing_is_known() -> None:
    assert np.isnan(read_song_moods(None, None, TRACKS)).all()


@pytest.mark.parametrize("row", ["a,1.5,0.5", "a,-0.1,0.5", "a,happy,0.5", "a,,0.5"])
def test_values_that_make_no_sense_are_refused(tmp_path: Path, row: str) -> None:
    labels = write(tmp_path / "labels.csv", row)
    with pytest.raises(InputError, match=r"labels\.csv"):
        read_song_moods(None, labels, TRACKS)


def test_a_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    labels = write(tmp_path / "labels.csv", "a,0.5", columns="track_id,valence")
    with pytest.raises(MissingColumn, match="arousal"):
        read_song_moods(labels, None, TRACKS)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile):
        read_song_moods(tmp_path / "none.csv", None, TRACKS)
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(UnreadableFile):
        read_song_moods(tmp_path / "empty.csv", None, TRACKS)
