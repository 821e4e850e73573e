"""``python -m indexer playlist`` and the benchmark of playlists, over the starter catalogue."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from types import SimpleNamespace

import pytest

from indexer.__main__ import main
from indexer.benchmarks.__main__ import main as bench
from indexer.benchmarks.playlist_lines import (
    Song,
    is_same,
    make_crossed,
    make_lines,
    make_noisy,
    part_of,
    read_songs,
)
from indexer.starter import TRACKS


def run(starter_indexes: Path, *arguments: str) -> int:
    return main(["playlist", *arguments, "--indexes", str(starter_indexes)])


@pytest.fixture(scope="module")
def songs() -> list[Song]:
    return list({song.id: song for song in read_songs(TRACKS)}.values())


def test_it_prints_what_is_found_and_what_is_not(
    starter_indexes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(
        "\ufeffDon Azpiazú – El Manisero\r\nel manisero by don azpiazu\r\nQqqq - Zzzz\r\n".encode()
    )
    assert run(starter_indexes, str(file)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "    1  1.00  Don Azpiazú, Antonio Machín – El Manisero  (don-azpiazu-el-manisero)",
        "    3   –    Qqqq - Zzzz",
        "1 found, 1 not found, 1 given twice",
    ]


def test_it_writes_json_and_reads_standard_input(
    starter_indexes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = b"Antonio Machin - El Manisero\nSomebody Else - El Manisero\n"
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    assert run(starter_indexes, "-", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["line"], one["id"], one["artists"]) for one in told["resolved"]] == [
        (1, "don-azpiazu-el-manisero", ["Don Azpiazú", "Antonio Machín"])
    ]
    assert told["unresolved"][0]["candidates"][0]["confidence"] == 0.4
    assert told["duplicates"] == 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x00\x01", "it is not text but a binary file"),
        (b"# nothing", "there is no song in it"),
        (None, "is not a file"),
    ],
)
def test_it_refuses_what_is_no_playlist(
    starter_indexes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    data: bytes | None,
    message: str,
) -> None:
    file = tmp_path / "list"
    if data is not None:
        file.write_bytes(data)
    assert run(starter_indexes, str(file)) == 1
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_made_lines_are_the_same_for_a_seed_and_say_what_they_mean(songs: list[Song]) -> None:
    lines = make_lines(songs, 40, 3)
    assert lines == make_lines(songs, 40, 3)
    assert lines != make_lines(songs, 40, 4)
    assert len({line.song.id for line in lines if line.song}) == 40
    assert {name for line in lines for name in line.noise} == {
        "accents",
        "case",
        "typing error",
        "feat.",
        "remastered",
        "video",
        "swapped",
        "number",
        "duration",
    }


def test_no_artist_is_in_both_parts(songs: list[Song]) -> None:
    parts = {part: {s.artists[0] for s in songs if part_of(s) == part} for part in ("tuning", "measured")}
    assert parts["tuning"] and parts["measured"]
    assert not parts["tuning"] & parts["measured"]


def test_crossed_lines_are_of_no_song(songs: list[Song]) -> None:
    for line in make_crossed(songs, 20, 5):
        assert line.song is None


def test_a_line_keeps_its_song_where_no_noise_fits() -> None:
    song = Song("1", "Ab", ("Cd",))
    texts = {make_noisy(song, [song], random.Random(seed)).text.casefold() for seed in range(40)}
    assert all("ab" in text and "cd" in text for text in texts)


def test_the_same_song_is_told_from_another() -> None:
    song = Song("1", "Crazy In Love (feat. JAY-Z)", ("Beyoncé", "JAY-Z"))
    assert is_same("Crazy in Love - Remastered 2011", ["Beyonce"], song)
    assert not is_same("Crazy in Love - Live", ["Beyonce"], song)
    assert not is_same("Crazy in Love", ["Adele"], song)


def test_the_benchmark_finds_the_starters_songs(
    starter_indexes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "told.json"
    arguments = ["--indexes", str(starter_indexes), "--tracks", str(TRACKS), "--json", str(told)]
    assert bench(["playlists", *arguments, "--lines", "100", "--hidden", "40", "--check", "--show"]) == 0
    rates = json.loads(told.read_text(encoding="utf-8"))["rates"]
    assert {name: rate["lines"] for name, rate in rates.items()} == {
        "there": 100,
        "crossed": 20,
        "taken out": 20,
    }
    assert rates["there"]["right"] >= 0.95
    assert rates["there"]["wrong"] + rates["crossed"]["wrong"] + rates["taken out"]["wrong"] == 0
    assert "By noise" in capsys.readouterr().out


def test_the_benchmark_refuses_a_missing_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(["playlists", "--indexes", str(tmp_path), "--tracks", str(tmp_path / "none.csv")]) == 1
    assert "is not a file" in capsys.readouterr().err
