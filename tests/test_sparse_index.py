from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.catalogue.records import Medium
from indexer.errors import VersionDamaged
from indexer.features.names import NameTerms, SparseRows
from indexer.sparse_index import MEDIA, SparseIndex, SparseQuery

Dense = npt.NDArray[np.float32]
TERMS = ["across", "prince", "prince and", "purple", "purple rain", "rain"]
MOVIES = [
    [0.0, 0.0, 0.0, 0.5, 0.75, 0.25],
    [0.5, 0.0, 0.0, 0.0, 0.0, 0.5],
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.25, 0.5, 0.0, 0.0, 0.0],
]
TRACKS = [
    [0.0, 0.5, 0.5, 0.25, 0.5, 0.25],
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
]


def sparse(dense: Dense) -> SparseRows:
    rows, columns = np.nonzero(dense)
    starts = np.concatenate([[0], np.cumsum(np.count_nonzero(dense, axis=1))]).astype(np.int64)
    return SparseRows(starts, columns.astype(np.int32), dense[rows, columns], dense.shape[1])


def index_of(movies: Dense, tracks: Dense, terms: list[str]) -> SparseIndex:
    return SparseIndex.build(NameTerms(sparse(movies), sparse(tracks), terms))


@pytest.fixture
def index() -> SparseIndex:
    return index_of(np.array(MOVIES, np.float32), np.array(TRACKS, np.float32), TERMS)


def as_dict(query: SparseQuery) -> dict[str, float]:
    return dict(zip([TERMS[column] for column in query.columns], query.values.tolist(), strict=True))


def terms_of(index: SparseIndex, query: SparseQuery, medium: Medium, row: int, most: int = 3) -> list[str]:
    return index.explain(query, medium, np.array([row]), most)[1][0]


def test_a_row_is_its_columns_and_values(index: SparseIndex) -> None:
    columns, values = index.row("movies", 3)
    assert (columns.tolist(), values.tolist()) == ([1, 2], [0.25, 0.5])
    columns, values = index.row("tracks", 1)
    assert (columns.tolist(), values.tolist()) == ([], [])
    assert (index.size("movies"), index.size("tracks")) == (4, 3)


@pytest.mark.parametrize(("medium", "row"), [("movies", 4), ("tracks", 3), ("tracks", -1)])
def test_a_row_that_is_not_there(index: SparseIndex, medium: Medium, row: int) -> None:
    with pytest.raises(IndexError, match=f"rows of {medium}"):
        index.row(medium, row)
    with pytest.raises(IndexError, match=f"rows of {medium}"):
        index.value(index.combine([("movies", 0)]), medium, np.array([0, row]))
    with pytest.raises(IndexError, match=f"rows of {medium}"):
        index.explain(index.combine([("movies", 0)]), medium, np.array([0, row]))


def test_scores_by_hand(index: SparseIndex) -> None:
    rows, scores = index.scores(index.combine([("movies", 0)]), "tracks")
    # 0.5 · 0.25 + 0.75 · 0.5 + 0.25 · 0.25
    assert (rows.tolist(), scores.tolist()) == ([0], [0.5625])
    rows, scores = index.scores(index.combine([("tracks", 0)]), "movies")
    # "rain" alone with film 1; "prince" and "prince and" with film 3.
    assert (rows.tolist(), scores.tolist()) == ([0, 1, 3], [0.5625, 0.125, 0.375])
    assert (rows.dtype, scores.dtype) == (np.int64, np.float32)


def test_several_inputs_are_averaged(index: SparseIndex) -> None:
    query = index.combine([("movies", 1), ("tracks", 2)])
    assert as_dict(query) == {"across": 0.75, "rain": 0.25}
    assert (query.columns.dtype, query.values.dtype) == (np.int32, np.float32)


def test_half_of_what_is_avoided_is_taken_away_and_nothing_falls_below_nought(index: SparseIndex) -> None:
    query = index.combine([("movies", 1)], avoided=[("tracks", 0), ("tracks", 2)])
    # across: 0.5 − ½ · ½ · 1; rain: 0.5 − ½ · ½ · 0.25; "prince" and the like would be negative.
    assert as_dict(query) == {"across": 0.25, "rain": 0.4375}
    assert as_dict(index.combine([("movies", 1)], avoided=[("tracks", 2)])) == {"rain": 0.5}


def test_nothing_wanted_finds_nothing(index: SparseIndex) -> None:
    for query in (index.combine([], avoided=[("movies", 0)]), index.combine([("movies", 2)])):
        rows, scores = index.scores(query, "tracks")
        assert (rows.tolist(), scores.tolist()) == ([], [])
        assert (rows.dtype, scores.dtype) == (np.int64, np.float32)
        assert index.value(query, "tracks", np.array([0, 1])).tolist() == [0, 0]
        assert terms_of(index, query, "tracks", 0) == []


def test_value_follows_the_rows_given(index: SparseIndex) -> None:
    query = index.combine([("tracks", 0)])
    values = index.value(query, "movies", np.array([3, 2, 0, 3]))
    assert (values.tolist(), values.dtype) == ([0.375, 0, 0.5625, 0.375], np.float32)
    assert index.value(query, "movies", np.empty(0, np.int64)).tolist() == []


def test_a_phrase_stands_for_its_words(index: SparseIndex) -> None:
    assert terms_of(index, index.combine([("movies", 0)]), "tracks", 0) == ["purple rain"]
    assert terms_of(index, index.combine([("movies", 1)]), "tracks", 0) == ["rain"]


def test_a_pair_that_stops_short_is_named_by_its_first_word(index: SparseIndex) -> None:
    assert terms_of(index, index.combine([("movies", 3)]), "tracks", 0) == ["prince"]


def test_such_a_pair_stands_where_its_word_is_not_shared() -> None:
    both = np.array([[0.5, 0.5]], np.float32)
    index = index_of(both, both, ["home of", "rain"])
    assert terms_of(index, index.combine([("movies", 0)]), "tracks", 0) == ["home of", "rain"]


def test_terms_come_best_first_and_no_more_than_asked_for(index: SparseIndex) -> None:
    # With track 0: purple rain 0.5625 / 2 in all; prince (0.25 + 0.125) / 2.
    query = index.combine([("movies", 0), ("movies", 3)])
    assert terms_of(index, query, "tracks", 0) == ["purple rain", "prince"]
    assert terms_of(index, query, "tracks", 0, most=1) == ["purple rain"]
    only_prince = index.combine([("movies", 3), ("movies", 3), ("movies", 3), ("movies", 0)])
    assert terms_of(index, only_prince, "tracks", 0, most=1) == ["prince"]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(0, 30)),
    filled=st.floats(0, 1),
)
def test_equals_the_dense_product(seed: int, sizes: tuple[int, int, int], filled: float) -> None:
    rng = np.random.default_rng(seed)
    n_movies, n_tracks, n_terms = sizes
    dense: dict[Medium, Dense] = {}
    for medium, count in (("movies", n_movies), ("tracks", n_tracks)):
        values = rng.uniform(0.01, 1, (count, n_terms)).astype(np.float32)
        dense[medium] = values * (rng.random((count, n_terms)) < filled)
    index = index_of(dense["movies"], dense["tracks"], [f"t{place:02}" for place in range(n_terms)])
    inputs = [[(m, int(rng.integers(len(dense[m])))) for m in rng.choice(MEDIA, size)] for size in (3, 2)]
    wanted, avoided = (np.mean([dense[m][r] for m, r in some], axis=0, dtype=np.float64) for some in inputs)
    expected_query = np.maximum(wanted - 0.5 * avoided, 0)
    query = index.combine(*inputs)
    for medium in MEDIA:
        rows, scores = index.scores(query, medium)
        found = np.zeros(len(dense[medium]), np.float32)
        found[rows] = scores
        np.testing.assert_allclose(found, dense[medium] @ expected_query, atol=1e-5)
        assert (np.diff(rows) > 0).all()
        assert (scores > 0).all()
        everything = np.arange(len(found))
        np.testing.assert_array_equal(index.value(query, medium, everything), found)
        explained, terms = index.explain(query, medium, everything, most=n_terms)
        np.testing.assert_array_equal(explained, found)
        for row, names in enumerate(terms):
            added = dense[medium][row] * expected_query
            shared = [
                index.terms[place] for place in np.flatnonzero(dense[medium][row] * (expected_query > 1e-9))
            ]
            assert sorted(names) == shared
            order = [float(added[index.terms.index(name)]) for name in names]
            assert order == pytest.approx(sorted(order, reverse=True), abs=1e-6)


def test_written_and_opened_it_answers_the_same(index: SparseIndex, tmp_path: Path) -> None:
    index.write(tmp_path / "names")
    opened = SparseIndex.open(tmp_path / "names")
    assert opened.terms == TERMS
    for made in (index, opened):
        query = made.combine([("tracks", 0), ("tracks", 2)])
        rows, scores = made.scores(query, "movies")
        assert (rows.tolist(), scores.tolist()) == ([0, 1, 3], [0.28125, 0.3125, 0.1875])
        assert terms_of(made, query, "movies", 1) == ["across", "rain"]
        assert made.value(query, "movies", np.array([1])).tolist() == [0.3125]
    opened.write(tmp_path / "again")
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("names", "again")
    )
    assert first == second
    assert set(first) == {"terms.txt"} | {
        f"{medium}_{kind}_{array}.npy"
        for medium in MEDIA
        for kind in ("rows", "postings")
        for array in ("indptr", "columns", "values")
    }


def test_an_index_without_terms_can_be_written_and_opened(tmp_path: Path) -> None:
    index_of(np.zeros((2, 0), np.float32), np.zeros((1, 0), np.float32), []).write(tmp_path / "names")
    opened = SparseIndex.open(tmp_path / "names")
    assert list(opened.terms) == []
    assert opened.size("movies") == 2
    assert opened.scores(opened.combine([("movies", 1)]), "tracks")[0].tolist() == []


def test_opened_arrays_are_views_of_the_files(index: SparseIndex, tmp_path: Path) -> None:
    index.write(tmp_path / "names")
    opened = SparseIndex.open(tmp_path / "names")
    for part in opened.row("tracks", 0):
        base: object = part
        while isinstance(base, np.ndarray):
            base = base.base
        assert isinstance(base, mmap.mmap)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("terms.txt", "terms.txt|movies_postings"),
        ("movies_rows_indptr.npy", "movies_rows_indptr.npy"),
        ("tracks_rows_values.npy", "tracks_rows_values.npy"),
        ("movies_postings_columns.npy", "movies_postings_columns.npy"),
    ],
)
def test_a_missing_or_cut_file_is_damage(index: SparseIndex, tmp_path: Path, name: str, said: str) -> None:
    index.write(tmp_path / "names")
    path = tmp_path / "names" / name
    whole = path.read_bytes()
    for spoil in (lambda: path.write_bytes(whole[:-1]), lambda: path.write_bytes(b""), path.unlink):
        spoil()
        with pytest.raises(VersionDamaged, match=f"names: .*({said})"):
            SparseIndex.open(tmp_path / "names")


def test_terms_that_cannot_be_read_are_damage(index: SparseIndex, tmp_path: Path) -> None:
    index.write(tmp_path / "names")
    path = tmp_path / "names" / "terms.txt"
    whole = path.read_bytes()
    for altered, said in (
        (b"\xff\n" * 6, r"terms\.txt cannot be read"),
        (whole + b"x", r"terms\.txt is cut short"),
    ):
        path.write_bytes(altered)
        with pytest.raises(VersionDamaged, match=said):
            SparseIndex.open(tmp_path / "names")


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("tracks_rows_values.npy", np.zeros(6, np.float64)),
        ("tracks_rows_values.npy", np.zeros(5, np.float32)),
        ("tracks_rows_values.npy", np.zeros((6, 1), np.float32)),
        ("tracks_rows_indptr.npy", np.array([0, 5, 4, 6], np.int64)),
        ("tracks_rows_indptr.npy", np.array([1, 5, 5, 6], np.int64)),
        ("tracks_postings_indptr.npy", np.array([0, 3, 6], np.int64)),
    ],
)
def test_arrays_that_do_not_fit_are_damage(
    index: SparseIndex, tmp_path: Path, name: str, numbers: npt.NDArray[np.generic]
) -> None:
    index.write(tmp_path / "names")
    np.save(tmp_path / "names" / name, numbers)
    with pytest.raises(VersionDamaged, match="tracks_"):
        SparseIndex.open(tmp_path / "names")


def test_a_lost_term_is_damage(index: SparseIndex, tmp_path: Path) -> None:
    index.write(tmp_path / "names")
    (tmp_path / "names" / "terms.txt").write_bytes(b"across\nprince\n")
    with pytest.raises(VersionDamaged, match="movies_postings"):
        SparseIndex.open(tmp_path / "names")
