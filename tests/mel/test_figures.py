"""Errors beside the constant predictor's, on numbers that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.mel.figures import format_errors, measure_errors


def test_errors_by_hand() -> None:
    truth = np.full((2, 7), 0.5, dtype=np.float32)
    truth[:, 0] = [0.0, 1.0]
    predicted = truth.copy()
    predicted[:, 0] = [0.25, 0.75]
    constant = np.full(7, 0.5, dtype=np.float32)
    constant[0] = 0.4
    errors = measure_errors(predicted, truth, constant)
    assert errors["acousticness"] == {
        "rmse": 0.25,
        "mae": 0.25,
        "constant_rmse": pytest.approx(np.sqrt((0.16 + 0.36) / 2), abs=1e-5),
        "constant_mae": 0.5,
        # Squared error 0.0625 of a variance of 0.25: what the constant predictor misses does not count.
        "variance_explained": 0.75,
    }
    assert errors["valence"]["variance_explained"] == 0
    assert errors["all"]["rmse"] == pytest.approx(0.25 / np.sqrt(7), abs=1e-5)
    assert errors["all"]["variance_explained"] == 0.75
    assert list(errors) == [
        "acousticness",
        "danceability",
        "energy",
        "instrumentalness",
        "liveness",
        "speechiness",
        "valence",
        "all",
    ]


def test_predicting_the_mean_explains_nothing_and_worse_is_negative() -> None:
    truth = np.array([[0.0] * 7, [1.0] * 7], dtype=np.float32)
    mean = np.full((2, 7), 0.5, dtype=np.float32)
    assert measure_errors(mean, truth, mean[0])["all"]["variance_explained"] == 0
    assert measure_errors(1 - truth, truth, mean[0])["all"]["variance_explained"] == -3


def test_the_table_has_a_line_for_each() -> None:
    truth = np.array([[0.0] * 7, [1.0] * 7], dtype=np.float32)
    lines = format_errors(measure_errors(truth, truth, np.full(7, 0.5, np.float32))).splitlines()
    assert lines[0].split() == ["RMSE", "constant", "MAE", "constant", "explained"]
    assert lines[-1].split() == ["all", "0.000", "0.500", "0.000", "0.500", "100.0%"]
