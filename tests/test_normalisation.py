"""Rows at unit length, where a row of zeros is unknown and stays so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.normalisation import centre_known, unit


def test_rows_are_brought_to_length_1() -> None:
    rows = unit(np.array([[3.0, 4.0], [0.0, -2.0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0.0, -1.0]], rtol=1e-6)
    assert rows.dtype == np.float32


def test_a_row_of_zeros_stays_zeros() -> None:
    assert unit(np.array([[0.0, 0.0], [1.0, 0.0]])).tolist() == [[0.0, 0.0], [1.0, 0.0]]
    assert unit(np.zeros((0, 3))).shape == (0, 3)


def test_rows_given_are_not_changed() -> None:
    rows = np.array([[3.0, 4.0]], dtype=np.float32)
    unit(rows)
    centre_known(rows)
    assert rows.tolist() == [[3.0, 4.0]]


@given(st.lists(st.floats(-1000, 1000, width=32), min_size=2, max_size=6))
def test_a_direction_does_not_depend_on_its_length(numbers: list[float]) -> None:
    row = np.array([numbers], dtype=np.float64)
    if np.linalg.norm(row) < 1e-3:
        row[0, 0] = 1.0
    once = unit(row)
    assert np.linalg.norm(once[0].astype(np.float64)) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(unit(7.0 * row), once, atol=1e-6)


def test_known_rows_are_centred_and_unknown_ones_are_neither_counted_nor_moved() -> None:
    # The mean of the known rows is (1, 1); an unknown row counted in would make it (2/3, 2/3).
    rows = centre_known(np.array([[4, 5], [0, 0], [-2, -3]], dtype=np.float32))
    np.testing.assert_allclose(rows, np.array([[0.6, 0.8], [0, 0], [-0.6, -0.8]]), atol=1e-6)


def test_a_known_row_at_the_mean_has_no_direction() -> None:
    assert centre_known(np.array([[2, 0]], dtype=np.float32)).tolist() == [[0.0, 0.0]]
    rows = centre_known(np.array([[1, 0], [2, 0], [3, 0]], dtype=np.float32))
    assert rows.tolist() == [[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]


def test_nothing_known_is_all_zeros() -> None:
    assert centre_known(np.zeros((2, 3), dtype=np.float32)).tolist() == [[0.0] * 3] * 2
