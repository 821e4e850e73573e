"""Codes, lists and the settings they are tuned to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from indexer.errors import VersionDamaged
from indexer.vector_index import CodedParams, IndexPlan, VectorIndex, build_index, choose, open_index
from indexer.vector_index.coded import CodedIndex
from indexer.vector_index.kept_rows import HalfRows
from indexer.vector_index.projection import Projection

Array = npt.NDArray[Any]
KINDS = ("codes", "ivf", "rabitq")


def spread(n: int, d: int, seed: int) -> Array:
    """Vectors with a few strong and many weak directions, as embeddings have."""
    random = np.random.default_rng(seed)
    return (random.standard_normal((n, d)) / np.sqrt(1 + np.arange(d))).astype(np.float32)


def foreign(n: int, d: int, seed: int) -> Array:
    """Queries of another distribution than the vectors': strong where those are middling, and of all lengths."""
    random = np.random.default_rng(seed)
    queries = random.standard_normal((n, d)) * np.exp(-0.5 * ((np.arange(d) - d / 4) / 6) ** 2)
    return (queries * random.uniform(0.1, 10, (n, 1))).astype(np.float32)


def share_found(
    index: VectorIndex, exact: VectorIndex, queries: Array, allowed: Array | None = None
) -> float:
    found = [index.search(query, 10, 0, allowed).rows for query in queries]
    best = [exact.search(query, 10, 0, allowed).rows for query in queries]
    return sum(len(set(f) & set(b)) for f, b in zip(found, best, strict=True)) / sum(map(len, best))


@pytest.mark.parametrize("kind", KINDS)
def test_tuned_settings_reach_the_recall_on_queries_never_seen(kind: str) -> None:
    vectors = spread(12_000, 96, 1)
    plan = IndexPlan({"foreign": foreign(400, 96, 2), "rows": vectors[:300]})
    built = build_index(vectors, kind, plan=plan)
    exact = build_index(vectors, "exact").index
    assert sorted(built.recall) == ["foreign", "rows"]
    assert min(built.recall.values()) >= 0.985
    unseen = np.concatenate((foreign(100, 96, 3), spread(100, 96, 4)))
    assert share_found(built.index, exact, unseen) >= 0.98
    random = np.random.default_rng(5)
    for share in (0.5, 0.1, 0.02, 0.001):
        allowed = random.random(12_000) < share
        assert share_found(built.index, exact, unseen, allowed) >= 0.98


def test_the_measured_recall_is_what_a_search_reaches() -> None:
    vectors = spread(9_000, 64, 6)
    queries = foreign(300, 64, 7)
    # Eight numbers cannot hold what 64 say, so this one misses some.
    params = CodedParams(dimension=8, candidates=256)
    built = build_index(vectors, "codes", params, IndexPlan({"foreign": queries}))
    exact = build_index(vectors, "exact").index
    assert 0.1 < built.recall["foreign"] < 0.95
    assert built.recall["foreign"] == pytest.approx(share_found(built.index, exact, queries[2::3]), abs=1e-4)
    assert built.describe()["recall_at_10"] == dict(built.recall)
    assert built.describe()["settings"]["dimension"] == 8


def test_auto_compares_whole_what_codes_cannot_tell_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "EXACT_LIMIT_BYTES", 1)
    # Vectors that differ in the sixth decimal place only: four bits do not hold that.
    random = np.random.default_rng(8)
    vectors = (1 + 1e-6 * random.standard_normal((9_000, 24))).astype(np.float32)
    queries = random.standard_normal((100, 24)).astype(np.float32)
    vectors[:, :12] = random.integers(0, 2, (9_000, 12)).astype(np.float32)
    queries[:, :12] = 0
    built = build_index(vectors, plan=IndexPlan({"fine": queries}, target_recall=1.0))
    if built.index.kind == "codes":
        assert min(built.recall.values()) == 1.0
    else:
        assert built.index.kind == "exact"
        assert "codes reaches a recall@10 of" in built.index.reason
        assert built.index.reason.endswith("so all vectors are compared")


@pytest.mark.parametrize("kind", KINDS)
def test_pages_of_every_tier_join_into_one_list(kind: str) -> None:
    vectors = spread(20_000, 24, 9)
    index = build_index(vectors, kind, CodedParams(dimension=12, lists=8, probes=2, candidates=300)).index
    query = foreign(1, 24, 10)[0]
    for allowed in (None, np.arange(20_000) % 3 > 0):
        count = 20_000 if allowed is None else int(allowed.sum())
        whole = index.search(query, count, 0, allowed)
        everything = np.arange(20_000) if allowed is None else np.flatnonzero(allowed)
        assert sorted(whole.rows.tolist()) == everything.tolist()
        # Across the ends of both pools, and in the rest.
        for start, stop in ((0, 10), (250, 262), (256, 300), (4_090, 4_100), (4_096, 4_200), (9_990, 10_000)):
            page = index.search(query, stop - start, start, allowed)
            assert page.rows.tolist() == whole.rows[start:stop].tolist()
            assert page.scores.tobytes() == whole.scores[start:stop].tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_deep_pages_of_many_rows_read_candidates_only(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"WIDE_POOL": 600, "_WIDE_CANDIDATES": 1_800, "DEEP_POOL": 1_500, "_DEEP_CANDIDATES": 3_000}
    for name, size in sizes.items():
        monkeypatch.setattr(CodedIndex, name, size)
    vectors, query = spread(13_000, 24, 9), foreign(1, 24, 10)[0]
    index = build_index(vectors, kind, CodedParams(dimension=12, lists=8, probes=2, candidates=300)).index
    assert isinstance(index, CodedIndex)
    whole = index.search(query, 13_000)
    assert sorted(whole.rows.tolist()) == list(range(13_000))
    few = np.arange(13_000) < 11_000  # fewer than four times the candidates
    best = build_index(vectors, "exact").index.search(query, 13_000).rows

    def refuse(*_: object) -> None:
        raise AssertionError("every vector was read")

    with monkeypatch.context() as patched:
        patched.setattr(type(index.kept), "rank_allowed", refuse)
        for start, stop in ((590, 610), (600, 700), (1_490, 1_500)):
            page = index.search(query, stop - start, start)
            assert page.rows.tolist() == whole.rows[start:stop].tolist()
            assert page.scores.tobytes() == whole.scores[start:stop].tobytes()
        for allowed, depth in ((None, 1_501), (few, 601)):
            with pytest.raises(AssertionError, match="every vector"):
                index.search(query, depth, 0, allowed)
    assert index.search(query, 20, 1_490).rows.tolist() == whole.rows[1_490:1_510].tolist()
    # Twelve numbers of twenty-four in four bits each, or in one, and twice as many candidates as ranks.
    assert len(set(whole.rows[:1_500]) & set(best[:1_500])) / 1_500 > (0.7 if kind == "rabitq" else 0.9)


def test_codes_give_the_scores_of_an_exact_index() -> None:
    vectors, query = spread(5_000, 40, 11), foreign(1, 40, 12)[0]
    exact = build_index(vectors, "exact").index.search(query, 5_000)
    scores = np.empty(5_000, np.float32)
    scores[exact.rows] = exact.scores
    found = build_index(vectors, "codes", CodedParams(dimension=40)).index.search(query, 700)
    assert found.scores.tobytes() == scores[found.rows].tobytes()


@pytest.mark.parametrize("kind", ["ivf", "rabitq"])
def test_halves_stay_on_disk(kind: str, tmp_path: Path) -> None:
    vectors = spread(3_000, 40, 13)
    built = build_index(vectors, kind, CodedParams(dimension=24, lists=4, probes=4)).index
    built.write(tmp_path / "movies.faiss")
    opened = open_index(tmp_path / "movies.faiss", kind)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "movies.faiss",
        "movies.query_map.npy",
        "movies.search.json",
        "movies.vectors.npy",
    ]
    assert built.resident_bytes - opened.resident_bytes == 2 * 40 * 3_000
    code_bytes = 12 if kind == "ivf" else 3 + 8
    assert opened.resident_bytes == 3_000 * (code_bytes + 8) + 4 * 4 * 24
    rounded = vectors.astype(np.float16).astype(np.float32)
    assert opened.vectors([2_999, 0]).tobytes() == rounded[[2_999, 0]].tobytes()


def test_a_file_of_halves_cut_short_is_refused(tmp_path: Path) -> None:
    HalfRows.build(spread(100, 8, 14)).write(tmp_path / "rows.npy")
    whole = (tmp_path / "rows.npy").read_bytes()
    for length in (0, 10, 64, 200, len(whole) - 1):
        (tmp_path / "rows.npy").write_bytes(whole[:length])
        with pytest.raises(VersionDamaged, match=r"rows\.npy cannot be read as vectors"):
            HalfRows.open(tmp_path / "rows.npy")
    np.save(tmp_path / "rows.npy", np.zeros((3, 2), np.float32))
    with pytest.raises(VersionDamaged, match="it does not hold float16 rows"):
        HalfRows.open(tmp_path / "rows.npy")
    with pytest.raises(ValueError, match="numbers of at most 65,504"):
        HalfRows.build(np.full((1, 1), 70_000, np.float32))


@pytest.mark.parametrize("name", ["movies.query_map.npy", "movies.search.json", "movies.vectors.faiss"])
def test_a_missing_or_foreign_part_is_named(name: str, tmp_path: Path) -> None:
    index = build_index(spread(500, 8, 15), "codes", CodedParams(dimension=8)).index
    index.write(tmp_path / "movies.faiss")
    part = tmp_path / name
    whole = part.read_bytes()
    part.unlink()
    with pytest.raises(VersionDamaged, match=r"movies\.(faiss|vectors)"):
        open_index(tmp_path / "movies.faiss", "codes")
    part.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(VersionDamaged, match=r"movies\.(faiss|vectors)"):
        open_index(tmp_path / "movies.faiss", "codes")
    other = build_index(spread(400, 6, 16), "codes", CodedParams(dimension=6)).index
    (tmp_path / "other").mkdir()
    other.write(tmp_path / "other" / "movies.faiss")
    part.write_bytes((tmp_path / "other" / name).read_bytes())
    with pytest.raises(VersionDamaged, match=r"do not fit together|holds 500 codes for 400 vectors"):
        open_index(tmp_path / "movies.faiss", "codes")


def test_a_full_map_keeps_inner_products_but_for_a_constant() -> None:
    vectors, queries = spread(2_000, 20, 17), foreign(50, 20, 18)
    projection = Projection.fit(vectors, queries, 20)
    mapped = (queries @ projection.query_map) @ projection.place_items(vectors).T
    constants = queries @ projection.mean
    np.testing.assert_allclose(mapped + constants[:, None], queries @ vectors.T, atol=2e-3)


def test_a_map_cut_short_is_the_map_fitted_to_fewer_numbers() -> None:
    vectors, queries = spread(2_000, 20, 17), foreign(50, 20, 18)
    cut, fitted = Projection.fit(vectors, queries, 20).cut(7), Projection.fit(vectors, queries, 7)
    np.testing.assert_allclose(cut.item_map, fitted.item_map, rtol=1e-5)
    np.testing.assert_allclose(cut.query_map, fitted.query_map, rtol=1e-5)


def test_a_small_map_keeps_what_queries_tell_apart() -> None:
    # Items vary most in ten directions that no query asks about, and a little in the two that matter.
    random = np.random.default_rng(19)
    vectors = np.concatenate(
        (10 * random.standard_normal((4_000, 10)), 0.1 * random.standard_normal((4_000, 2))), axis=1
    ).astype(np.float32)
    queries = np.concatenate((np.zeros((60, 10)), random.standard_normal((60, 2))), axis=1).astype(np.float32)
    projection = Projection.fit(vectors, queries, 2)
    mapped = (queries @ projection.query_map) @ projection.place_items(vectors).T
    true = queries @ vectors.T
    assert np.corrcoef(mapped.ravel(), (true - true.mean(axis=1, keepdims=True)).ravel())[0, 1] > 0.97
