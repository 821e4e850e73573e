"""The arithmetic of the benchmark of texts: rank correlations, errors by folds, and whose positivity is whose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from indexer.benchmarks.texts import _correlate, _errors, _rank, _read_positivity


def test_ties_share_their_mean_rank() -> None:
    assert _rank(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_a_correlation_and_its_difference_to_another() -> None:
    wanted = np.arange(40.0)
    figure, off = _correlate(wanted**3, -wanted, wanted, np.arange(40), seed=0)
    assert (figure.value, figure.low, figure.high) == pytest.approx((1, 1, 1))
    assert (off.value, off.low) == pytest.approx((2, 2))
    # Five items by hand: squared rank differences add up to 4, so 1 − 6 · 4 / (5 · 24).
    some = np.array([1.0, 2, 3, 4, 5])
    figure, _ = _correlate(np.array([2.0, 1, 4, 3, 5]), some, some, np.arange(5), seed=0)
    assert figure.value == pytest.approx(0.8)


def test_errors_are_of_lines_fitted_on_other_folds() -> None:
    fold = np.array([0, 0, 1, 1])
    # Without anything given, fold 0 is told the mean of fold 1 and the other way round.
    assert _errors([], np.array([0.0, 2, 4, 6]), fold).tolist() == pytest.approx([25, 9, 9, 25])
    given = np.array([0.0, 1, 2, 3])
    assert _errors([given], 2 * given + 1, fold).tolist() == pytest.approx([0, 0, 0, 0])


def test_positivity_is_found_by_id_and_by_name(tmp_path: Path) -> None:
    path = tmp_path / "positivity.csv"
    path.write_text(
        "song_name,artist,pos_percent,spotify_id\nRain,Ann,0.25,s9\nSun,Bob,0.75,s8\n", encoding="utf-8"
    )
    tracks = pd.DataFrame(
        {
            "id": ["s0", "s1", "s2", "s3"],
            "other_ids": ["s9", "", "", ""],
            "title": ["Other", "RAIN", "Rain", "Sun"],
            "artists": ["Zoe", "Zoe|Ann", "Zoe", "Bob"],
        }
    )
    np.testing.assert_array_equal(_read_positivity(path, tracks), [0.25, 0.25, np.nan, 0.75])
