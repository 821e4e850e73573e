"""``python -m indexer evaluate``: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from indexer import index_folder
from indexer.__main__ import main
from indexer.starter import SOUNDTRACKS

QUICK = ["--queries", "30", "--bootstrap", "20"]


@pytest.fixture
def base(starter_indexes: Path) -> list[str]:
    return [
        "evaluate",
        "--indexes",
        str(starter_indexes),
        "--pairs",
        str(SOUNDTRACKS),
        "--keep-trained",
        *QUICK,
    ]


def test_it_prints_tables_with_galleries_and_writes_json_and_a_page(
    base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, page = tmp_path / "told.json", tmp_path / "page.html"
    assert main([*base, "--json", str(told), "--html", str(page), "--seed", "7"]) == 0
    printed = capsys.readouterr().out
    assert "song → film: 370 films ranked for" in printed
    assert "film → song: 985 songs ranked for" in printed
    assert "soundtracks.csv: 355 lines; 0 unmatched" in printed
    plain = json.loads(told.read_text(encoding="utf-8"))
    settings = plain["settings"]
    assert (settings["seed"], settings["random_queries"], settings["draws"]) == (7, 30, 20)
    assert plain["galleries"] == {"movies": 370, "tracks": 985}
    assert [entry["method"] for entry in plain["directions"]] == ["segue", "segue"]
    assert plain["remarks"][0] in printed
    assert plain["remarks"][0] in page.read_text(encoding="utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {"told.json", "page.html"}


def test_the_same_seed_gives_the_same_figures(base: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(base) == 0
    first = capsys.readouterr().out
    assert main(base) == 0
    assert capsys.readouterr().out == first


def test_a_version_is_chosen_by_name(
    base: list[str], starter_indexes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*base, "--version", index_folder.current_name(starter_indexes)]) == 0
    assert main([*base, "--version", "absent"]) == 1
    assert "there is no index version 'absent'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "segu"], "unknown method 'segu'; known are popularity, random"),
        (["--pairs", "absent.csv"], "absent.csv cannot be read"),
        (["--json", "absent/told.json"], "there is no folder absent to write told.json to"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_1(
    base: list[str], capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main([*base, *arguments]) == 1
    told = capsys.readouterr()
    assert message in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""


@pytest.mark.parametrize("arguments", [["--queries", "0"], ["--bootstrap", "-1"], ["--seed", "-1"]])
def test_counts_below_their_least_are_refused(base: list[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        main([*base, *arguments])
    assert refusal.value.code == 2


def test_pairs_are_required(starter_indexes: Path) -> None:
    with pytest.raises(SystemExit) as refusal:
        main(["evaluate", "--indexes", str(starter_indexes)])
    assert refusal.value.code == 2
