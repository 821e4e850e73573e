"""Descriptions and associations against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.explore.statistics import (
    correlation_interval,
    correlation_matrix,
    cramers_v,
    describe,
    encode,
    histogram,
    pearson,
    round_figures,
    spearman,
)

NAN = float("nan")


def codes(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def table(counts: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Two columns of codes whose cross table is ``counts``."""
    cells = [(i, j) for i, line in enumerate(counts) for j, n in enumerate(line) for _ in range(n)]
    return codes(*(i for i, _ in cells)), codes(*(j for _, j in cells))


def test_description_of_known_values() -> None:
    found = describe(np.array([1.0, 2.0, NAN, 3.0, 6.0]))
    assert found["known"] == 4
    assert found["unknown"] == 1
    assert found["mean"] == 3.0
    assert found["sd"] == pytest.approx(np.sqrt(14 / 3))
    assert (found["min"], found["quartile_1"], found["median"], found["quartile_3"], found["max"]) == (
        1.0,
        1.75,
        2.5,
        3.75,
        6.0,
    )
    # Deviations −2, −1, 0, 3: third moment 18/4, second 14/4.
    assert found["skewness"] == pytest.approx(4.5 / 3.5**1.5)


def test_two_values_are_not_described_or_counted() -> None:
    two = np.array([1.0, 2.0, NAN])
    assert describe(two) == {"known": 2, "unknown": 1, "missing": "fewer than 3 values"}
    assert histogram(two, 2, 0.0, 2.0) == {"missing": "fewer than 3 values"}


def test_histogram_counts_and_density() -> None:
    found = histogram(np.array([0.5, 0.6, 1.5, 7.0]), 2, 0.0, 2.0)
    assert found["counts"] == [2, 1]
    assert found["edges"] == [0.0, 1.0, 2.0]
    assert found["outside"] == 1
    values = np.random.default_rng(0).normal(5.0, 1.0, 2000)
    curve = histogram(values, 10, 0.0, 10.0)["curve"]
    assert np.trapezoid(curve["density"], curve["x"]) == pytest.approx(1.0, abs=1e-3)
    assert curve["x"][int(np.argmax(curve["density"]))] == pytest.approx(5.0, abs=0.3)


def test_histogram_of_one_value_has_no_curve() -> None:
    assert histogram(np.full(5, 1.0), 2, 0.0, 2.0)["curve"] is None


def test_correlations_by_hand() -> None:
    x, y = np.array([1.0, 2.0, 3.0, 4.0, NAN]), np.array([1.0, 3.0, 2.0, 10.0, 5.0])
    # Deviations −1.5 −0.5 0.5 1.5 and −3 −1 −2 6: 13 / √(5 · 50).
    assert pearson(x, y) == pytest.approx(13 / np.sqrt(250))
    # Ranks 1 2 3 4 and 1 3 2 4: 1 − 6 · 2 / (4 · 15).
    assert spearman(x, y) == pytest.approx(0.8)
    assert pearson(x[:2], y[:2]) is None
    assert pearson(x, np.ones(5)) is None
    tied = np.array([1.0, 1.0, 2.0, 3.0])
    assert spearman(tied, tied) == pytest.approx(1.0)


def test_matrix_takes_each_pair_over_its_own_rows() -> None:
    columns = {
        "a": np.array([1.0, 2.0, 3.0, 4.0]),
        "b": np.array([2.0, 4.0, 6.0, NAN]),
        "c": np.array([4.0, 3.0, 2.0, 1.0]),
    }
    found = correlation_matrix(columns)
    for kind in ("pearson", "spearman"):
        assert np.allclose(found[kind], [[1, 1, -1], [1, 1, -1], [-1, -1, 1]])


def test_interval_of_a_correlation_covers_the_known_one() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=2000)
    y = 0.6 * x + 0.8 * rng.normal(size=2000)
    found = correlation_interval(x, y, draws=400, seed=1)
    assert found is not None
    assert found.value == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert found.low < 0.6 < found.high
    # Fisher's formula holds for normal data: half-width 1.96 · (1 − r²) / √n.
    assert found.high - found.low == pytest.approx(2 * 1.96 * (1 - 0.36) / np.sqrt(2000), rel=0.2)


def test_cramers_v_by_hand() -> None:
    # χ² = 40 · (15 · 15 − 5 · 5)² / 20⁴ = 10, φ² = 0.25; corrected: (0.25 − 1/39) / (2 − 1/39 − 1).
    first, second = table([[15, 5], [5, 15]])
    assert cramers_v(first, second) == pytest.approx(np.sqrt((0.25 - 1 / 39) / (1 - 1 / 39)))
    # Of different numbers of levels: rows 2, columns 3, n = 60, χ² = 40, φ² = 2/3.
    first, second = table([[20, 0, 10], [0, 20, 10]])
    phi2 = 2 / 3 - 2 / 59
    assert cramers_v(first, second) == pytest.approx(np.sqrt(phi2 / (1 - 1 / 59)))


def test_cramers_v_of_the_same_and_of_unrelated_columns() -> None:
    same = codes(*([0, 1, 2] * 20))
    assert cramers_v(same, same) == pytest.approx(1.0)
    rng = np.random.default_rng(0)
    many, few = rng.integers(0, 40, 400), rng.integers(0, 10, 400)
    corrected = cramers_v(many, few)
    assert corrected is not None
    # Without the correction these unrelated columns come out at about 0.3.
    assert corrected < 0.1


def test_cramers_v_leaves_out_what_is_unknown() -> None:
    first, second = table([[15, 5], [5, 15]])
    unknown = codes(-1, -1, -1, 0)
    assert cramers_v(
        np.concatenate([first, unknown]), np.concatenate([second, codes(0, 1, 1, -1)])
    ) == cramers_v(first, second)
    assert cramers_v(codes(0, 0, 0, 0), codes(0, 1, 0, 1)) is None
    assert cramers_v(codes(0, 1), codes(0, 1)) is None
    assert cramers_v(codes(0, 1, 2), codes(0, 1, 2)) is None


def test_codes_are_sorted_and_know_what_is_unknown() -> None:
    assert encode(["b", None, "a", "", NAN, "b"]).tolist() == [1, -1, 0, -1, -1, 1]


def test_figures_are_rounded_to_six_digits() -> None:
    assert round_figures({"a": [1 / 3, float("inf"), np.float64(2.0)], "b": np.int64(3), "c": None}) == {
        "a": [0.333333, None, 2.0],
        "b": 3,
        "c": None,
    }
