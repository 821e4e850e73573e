"""What columns are measured against, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.features import scaling
from indexer.features.scaling import Centre, Ranks, Spread

NAN = float("nan")


def test_a_centre_is_the_mean_of_what_is_known() -> None:
    rows = np.array([[3, 0], [1, 0], [0, 0]], dtype=np.float32)
    centre = Centre.fit(rows)
    assert centre.mean.tolist() == [2.0, 0.0]
    assert centre.apply(rows).tolist() == [[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]
    # A row that was not there is measured against the same mean.
    assert centre.apply(np.array([[2, 5]], dtype=np.float32)).tolist() == [[0.0, 1.0]]
    assert Centre.fit(rows[2:]).mean.tolist() == [0.0, 0.0]


def test_a_spread_leaves_out_what_is_unknown_or_constant() -> None:
    columns = np.array([[1.0, 5.0], [3.0, 5.0], [NAN, 5.0]])
    spread = Spread.fit(columns)
    assert spread.apply(columns).tolist() == [[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]
    assert np.isnan(spread.apply(columns, keep_nan=True)[2, 0])
    assert spread.apply(np.array([[5.0, 7.0]])).tolist() == [[3.0, 0.0]]


def test_equal_values_share_their_mean_rank() -> None:
    column = np.array([10.0, 20.0, 20.0, 40.0, NAN])
    ranks = Ranks.fit_shares(column)
    assert ranks.apply(column)[:4].tolist() == [0.25, 0.625, 0.625, 1.0]
    assert np.isnan(ranks.apply(column)[4])
    # In between by a line, outside like the ends.
    assert ranks.apply(np.array([30.0, 5.0, 99.0])).tolist() == [0.8125, 0.25, 1.0]


def test_normal_scores_are_those_of_the_middle_of_the_ranks() -> None:
    ranks = Ranks.fit_normal(np.array([1.0, 2.0]))
    assert ranks.apply(np.array([1.0, 2.0, 1.5])).tolist() == pytest.approx([-0.6745, 0.6745, 0.0], abs=1e-4)
    # One value alone says nothing, and neither does none.
    assert Ranks.fit_normal(np.array([3.0, 3.0])).apply(np.array([3.0, 9.0])).tolist() == [0.0, 0.0]
    assert np.isnan(Ranks.fit_normal(np.array([NAN])).apply(np.array([3.0]))).all()


def test_a_long_scale_keeps_its_ends_and_its_course(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "_MOST_KNOTS", 11)
    ranks = Ranks.fit_shares(np.arange(1001.0))
    assert len(ranks.values) == 11
    found = ranks.apply(np.array([0.0, 333.0, 1000.0]))
    assert found.tolist() == pytest.approx([1 / 1001, 334 / 1001, 1.0], abs=1e-9)
