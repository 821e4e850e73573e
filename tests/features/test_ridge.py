"""Reduced-rank ridge regression: lines that can be worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from indexer.features.ridge import LowRankRidge

Floats = npt.NDArray[np.float32]
NAN = float("nan")


def table(*rows: Sequence[float]) -> Floats:
    return np.array(rows, dtype=np.float32)


def fit(
    rows: Floats, wanted: Floats, ridge: float = 1e-9, rank: int = 9, weights: Sequence[float] = ()
) -> LowRankRidge:
    counts = np.array(weights or [1.0] * len(rows), dtype=np.float32)
    return LowRankRidge.fit(rows, wanted, counts, ridge, rank)


def test_a_line_is_found() -> None:
    # y = 2x + 1 and z = 3 − x.
    model = fit(table([0.0], [1.0], [4.0]), table([1.0, 3.0], [3.0, 2.0], [9.0, -1.0]))
    np.testing.assert_allclose(model.predict(table([2.0], [-1.0])), [[5, 1], [-1, 4]], atol=5e-3)
    assert model.predict(table([2.0])).dtype == np.float32


@pytest.mark.parametrize(("ridge", "slope"), [(1.0, 0.5), (3.0, 0.25)])
def test_the_penalty_is_a_share_of_the_variance(ridge: float, slope: float) -> None:
    # Around their means x is ∓10 and y is ∓1: the slope is 0.1, over one and the penalty.
    model = fit(table([0.0], [20.0]), table([4.0], [6.0]), ridge)
    np.testing.assert_allclose(model.predict(table([10.0], [30.0])), [[5.0], [5.0 + 2 * slope]], rtol=1e-3)


def test_rows_count_by_their_weights() -> None:
    # Three quarters of the weight are on the first row, and a penalty this large leaves the mean alone.
    model = fit(table([0.0], [1.0]), table([0.0], [4.0]), ridge=1e9, weights=[3.0, 1.0])
    np.testing.assert_allclose(model.predict(table([0.0], [1.0])), [[1.0], [1.0]], atol=1e-4)
    assert model.mean.tolist() == [0.25]


def test_twice_the_weight_of_all_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    rows, wanted = (rng.normal(size=(20, 3)).astype(np.float32) for _ in range(2))
    once, twice = (fit(rows, wanted, 0.5, weights=[count] * 20).predict(rows) for count in (1.0, 2.0))
    np.testing.assert_allclose(once, twice, atol=1e-5)


def test_what_is_unknown_is_left_out_of_its_columns_mean() -> None:
    wanted = table([2.0, 0.0], [4.0, NAN], [NAN, 6.0])
    model = fit(table([-1.0], [0.0], [1.0]), wanted, ridge=1e9)
    assert model.offset.tolist() == [3.0, 3.0]
    assert not np.isnan(model.predict(table([0.5]))).any()


def test_a_column_of_which_nothing_is_known_is_zero() -> None:
    model = fit(table([-1.0], [1.0]), table([NAN, 1.0], [NAN, 1.0]))
    np.testing.assert_allclose(model.predict(table([5.0])), [[0.0, 1.0]], atol=1e-6)


def test_only_the_strongest_directions_are_kept() -> None:
    # The first column moves by 10 with its feature, the second by 1 with another.
    rows = table([1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0])
    wanted = table([10.0, 1.0], [10.0, -1.0], [-10.0, 1.0], [-10.0, -1.0])
    cut, whole = fit(rows, wanted, rank=1), fit(rows, wanted, rank=2)
    np.testing.assert_allclose(cut.predict(rows), wanted * [1.0, 0.0], atol=1e-2)
    np.testing.assert_allclose(whole.predict(rows), wanted, atol=1e-2)
    assert cut.inner.dtype == cut.outer.dtype == np.float16


def test_features_that_never_change_say_nothing() -> None:
    model = fit(table([5.0], [5.0]), table([1.0], [3.0]))
    np.testing.assert_allclose(model.predict(table([5.0], [5.0])), [[2.0], [2.0]], atol=1e-6)
