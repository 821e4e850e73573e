"""The benchmark of a million runs small from end to end, makes what it says, and survives a stage that fails."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.benchmarks import million, million_stages
from indexer.benchmarks.__main__ import main
from indexer.benchmarks.filter_cases import SHARES
from indexer.benchmarks.made_films import HeldFilms, take_recall
from indexer.benchmarks.million_data import MadeSizes, make_table
from indexer.benchmarks.million_tables import make_tables
from indexer.index_version import IndexVersion, open_version, verify
from server.benchmarks import million_serving

#: More films than the starter catalogue has, so that there are copies, and fewer songs.
FILMS, SONGS = 420, 250


@pytest.fixture(scope="module")
def version(starter_indexes: Path) -> Iterator[IndexVersion]:
    opened = open_version(starter_indexes)
    yield opened
    opened.close()


def run_here(job: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """A stage in this process: starting one for each would take most of the test's time."""
    try:
        return {**job(*arguments), "peak_bytes": 1}
    except LookupError as error:
        return {"failed": str(error)}


def test_a_table_holds_the_real_items_and_copies_that_differ(version: IndexVersion) -> None:
    count = version.store.count("movies")
    table = make_table(version, "movies", 2 * count + 3)
    real, again = table.iloc[:count], table.iloc[count : 2 * count]
    assert real["id"].tolist() == version.store.ids("movies", range(count))
    assert real["title"].tolist() == [movie.title for movie in version.store.movies(range(count))]
    assert again["id"].tolist() == [f"{id}-1" for id in real["id"]]
    assert table["id"].iloc[2 * count] == f"{real['id'].iloc[0]}-2"
    assert table["id"].is_unique
    assert again["year"].tolist() == pytest.approx(real["year"].tolist(), nan_ok=True)
    assert np.mean(again["title"].to_numpy() == real["title"].to_numpy()) < 0.2
    assert again["imdb_id"].isna().all()


def test_a_million_runs_small_from_end_to_end(
    starter_indexes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(million, "run_apart", run_here)
    # Each text apart takes a few milliseconds, and none is looked at here.
    monkeypatch.setattr(million_stages, "pick_texts", lambda movies, seed: ["night", "sea", "war"])
    written = tmp_path / "found.json"
    arguments = ["million", "--indexes", str(starter_indexes), "--films", str(FILMS), "--songs", str(SONGS)]
    arguments += ["--compare", "rabitq", "--no-map", "--queries", "8", "--requests", "3", "--noise", "0.2"]
    scratch = tmp_path / "scratch"
    assert main([*arguments, "--scratch", str(scratch), "--keep", "--json", str(written)]) == 0
    found = json.loads(written.read_text(encoding="utf-8"))
    stages = found["stages"]
    assert list(stages) == [
        *(
            "prepare",
            "store",
            "filters",
            "unseen",
            "index movies",
            "search movies",
            "index tracks",
            "search tracks",
        ),
        *("index movies, rabitq", "search movies, rabitq", "seal", "publish", "serve"),
    ]
    assert stages["search movies"]["rows"] == FILMS
    assert stages["search tracks"]["searches"]["1.0"]["recall_10"] == 1.0
    assert stages["index movies, rabitq"]["kind"] == "rabitq"
    assert [row["errors"] for row in stages["serve"]["scenarios"]] == [0] * len(stages["serve"]["scenarios"])
    printed = capsys.readouterr().out
    assert "films for a song, 0.1 % pass" in printed
    assert f"Made up: {FILMS} films and {SONGS} songs" in printed

    made = open_version(scratch / "indexes")
    try:
        assert made.name == stages["seal"]["name"]
        assert made.manifest["counts"]["movies"] == FILMS
        assert made.manifest["counts"]["tracks"] == SONGS
        assert made.manifest["made_up"].endswith("noise 0.2, seed 0")
        real = open_version(starter_indexes)
        count = real.store.count("movies")
        assert made.store.row("movies", f"{real.store.ids('movies', [0])[0]}-1") == count
        kept, copied = real.indexes["movies"].vectors([0])[0], made.indexes["movies"].vectors([count])[0]
        off = np.linalg.norm(copied - kept) / np.linalg.norm(kept)
        assert 0.01 < off < 0.5
        real.close()
    finally:
        made.close()
    verify(scratch / "indexes" / made.name)

    assert main([*arguments, "--scratch", str(scratch), "--kept", "--json", str(written)]) == 0
    again = json.loads(written.read_text(encoding="utf-8"))["stages"]
    assert list(again) == ["search movies", "search tracks", "serve"]
    for name in ("search movies", "search tracks"):
        recalls = [found["recall_10"] for found in again[name]["searches"].values()]
        assert recalls == [found["recall_10"] for found in stages[name]["searches"].values()]

    # Figures of a kept version are told as those of its own size, and of none that is not there.
    capsys.readouterr()
    assert main([*arguments, "--films", "7", "--scratch", str(scratch), "--kept"]) == 1
    assert f"holds {FILMS} films and {SONGS} songs; say so with --films" in capsys.readouterr().err
    assert main([*arguments, "--scratch", str(tmp_path / "empty"), "--kept"]) == 1
    assert "run it with --keep first" in capsys.readouterr().err


def test_a_stage_that_fails_is_told_and_the_others_go_on(
    starter_indexes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> dict[str, Any]:
        raise LookupError("the disk is full")

    monkeypatch.setattr(million, "run_apart", run_here)
    for stage in ("unseen", "index", "lay_out_map", "seal"):
        monkeypatch.setattr(million_stages, stage, refuse)
    arguments = ["million", "--indexes", str(starter_indexes), "--films", "40", "--songs", "30"]
    assert main([*arguments, "--scratch", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "| unseen | failed: the disk is full |" in printed
    assert "| store | store 0." in printed
    assert list(tmp_path.iterdir()) == []


def test_numbers_that_make_no_sense_are_refused(
    starter_indexes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in (["--films", "0"], ["--noise", "-1"], ["--keep"], ["--kept"]):
        assert main(["million", "--indexes", str(starter_indexes), *wrong]) == 1
        assert "bench: " in capsys.readouterr().err


def fill_memory(size_bytes: int) -> dict[str, Any]:
    return {"filled": len(bytes(size_bytes).replace(b"\0", b"\1"))}


def end_by_force() -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def test_a_stage_in_a_process_of_its_own_tells_its_peak_or_why_it_failed() -> None:
    found = million.run_apart(fill_memory, 300 * 2**20)
    assert found["filled"] == 300 * 2**20
    assert found["peak_bytes"] > 300 * 2**20
    assert million.run_apart(fill_memory, -1)["failed"].startswith("ValueError: negative")
    assert "want of memory" in million.run_apart(end_by_force)["failed"]


def test_recall_of_held_vectors_counts_what_an_exact_scan_finds() -> None:
    vectors = np.arange(40, dtype=np.float32)[:, None]
    queries = np.ones((1, 1), np.float32)
    best = list(range(30, 40))
    few = np.arange(40) < 20
    found = [best, [*best[2:], 0, 1], list(range(10, 20))]
    recalls = take_recall(HeldFilms(vectors), queries, [None, few], [(0, 0), (0, 0), (0, 1)], found)
    assert recalls == [1.0, 0.8, 1.0]


def test_tables_leave_out_what_was_not_measured() -> None:
    stages = {
        "store": {"seconds": {"store": 2.0}, "peak_bytes": 3 * 2**20, "size_bytes": 2**20},
        "map": {"failed": "no room"},
    }
    (table,) = make_tables(stages)
    assert table.rows == [["store", "store 2.0", "3", "1"], ["map", "failed: no room", "", ""]]


def test_the_first_answer_is_that_of_the_first_request(
    starter_indexes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(_port: int, requests: list[Any]) -> tuple[list[float], int]:
        return [100_000.0, *(7.0 for _ in requests[1:])], 0

    monkeypatch.setattr(million_serving, "_send", send)
    seconds = million_serving.measure(starter_indexes, 3, 0, 0)["seconds"]
    first = seconds["first answer by HTTP, from the start"]
    assert 100.0 + seconds["server ready"] <= first < 200.0


def test_an_index_elsewhere_has_no_memory_here() -> None:
    searches = {str(share): {"recall_10": 1.0, "p50_ms": 2.0, "p99_ms": 3.0} for share in SHARES}
    here = {"rows": 5, "seconds": {}, "peak_bytes": 0, "searches": searches}
    here |= {"searched_bytes": 2**20, "bytes_a_vector": 9.4}
    there = {"rows": 5, "seconds": {}, "peak_bytes": 0, "searches": searches}
    built = {"kind": "exact", "files": {"a": 2**20, "b": 2**20}, "seconds": {}, "peak_bytes": 0}
    _, table = make_tables({"index movies": built, "search movies": here, "search movies, Milvus": there})
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["files, MiB"] == ["2", ""]
    assert rows["resident after 500 searches, MiB"] == ["1", ""]
    assert rows["resident bytes a vector"] == ["9", ""]
    assert rows["unfiltered: p50 / p99 ms · recall@10"] == ["2.00 / 3.00 · 1.000"] * 2


def test_sizes_are_told_by_medium() -> None:
    sizes = MadeSizes(3, 5, 0.1, 0)
    assert (sizes.of("movies"), sizes.of("tracks")) == (3, 5)
