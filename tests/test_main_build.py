"""The build command's own work: files found in a data folder, and what is said of those that are not there."""

import shutil
from pathlib import Path

import pytest

from indexer import index_folder
from indexer import index_version as versions
from indexer.__main__ import main
from indexer.starter import MOVIES, SOUNDTRACKS, TRACKS


def test_a_data_folder_fills_in_what_is_not_named(
    indexes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(MOVIES, data / "movies_19k.csv")
    shutil.copy(TRACKS, data / "tracks_82k.csv")
    shutil.copy(SOUNDTRACKS, data / "soundtracks.csv")
    assert main(["build", "--data", str(data), "--indexes", str(indexes)]) == 0
    said = capsys.readouterr().out
    assert f"from {data}: movies_19k.csv, tracks_82k.csv, soundtracks.csv\n" in said
    assert "not there, so done without: song_emotion_deezer.csv" in said
    manifest = versions.verify(indexes / index_folder.current_name(indexes))
    assert [source["what"] for source in manifest["sources"]] == ["movies", "tracks", "soundtracks"]
    assert manifest["counts"]["movies"] == 370


def test_a_data_folder_that_is_none_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "--data", str(tmp_path / "gone"), "--indexes", str(tmp_path)]) == 1
    assert "gone is not a folder" in capsys.readouterr().err
