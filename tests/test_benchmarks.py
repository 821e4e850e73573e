"""The benchmarks measure what they say: on made-up vectors, and once through on the starter catalogue."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from indexer.benchmarks import contenders, plots, worker
from indexer.benchmarks.__main__ import main
from indexer.benchmarks.databases import describe_rows
from indexer.benchmarks.filter_cases import SHARES, describe, find_cases, plain
from indexer.benchmarks.findings import Findings, Table, percentiles
from indexer.benchmarks.made_films import MadeFilms, take_recall
from indexer.benchmarks.surroundings import describe as describe_surroundings
from indexer.benchmarks.surroundings import installed
from indexer.benchmarks.workload import Truth
from indexer.errors import MissingMaterial
from indexer.filter_columns import FilterColumns, Filters

RANDOM = np.random.default_rng(7)


@pytest.fixture(scope="module")
def columns() -> FilterColumns:
    """4,000 films over 80 years, every genre and language combined with every year evenly."""
    numbers = np.arange(4000)
    table = pd.DataFrame(
        {
            "genres": [f"g{n % 7}" if n % 3 else f"g{n % 7}|rare{n % 40}" for n in numbers],
            "language": [("en", "fr", "ja")[n % 3] for n in numbers],
            "year": 1940 + numbers % 80,
            "rating": 5.0,
            "votes": 10.0,
            "popularity": 1.0,
            "runtime_min": 90.0,
        }
    )
    return FilterColumns.from_table("movies", table)


def test_filters_pass_the_share_that_was_wanted_and_say_how_many(columns: FilterColumns) -> None:
    cases = find_cases(columns, SHARES, 4, seed=3)
    assert [case.wanted for case in cases] == [1.0] + [share for share in SHARES[1:] for _ in range(4)]
    assert cases[0].filters == Filters()
    for case in cases[1:]:
        mask = columns.mask(case.filters)
        assert mask is not None
        assert case.rows == mask.sum()
        assert case.share == case.rows / 4000
        assert case.wanted / 1.4 < case.share < case.wanted * 1.4
    assert len({describe(case.filters) for case in cases}) == len(cases)
    assert max(len(plain(case.filters)) for case in cases) >= 3


def test_the_same_seed_finds_the_same_filters_and_another_seed_others(columns: FilterColumns) -> None:
    first = find_cases(columns, (0.1,), 5, seed=1)
    assert find_cases(columns, (0.1,), 5, seed=1) == first
    assert find_cases(columns, (0.1,), 5, seed=2) != first


def test_rows_are_described_to_peers_as_our_filters_see_them(columns: FilterColumns) -> None:
    rows = describe_rows(columns, 81)
    assert rows[0] == {"genres": ["g0", "rare0"], "language": "en", "first_year": 1940, "last_year": 1940}
    assert rows[80] == {"genres": ["g3"], "language": "ja", "first_year": 1940, "last_year": 1940}


def test_recall_counts_what_an_exact_scan_would_return() -> None:
    vectors = np.arange(40, dtype=np.float32)[:, None]
    truth = Truth(vectors, np.ones((1, 1), np.float32))
    best = list(range(30, 40))
    assert truth.recall(0, best, None) == 1.0
    assert truth.recall(0, [*best[3:], 0, 1, 2], None) == 0.7
    assert truth.recall(0, [39] * 10, None) == 0.1
    assert truth.recall(0, best, None, own=39) == 0.9
    assert truth.recall(0, [], None) == 0.0


def test_recall_under_a_filter_is_of_the_rows_that_pass() -> None:
    vectors = np.arange(40, dtype=np.float32)[:, None]
    truth = Truth(vectors, np.ones((1, 1), np.float32))
    few = np.isin(np.arange(40), [3, 5, 7, 11])
    assert truth.recall(0, [11, 7, 5, 3], few) == 1.0
    assert truth.recall(0, [11, 39, 38, 3], few) == 0.5
    assert truth.recall(0, [1], np.zeros(40, np.bool_)) == 1.0


def test_a_row_as_good_as_the_last_of_the_best_counts() -> None:
    vectors = np.ones((20, 1), np.float32)
    truth = Truth(vectors, np.ones((1, 1), np.float32))
    assert truth.recall(0, range(10, 20), None) == 1.0
    assert truth.recall(0, range(5), None) == 0.5


def test_made_up_films_repeat_the_real_ones_with_noise_of_their_own() -> None:
    real = RANDOM.standard_normal((50, 6)).astype(np.float32)
    real[:, 5] = 3.0
    exact = MadeFilms(real, 120, 0.0, 1).all()
    np.testing.assert_array_equal(exact, real[np.arange(120) % 50])
    films = MadeFilms(real, 20_000, 0.1, 1)
    made = films.all()
    off = made - real[np.arange(20_000) % 50]
    np.testing.assert_array_equal(off[:, 5], 0)
    np.testing.assert_allclose(off[:, :5].std(axis=0), 0.1 * real[:, :5].std(axis=0), rtol=0.05)
    np.testing.assert_array_equal(np.concatenate([part for _, part in films.chunks()]), made)


def test_recall_over_parts_is_that_over_the_whole() -> None:
    real = RANDOM.standard_normal((300, 8)).astype(np.float32)
    films = MadeFilms(real, 17_000, 0.2, 5)
    queries = RANDOM.standard_normal((4, 8)).astype(np.float32)
    masks = [None, np.arange(17_000) % 9 == 0, np.arange(17_000) > 16_995]
    scores = films.all() @ queries.T
    turns = [(query, number) for query in range(4) for number in range(3)]
    found = []
    for query, number in turns:
        mask = masks[number]
        order = np.argsort(-(scores[:, query] if mask is None else np.where(mask, scores[:, query], -np.inf)))
        # All four that pass, or eight of the ten best and two wrong ones.
        found.append(order[:4].tolist() if number == 2 else [*order[:8].tolist(), *order[-2:].tolist()])
    truth = Truth(films.all(), queries)
    recalls = take_recall(films, queries, masks, turns, found)
    assert recalls == [1.0 if number == 2 else 0.8 for _, number in turns]
    assert recalls == [
        truth.recall(query, rows, masks[number]) for (query, number), rows in zip(turns, found, strict=True)
    ]


def test_findings_read_the_same_as_text_and_as_numbers() -> None:
    found = Findings(
        "search", {"cores": "2"}, [Table("Times", ["", "ms"], [["a|b", "1.5"]])], {"ms": 1.5}, ["Ha."]
    )
    assert found.as_markdown() == (
        "`scripts/bench search`: cores 2.\n\n**Times**\n\n|  | ms |\n| --- | ---: |\n| a/b | 1.5 |\n\n- Ha.\n"
    )
    plain_values = {"benchmark": "search", "surroundings": {"cores": "2"}, "notes": ["Ha."], "ms": 1.5}
    assert json.loads(found.as_json()) == plain_values


def test_percentiles_are_of_the_times_given() -> None:
    assert percentiles([*range(1, 102)]) == {"p50_ms": 51.0, "p99_ms": 100.0}
    with pytest.raises(ValueError, match="no times"):
        percentiles([])


def test_every_output_says_where_and_with_what_it_was_measured() -> None:
    facts = describe_surroundings(5, ["numpy", "no-such-library"])
    assert list(facts) == [
        *("date", "processor", "cores", "memory", "system", "python", "seed"),
        *("numpy", "no-such-library"),
    ]
    assert facts["numpy"] == np.__version__
    assert facts["seed"] == "5"
    assert installed("no-such-library") == facts["no-such-library"] == "not installed"


def test_a_peer_that_is_not_installed_is_an_import_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "hnswlib", None)
    material = contenders.Material(tmp_path, "movies", tmp_path, tmp_path, 1, False)
    with pytest.raises(ImportError):
        contenders.load(contenders.Hnswlib, material)


def test_figures_need_matplotlib_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingMaterial, match="matplotlib"):
        plots.draw({"media": {}}, tmp_path)


def test_filters_survive_the_way_to_a_worker() -> None:
    filters = Filters(genres=("Drama", "War"), year_min=1990, language=("en",))
    assert worker.read_filters(json.loads(json.dumps(plain(filters)))) == filters


def test_search_runs_contenders_in_turn_and_names_those_that_are_missing(
    starter_indexes: Path, tmp_path: Path
) -> None:
    file = tmp_path / "found.json"
    arguments = ["search", "--indexes", str(starter_indexes), "--media", "movies", "--json", str(file)]
    arguments += ["--queries", "24", "--tuning-queries", "8", "--cases", "2", "--rounds", "1"]
    arguments += ["--contenders", "Segue", "FAISS flat", "hnswlib"]
    assert main(arguments) == 0
    movies: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["media"]["movies"]
    assert list(movies["contenders"]) == ["Segue", "FAISS flat", "hnswlib"]
    for name in ("Segue", "FAISS flat"):
        searches = movies["contenders"][name]["searches"]
        assert {share: cell["recall_10"] for share, cell in searches.items()} == dict.fromkeys(
            map(str, SHARES), 1.0
        )
        assert all(0 < cell["p50_ms"] <= cell["p99_ms"] for cell in searches.values())
    if importlib.util.find_spec("hnswlib") is None:
        assert movies["contenders"]["hnswlib"]["missing"].startswith("hnswlib is not installed")
    else:
        assert movies["contenders"]["hnswlib"]["searches"]["1.0"]["recall_10"] > 0.1


def test_a_contender_that_dies_is_reported_and_the_others_go_on(
    starter_indexes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # USearch's module is replaced by one that has no index at all.
    package = tmp_path / "usearch"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "index.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[1]}")
    file = tmp_path / "found.json"
    arguments = ["search", "--indexes", str(starter_indexes), "--media", "movies", "--json", str(file)]
    arguments += ["--queries", "12", "--tuning-queries", "6", "--cases", "2", "--rounds", "1"]
    assert main([*arguments, "--contenders", "USearch", "FAISS flat"]) == 0
    found = json.loads(file.read_text(encoding="utf-8"))["media"]["movies"]["contenders"]
    assert found["USearch"]["missing"].startswith("USearch stopped: AttributeError")
    assert found["FAISS flat"]["searches"]["1.0"]["recall_10"] == 1.0


def test_filters_fails_where_the_least_recall_is_not_reached(
    starter_indexes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "found.json"
    arguments = ["filters", "--indexes", str(starter_indexes), "--queries", "20", "--cases", "2"]
    assert main([*arguments, "--least", "0.99", "--json", str(file)]) == 0
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    assert {(row["medium"], row["way"]) for row in rows} == {
        (medium, way) for medium in ("movies", "tracks") for way in ("across", "within")
    }
    assert {row["wanted_share"] for row in rows} == set(SHARES)
    assert main([*arguments, "--least", "1.1"]) == 1
    assert "below 1.1" in capsys.readouterr().err


def test_a_missing_version_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["filters", "--indexes", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("bench: no index version is published in")
    assert said.count("\n") == 1


def test_scale_measures_the_real_films_beside_more_of_them(starter_indexes: Path, tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    arguments = ["scale", "--indexes", str(starter_indexes), "--rows", "2000", "--kind", "exact"]
    assert main([*arguments, "--queries", "16", "--cases", "2", "--json", str(file)]) == 0
    found = json.loads(file.read_text(encoding="utf-8"))
    made = found["indexes"]["made-up films"]
    assert (made["rows"], made["kind"]) == (2000, "exact")
    assert made["vectors_bytes"] == 4 * 2000 * made["dimension"] < sum(made["files"].values())
    assert {share: cell["recall_10"] for share, cell in made["searches"].items()} == dict.fromkeys(
        map(str, SHARES), 1.0
    )
    assert found["indexes"]["real films"]["rows"] < 2000
    assert any("repeated, every copy with normal noise of 0.1" in note for note in found["notes"])
