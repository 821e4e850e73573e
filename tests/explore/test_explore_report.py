"""The report as a whole: from the starter catalogue, from files that lack columns, and twice alike."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from indexer import index_version as versions
from indexer.__main__ import main
from indexer.errors import MissingMaterial
from indexer.explore.link_facts import link_facts
from indexer.explore.report import Sources, write_report
from indexer.explore.soundtrack_facts import verdict
from indexer.starter import MOVIES, SOUNDTRACKS, TRACKS

pytest.importorskip("wordcloud", reason="reports need the full requirements")

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"


class Page(HTMLParser):
    """Images, tables without caption, and anything that would load from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.tables = self.captions = 0
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert tag not in ("script", "link", "iframe")
        self.tables += tag == "table"
        self.captions += tag == "caption"
        self.links += [value for key, value in attrs if key in ("src", "href") and value]
        if tag == "img":
            self.images.append(given)


@pytest.fixture(scope="session")
def starter_report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("explore")
    return folder, write_report(Sources(MOVIES, TRACKS, SOUNDTRACKS), folder, draws=50)


def test_starter_report(starter_report: tuple[Path, dict[str, Any]]) -> None:
    folder, facts = starter_report
    assert json.loads((folder / "facts.json").read_text(encoding="utf-8")) == facts
    with MOVIES.open(encoding="utf-8", newline="") as file:
        assert facts["movies"]["rows"] == sum(1 for _ in csv.DictReader(file))
    page = Page((folder / "index.html").read_text(encoding="utf-8"))
    files = {path.name for path in folder.iterdir()}
    assert {image["src"] for image in page.images} | {"index.html", "facts.json"} == files
    assert all(image["alt"] and len(image["alt"]) > 20 for image in page.images)
    assert page.captions == page.tables > 0
    assert set(page.links) <= files


def test_starter_figures_agree_with_the_table(starter_report: tuple[Path, dict[str, Any]]) -> None:
    _, facts = starter_report
    described = facts["movies"]["described"]["runtime_min"]
    runtimes = [
        float(row["runtime"]) for row in csv.DictReader(MOVIES.read_text(encoding="utf-8").splitlines())
    ]
    assert described["mean"] == pytest.approx(sum(runtimes) / len(runtimes), rel=1e-5)
    soundtracks = facts["soundtracks"]
    assert soundtracks["comparisons"] == len(soundtracks["cells"]) > 0
    assert all(cell["p_holm"] >= cell["p"] for cell in soundtracks["cells"])
    assert {cell["kind"] for cell in soundtracks["cells"]} == {"genre", "mood"}


def test_the_starter_has_no_money_and_says_so(starter_report: tuple[Path, dict[str, Any]]) -> None:
    folder, facts = starter_report
    money = facts["movies"]["named_correlations"][0]
    assert (money["first"], money["second"], money["published"]) == ("revenue", "budget", 0.69)
    assert money["missing"] == "fewer than 3 rows with revenue and budget"
    assert "fewer than 3 rows with revenue and budget" in (folder / "index.html").read_text(encoding="utf-8")
    assert "no index version was given" in facts["links"]["missing"]


def test_the_same_files_give_the_same_bytes(
    starter_report: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, _ = starter_report
    write_report(Sources(MOVIES, TRACKS, SOUNDTRACKS), tmp_path, draws=50)
    for path in folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def write_csv(path: Path, rows: list[dict[str, object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_columns_that_are_not_there_are_named(tmp_path: Path) -> None:
    movies = write_csv(
        tmp_path / "m.csv",
        [
            {"id": i, "title": f"<b>{i}</b>", "overview": "A film.", "genres": "Drama", "vote_count": 10 + i}
            for i in range(4)
        ],
    )
    tracks = write_csv(
        tmp_path / "t.csv",
        [{"track_id": f"t{i}", "artists": "A", "track_name": f"Song {i}", "energy": i / 9} for i in range(4)],
    )
    out = tmp_path / "out"
    facts = write_report(Sources(movies, tracks), out, draws=20)
    assert facts["movies"]["described"]["revenue"] == {"missing": "not in this file: revenue"}
    assert facts["movies"]["named_correlations"][0]["missing"] == "not in this file: revenue, budget"
    assert facts["movies"]["keywords"] == {"missing": "not in this file: keywords"}
    assert facts["tracks"]["tempo"] == {"missing": "not in this file: tempo"}
    assert facts["tracks"]["explicit"] == {"missing": "not in this file: explicit, popularity"}
    assert facts["soundtracks"] == {"missing": "no file of known pairs was given"}
    assert facts["movies"]["described"]["votes"]["mean"] == 11.5
    assert facts["movies"]["associations"]["left_out"]["genres"] == "constant"
    text = (out / "index.html").read_text(encoding="utf-8")
    for said in (
        "not in this file: revenue, budget",
        "Keywords: not in this file: keywords",
        "Tempo: not in this file: tempo",
        "no file of known pairs was given",
    ):
        assert said in text
    assert "<b>" not in text


def test_text_of_the_files_is_escaped(tmp_path: Path) -> None:
    movies = write_csv(
        tmp_path / "m.csv",
        [
            {
                "id": i,
                "title": "x",
                "overview": "y",
                "genres": "<i>Odd</i>",
                "keywords": "<script>alert(1)</script>",
            }
            for i in range(3)
        ],
    )
    tracks = write_csv(
        tmp_path / "t.csv", [{"track_id": f"t{i}", "artists": "A", "track_name": f"S{i}"} for i in range(3)]
    )
    write_report(Sources(movies, tracks), tmp_path / "out", draws=20)
    text = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "<i>" not in text
    assert "&lt;i&gt;Odd" in text


def _given(version: versions.IndexVersion) -> np.ndarray:
    """Film and song rows of the pairs that a version was given, read from its file."""
    facts = np.load(version.folder / "soundtracks.npy")
    return facts[facts[:, 2] == 0, :2]


def test_blocks_of_a_built_version(starter_indexes: Path) -> None:
    version = versions.open_version(starter_indexes)
    try:
        pairs = pd.DataFrame({"tmdb_id": [], "track_id": []}, dtype="str")
        facts = link_facts(version, pairs, draws=50, seed=0)
        given = _given(version)
        known = facts["sets"]["learned"]
        assert known["pairs"] == len(given) > 0
        for target, rows in known["targets"].items():
            assert sum(row["share"]["value"] for row in rows) == pytest.approx(1.0)
            apart = [row["share_without_learned"] for row in rows if row["block"] != "learned"]
            assert sum(share["value"] for share in apart) == pytest.approx(1.0)
            assert sum(row["leads"] for row in rows) == pytest.approx(1.0)
            by_name = {row["block"]: row for row in rows}
            assert list(by_name) == facts["blocks"] == [block.name for block in version.space.blocks]
            assert by_name["meaning"]["known"] > by_name["meaning"]["random"]
            # Of what the dials can ask for, items ask for popularity alone, and each the same.
            popularity = version.space.columns("dials").stop - 1
            answers = version.indexes[target].vectors(given[:, 0 if target == "movies" else 1].tolist())
            asked = version.space.queries(answers[:1])[0, popularity]
            assert by_name["dials"]["known"] == pytest.approx(asked * answers[:, popularity].mean(), abs=1e-5)
        assert facts["sets"]["unseen"] == {"pairs": 0, "films": 0, "missing": "fewer than 10 pairs"}
    finally:
        version.close()


def test_pairs_that_a_version_was_not_given(starter_indexes: Path) -> None:
    version = versions.open_version(starter_indexes)
    try:
        store = version.store
        given = _given(version)
        row = int(given[0, 0])
        film = store.ids("movies", [row])[0]
        tracks = store.ids("tracks", range(store.count("tracks")))
        # One pair stands twice, and one is of a film that is not there.
        pairs = pd.DataFrame(
            {
                "tmdb_id": [film] * len(tracks) + [film, "none"],
                "track_id": [*tracks, tracks[-1], tracks[0]],
            },
            dtype="str",
        )
        facts = link_facts(version, pairs, draws=20, seed=0)
        unseen = facts["sets"]["unseen"]
        assert unseen["films"] == 1
        assert 10 <= unseen["pairs"] == len(tracks) - np.count_nonzero(given[:, 0] == row) < len(tracks)
    finally:
        version.close()


def test_command(starter_indexes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    options = ["--indexes", str(starter_indexes), "--out", str(out), "--bootstrap", "20"]
    assert main(["explore", "--starter", *options]) == 0
    assert "known pairs" in capsys.readouterr().out
    facts = json.loads((out / "facts.json").read_text(encoding="utf-8"))
    assert facts["links"]["same_files"] is True
    assert (out / "links-learned.svg").is_file()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (lambda folder: [], "explore needs --movies FILE and --tracks FILE"),
        (lambda folder: ["--starter", "--version", "gone"], "there is no index version 'gone'"),
        (lambda folder: ["--movies", "no.csv", "--tracks", str(TRACKS)], "no.csv: no such file"),
    ],
)
def test_command_refuses(
    options: Callable[[Path], list[str]],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    where = ["--indexes", str(tmp_path / "indexes"), "--out", str(tmp_path / "out")]
    assert main(["explore", *options(tmp_path), *where]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_a_drawing_library_the_report_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wordcloud", None)
    for module in ("figures", "drawing"):
        monkeypatch.delitem(sys.modules, f"indexer.explore.{module}", raising=False)
        monkeypatch.delattr(f"indexer.explore.{module}", raising=False)
    with pytest.raises(MissingMaterial, match=re.escape("pip install -r requirements.txt")):
        write_report(Sources(MOVIES, TRACKS), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("p", "p_asked", "p_holm", "value", "expected"),
    [
        (0.001, 0.004, 0.04, 0.1, "yes"),
        (0.001, 0.004, 0.04, -0.1, "reversed"),
        (0.001, 0.004, 0.2, 0.1, "among questions"),
        (0.03, 0.1, 1.0, 0.1, "alone"),
        (0.2, 0.2, 1.0, 0.1, "not seen"),
    ],
)
def test_verdicts(p: float, p_asked: float, p_holm: float, value: float, expected: str) -> None:
    cell = {"kind": "mood", "p": p, "p_asked": p_asked, "p_holm": p_holm, "correlation": {"value": value}}
    assert verdict(cell) == expected


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not there")
def test_money_goes_together_as_published() -> None:
    from indexer.catalogue.tmdb import read_movies
    from indexer.explore.catalogue_facts import medium_facts

    movies, report = read_movies(DATA / "movies_19k.csv")
    named = medium_facts("movies", movies, report, draws=50, seed=0)["named_correlations"]
    assert [(each["first"], each["second"]) for each in named] == [
        ("revenue", "budget"),
        ("votes", "revenue"),
    ]
    assert named[0]["pearson"]["value"] == pytest.approx(0.69, abs=0.05)
    assert named[1]["pearson"]["value"] == pytest.approx(0.70, abs=0.05)
