"""One contract for every index kind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.errors import VersionDamaged
from indexer.vector_index import (
    CodedParams,
    HnswParams,
    VectorIndex,
    build_index,
    open_index,
    set_threads,
)

#: "walk" is "hnsw" that never steps aside for a scan, so that the graph itself answers however few the rows; likewise
#: "coded", "lists" and "bits" are "codes", "ivf" and "rabitq" that always look for candidates by codes.
CASES = ("exact", "hnsw", "walk", "codes", "coded", "lists", "bits")
KINDS = {"walk": "hnsw", "coded": "codes", "lists": "ivf", "bits": "rabitq"}
#: What follows FAISS's own bytes in a file and says that it is whole.
MARK_BYTES = 16
#: Kinds whose vectors are rounded to float16, which holds small integers exactly.
HALVES = ("lists", "bits")
# A beam this narrow makes the graph itself answer at sizes that tests can afford.
NARROW = HnswParams(m=16, ef_construction=80, ef_search=64)

Array = npt.NDArray[Any]


def unaided(index: VectorIndex, case: str) -> VectorIndex:
    """The index as the case wants it: without the exact scan that it takes where few rows are allowed."""
    if case == "walk":
        setattr(index, "ROWS_PER_STEP", 0)  # noqa: B010
    elif case in KINDS:
        setattr(index, "_gathered_rows", lambda: 0)  # noqa: B010
    return index


def walking(index: VectorIndex) -> VectorIndex:
    return unaided(index, "walk")


def make(case: str, vectors: Array) -> VectorIndex:
    kind = kind_of(case)
    if kind == "exact":
        return build_index(vectors, kind).index
    if kind == "hnsw":
        return unaided(build_index(vectors, kind, NARROW).index, case)
    lists = 1 if kind == "codes" else 4
    params = CodedParams(dimension=vectors.shape[-1] or 1, lists=lists, probes=lists, candidates=256)
    return unaided(build_index(vectors, kind, params).index, case)


def kind_of(case: str) -> str:
    return KINDS.get(case, case)


def brute_force(vectors: Array, query: Array, allowed: Array | None = None) -> tuple[list[int], list[float]]:
    """Order of all allowed rows by (score desc, row asc); exact where the numbers are small integers."""
    scores = vectors @ query
    rows = np.arange(len(vectors)) if allowed is None else np.flatnonzero(allowed)
    rows = rows[np.lexsort((rows, -scores[rows]))]
    return rows.tolist(), scores[rows].tolist()


def small_integers(n: int, d: int, seed: int) -> Array:
    """Few distinct values, hence many exact ties and identical vectors, sums that float32 holds exactly."""
    return np.random.default_rng(seed).integers(-1, 2, (n, d)).astype(np.float32)


def clusters(n: int, d: int, seed: int) -> tuple[Array, Array]:
    """Vectors in 40 clusters of different lengths, and 20 queries from the same clusters."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((40, d))
    drawn = centres[random.integers(0, 40, n + 20)] + 0.6 * random.standard_normal((n + 20, d))
    drawn = drawn.astype(np.float32)
    return drawn[:n], drawn[n:]


# --- the contract -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_best_come_first_with_their_inner_products(case: str) -> None:
    index = make(case, np.array([[1, 0], [0, 5], [3, 0], [-2, 0]], np.float32))
    found = index.search(np.array([1, 0], np.float32), 3)
    assert found.rows.tolist() == [2, 0, 1]
    assert found.scores.tolist() == [3.0, 1.0, 0.0]
    assert (found.rows.dtype, found.scores.dtype) == (np.int64, np.float32)
    assert (index.kind, index.size, index.dimension) == (kind_of(case), 4, 2)


@pytest.mark.parametrize("case", ["exact", "hnsw"])
def test_ties_are_in_row_order_even_across_the_last_place(case: str) -> None:
    vectors = np.ones((200, 3), np.float32)
    vectors[150] = 2
    index = make(case, vectors)
    found = index.search(np.ones(3, np.float32), 5)
    assert found.rows.tolist() == [150, 0, 1, 2, 3]
    assert found.scores.tolist() == [6.0, 3.0, 3.0, 3.0, 3.0]
    assert index.search(np.ones(3, np.float32), 3, offset=99).rows.tolist() == [98, 99, 100]


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_pages_join_into_one_list(case: str, data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 700), label="n")
    vectors = small_integers(n, 3, data.draw(st.integers(0, 99), label="seed"))
    index = make(case, vectors)
    query = np.array(data.draw(st.lists(st.integers(-2, 2), min_size=3, max_size=3)), np.float32)
    share = data.draw(st.sampled_from([None, 0.0, 0.02, 0.5, 1.0]), label="share")
    allowed = None if share is None else np.random.default_rng(n).random(n) < share
    whole = index.search(query, n, allowed=allowed)
    rows, scores = brute_force(vectors, query, allowed)
    assert sorted(whole.rows.tolist()) == sorted(rows)
    if case == "exact":
        assert whole.rows.tolist() == rows
        assert whole.scores.tolist() == scores
    joined: list[int] = []
    while len(joined) < len(rows):
        page = index.search(query, data.draw(st.integers(1, 300), label="k"), len(joined), allowed)
        assert page.scores.tolist() == whole.scores[len(joined) : len(joined) + len(page.rows)].tolist()
        joined += page.rows.tolist()
    assert joined == whole.rows.tolist()
    assert index.search(query, 5, len(rows), allowed).rows.tolist() == []


@pytest.mark.parametrize("case", CASES)
def test_more_than_there_is_gives_all_and_no_padding(case: str) -> None:
    index = make(case, np.array([[1.0], [3.0], [2.0]], np.float32))
    query = np.ones(1, np.float32)
    assert index.search(query, 10**9).rows.tolist() == [1, 2, 0]
    assert index.search(query, 10**9, offset=2).rows.tolist() == [0]
    assert index.search(query, 5, offset=10**9).rows.tolist() == []
    assert index.search(query, 5, allowed=np.array([True, False, True])).rows.tolist() == [2, 0]
    nothing = index.search(query, 5, allowed=np.zeros(3, np.bool_))
    assert (nothing.rows.dtype, nothing.rows.tolist(), nothing.scores.tolist()) == (np.int64, [], [])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("share", [0.5, 0.1, 0.02, 0.002])
def test_filtering_inside_equals_filtering_all(case: str, share: float) -> None:
    vectors = small_integers(3000, 6, 1)
    index = make(case, vectors)
    query = np.array([2, -1, 1, 3, 0, 1], np.float32)
    allowed = np.random.default_rng(2).random(3000) < share
    found = index.search(query, 3000, allowed=allowed)
    rows, scores = brute_force(vectors, query, allowed)
    if case == "exact":
        assert (found.rows.tolist(), found.scores.tolist()) == (rows, scores)
    assert sorted(found.rows.tolist()) == sorted(rows)
    assert found.scores[:10].tolist() == scores[:10]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_score_depends_on_the_vector_alone(case: str, threads: int) -> None:
    # 12,000 rows: from 10,000 on, several threads make an unguarded flat search round differently.
    vectors, queries = clusters(12_000, 17, 3)
    vectors[9000:9040] = vectors[:40]
    if case in HALVES:
        vectors = vectors.astype(np.float16).astype(np.float32)
    index = make(case, vectors)
    exact = make("exact", vectors)
    set_threads(threads)
    try:
        for query in queries[:4]:
            expected = np.empty(12_000, np.float32)
            everything = exact.search(query, 12_000)
            expected[everything.rows] = everything.scores
            assert expected[9000:9040].tobytes() == expected[:40].tobytes()
            for share in (1.0, 0.5, 0.01):
                allowed = np.random.default_rng(5).random(12_000) < share
                for k, offset in ((1, 0), (10, 0), (99, 3), (300, 200), (700, 0)):
                    found = index.search(query, k, offset, None if share == 1 else allowed)
                    assert found.scores.tobytes() == expected[found.rows].tobytes()
    finally:
        set_threads(1)


@pytest.mark.parametrize("case", CASES)
def test_equal_vectors_keep_row_order(case: str) -> None:
    vectors, _ = clusters(2000, 32, 8)
    vectors[[7, 300, 1500]] = vectors[1999] = 3 * vectors[0]
    index = make(case, vectors)
    assert index.search(vectors[7], 4).rows.tolist() == [7, 300, 1500, 1999]


@pytest.mark.parametrize("case", CASES)
def test_a_written_index_answers_the_same(case: str, tmp_path: Path) -> None:
    vectors, queries = clusters(1500, 12, 4)
    built = make(case, vectors)
    built.write(tmp_path / "a.faiss")
    opened = open_index(tmp_path / "a.faiss", kind_of(case))
    unaided(opened, case)
    assert (opened.kind, opened.size, opened.dimension) == (kind_of(case), 1500, 12)
    assert opened.reason == "opened from a.faiss"
    allowed = np.arange(1500) % 3 == 0
    for query in queries:
        for mask in (None, allowed):
            before, after = built.search(query, 400, 5, mask), opened.search(query, 400, 5, mask)
            assert before.rows.tolist() == after.rows.tolist()
            assert before.scores.tobytes() == after.scores.tobytes()
    opened.write(tmp_path / "again.faiss")
    assert (tmp_path / "again.faiss").read_bytes() == (tmp_path / "a.faiss").read_bytes()


@pytest.mark.parametrize("case", CASES)
def test_the_same_vectors_give_the_same_bytes(case: str, tmp_path: Path) -> None:
    vectors, _ = clusters(1500, 12, 4)
    for name, threads in (("one", 1), ("two", 2), ("three", 2)):
        set_threads(threads)
        make(case, vectors).write(tmp_path / name)
    set_threads(1)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert (tmp_path / "one").read_bytes() == (tmp_path / "three").read_bytes()


@pytest.mark.parametrize("case", CASES)
def test_threads_do_not_disturb_each_other(case: str) -> None:
    vectors, queries = clusters(3000, 16, 6)
    index = make(case, vectors)
    masks = [None, *(np.arange(3000) % step == 0 for step in (2, 7, 90))]

    def answers(number: int) -> list[int]:
        return index.search(queries[number % 20], 40, number % 50, masks[number % 4]).rows.tolist()

    expected = [answers(number) for number in range(80)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            assert list(pool.map(answers, range(80))) == expected


@pytest.mark.parametrize("case", CASES)
def test_stored_vectors_are_copies_of_what_was_given(case: str) -> None:
    vectors, _ = clusters(50, 5, 7)
    if case in HALVES:
        vectors = vectors.astype(np.float16).astype(np.float32)
    index = make(case, vectors)
    copies = index.vectors([49, 0, 0])
    assert copies.tobytes() == vectors[[49, 0, 0]].tobytes()
    copies[:] = 0
    assert index.vectors([49]).tobytes() == vectors[[49]].tobytes()
    assert index.vectors([]).shape == (0, 5)
    for rows in ([-1], [50]):
        with pytest.raises(IndexError, match="rows must be from 0 to 49"):
            index.vectors(rows)


@pytest.mark.parametrize("case", CASES)
def test_a_mask_and_vectors_may_change_after_use(case: str) -> None:
    vectors = np.array([[1.0], [3.0], [2.0]], np.float32)
    index = make(case, vectors)
    vectors[:] = 0
    allowed = np.array([True, True, False])
    query = np.ones(1, np.float32)
    assert index.search(query, 3, allowed=allowed).rows.tolist() == [1, 0]
    assert allowed.tolist() == [True, True, False]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_numbers_without_an_order_are_refused(case: str, bad: float) -> None:
    good = np.ones((3, 2), np.float32)
    spoiled = good.copy()
    spoiled[1, 1] = bad
    with pytest.raises(ValueError, match="the vectors must hold finite numbers"):
        make(case, spoiled)
    with pytest.raises(ValueError, match="the query must hold finite numbers"):
        make(case, good).search(spoiled[1], 1)


@pytest.mark.parametrize("case", CASES)
def test_wrong_questions_are_refused(case: str) -> None:
    index = make(case, np.ones((3, 2), np.float32))
    query = np.ones(2, np.float32)
    with pytest.raises(ValueError, match=r"float32 of shape \(2,\), not float32 \(3,\)"):
        index.search(np.ones(3, np.float32), 1)
    with pytest.raises(ValueError, match="not float64"):
        index.search(np.ones(2), 1)  # type: ignore[arg-type]
    for k, offset in ((0, 0), (-1, 0), (1, -1)):
        with pytest.raises(ValueError, match="k must be at least 1 and offset at least 0"):
            index.search(query, k, offset)
    for mask in (np.ones(2, np.bool_), np.ones(3, np.int64), np.ones((3, 1), np.bool_)):
        with pytest.raises(ValueError, match=r"allowed must be bool of shape \(3,\)"):
            index.search(query, 1, allowed=mask)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,)])
def test_nothing_to_index_is_refused(case: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="vectors must have shape"):
        make(case, np.ones(shape, np.float32))


@pytest.mark.parametrize("case", CASES)
def test_a_truncated_file_is_damaged(case: str, tmp_path: Path) -> None:
    path = tmp_path / "movies.faiss"
    make(case, clusters(60, 4, 9)[0]).write(path)
    whole = path.read_bytes()
    end = len(whole) - MARK_BYTES
    for length in [*range(130), *range(130, end, 97), end - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(VersionDamaged, match=r"movies\.faiss cannot be read as an index"):
            open_index(path, kind_of(case))


@pytest.mark.parametrize("case", CASES)
def test_a_file_without_its_mark_is_read_not_mapped(case: str, tmp_path: Path) -> None:
    path = tmp_path / "movies.faiss"
    vectors, queries = clusters(60, 4, 9)
    built = make(case, vectors)
    built.write(path)
    path.write_bytes(path.read_bytes()[:-MARK_BYTES])
    opened = unaided(open_index(path, kind_of(case)), case)
    assert opened.search(queries[0], 60).rows.tolist() == built.search(queries[0], 60).rows.tolist()


@pytest.mark.parametrize("kind, other", [("exact", "hnsw"), ("hnsw", "exact")])
def test_other_files_are_damaged(kind: str, other: str, tmp_path: Path) -> None:
    with pytest.raises(VersionDamaged, match="absent"):
        open_index(tmp_path / "absent", kind)
    (tmp_path / "text").write_text("no index at all, only words" * 20)
    with pytest.raises(VersionDamaged, match="text cannot be read"):
        open_index(tmp_path / "text", kind)
    make(other, np.ones((3, 2), np.float32)).write(tmp_path / "other")
    with pytest.raises(VersionDamaged, match=f"other does not hold {kind} vectors"):
        open_index(tmp_path / "other", kind)


@pytest.mark.parametrize("case", CASES)
def test_a_place_that_cannot_be_written_is_named(case: str, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"cannot write the index x\.faiss"):
        make(case, np.ones((3, 2), np.float32)).write(tmp_path / "absent" / "x.faiss")


# --- kinds ------------------------------------------------------------------------------------------------
