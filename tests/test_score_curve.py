"""Match scores: curves whose numbers can be worked out, and curves that find the truth they were drawn from."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer import metrics
from indexer.readers import carried_curves
from indexer.score_curve import ScoreCurve
from indexer.space import MEDIA

Floats64 = npt.NDArray[np.float64]


def logistic(x: Floats64 | float) -> Floats64:
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(x, dtype=np.float64))))


def draw(n: int, seed: int) -> tuple[Floats64, Floats64]:
    """Scores of unit spread around 0, and answers that are good with log-odds of the score less one half."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(0, 1, n)
    return raw, (rng.random(n) < logistic(raw - 0.5)).astype(np.float64)


def answers(*bins: tuple[float, int]) -> tuple[Floats64, Floats64]:
    """Sixty answers for each raw score, so many of which are good."""
    raw = np.repeat([score for score, _ in bins], 60)
    good = np.concatenate([np.repeat([1.0, 0.0], [count, 60 - count]) for _, count in bins])
    return raw, good


def test_a_curve_is_straight_in_log_odds_between_and_past_its_knots() -> None:
    curve = ScoreCurve((0.0, 1.0, 2.0), (-1.0, 1.0, 2.0))
    raw = np.array([-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 4.0])
    np.testing.assert_allclose(curve.apply(raw), logistic(np.array([-3, -1, 0, 1, 1.5, 2, 4.0])), rtol=1e-12)


def test_scores_of_any_shape_keep_it() -> None:
    curve = ScoreCurve((0.0, 1.0), (0.0, math.log(3.0)))
    np.testing.assert_allclose(curve.apply(np.array([[0.0], [1.0]], dtype=np.float32)), [[0.5], [0.75]])
    assert float(curve.apply(np.float64(1.0))) == pytest.approx(0.75)  # type: ignore[arg-type]


def test_far_scores_stay_inside_0_and_1() -> None:
    low, high = ScoreCurve().apply(np.array([-1e6, 1e6]))
    assert 0.0 < low < 1e-12
    assert 1.0 - 1e-12 < high < 1.0


@given(st.lists(st.integers(-400, 500), min_size=2, max_size=30, unique=True))
def test_a_curve_rises_strictly(hundredths: list[int]) -> None:
    raw = np.sort(np.array(hundredths)) / 100
    assert np.all(np.diff(ScoreCurve().apply(raw)) > 0)


def test_two_bins_by_hand() -> None:
    curve = ScoreCurve.fit(*answers((0.0, 15), (1.0, 45)))
    assert curve.knots == pytest.approx((0.0, 1.0))
    # Half an answer more on either side: 15.5 against 45.5.
    assert curve.logits[0] == pytest.approx(math.log(15.5 / 45.5))
    assert curve.logits[1] == pytest.approx(math.log(45.5 / 15.5), abs=2e-4)


def test_bins_that_fall_are_pooled_and_one_violation_uncovers_the_next() -> None:
    # 42 and 30 good answers of 60 fall, and their mean, 36, is above 18: all three become 30 of 60.
    curve = ScoreCurve.fit(*answers((0.0, 12), (1.0, 42), (2.0, 30), (3.0, 18)))
    assert curve.knots == pytest.approx((0.0, 1.0, 2.0, 3.0))
    assert curve.logits == pytest.approx((math.log(12.5 / 48.5), 0.0, 0.0, 0.0), abs=4e-4)
    rising = ScoreCurve.fit(*answers((0.0, 12), (1.0, 18), (2.0, 48)))
    expected = [math.log((good + 0.5) / (60.5 - good)) for good in (12, 18, 48)]
    assert rising.logits == pytest.approx(expected, abs=4e-4)


def test_the_order_in_which_answers_were_judged_says_nothing() -> None:
    raw, good = draw(600, seed=6)
    order = np.random.default_rng(0).permutation(600)
    curve, turned = ScoreCurve.fit(raw, good), ScoreCurve.fit(raw[order], good[order])
    assert turned.knots == pytest.approx(curve.knots)
    assert turned.logits == pytest.approx(curve.logits)


def test_a_fit_finds_the_log_odds_it_was_drawn_from() -> None:
    curve = ScoreCurve.fit(*draw(20_000, seed=0))
    x = np.linspace(-1.5, 1.5, 31)
    np.testing.assert_allclose(curve.apply(x), logistic(x - 0.5), atol=0.04)


def test_a_fit_is_calibrated_on_answers_it_has_not_seen() -> None:
    curve = ScoreCurve.fit(*draw(2000, seed=1))
    raw, good = draw(20_000, seed=2)
    weights = np.ones(len(good))
    said = curve.apply(raw)
    assert metrics.expected_calibration_error(said, good, weights) < 0.04
    # The measure can fail: the same scores, as if each said twice its log-odds.
    twice = logistic(2 * np.log(said / (1 - said)))
    assert metrics.expected_calibration_error(twice, good, weights) > 0.06


def test_a_fit_rises_strictly_even_where_the_grades_do_not() -> None:
    # Answers that are the worse the higher they score: nothing to learn, and the order must not turn around.
    raw, good = draw(1200, seed=4)
    curve = ScoreCurve.fit(-raw, good)
    x = np.linspace(-4, 4, 200)
    scores = curve.apply(x)
    assert np.all(np.diff(scores) > 0)
    assert scores == pytest.approx(good.mean(), abs=0.02)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_tied_scores_still_make_a_rising_curve(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    curve = ScoreCurve.fit(rng.integers(0, levels, 480) / 4, rng.integers(0, 2, 480))
    assert np.all(np.diff(curve.knots) > 0)
    assert np.all(np.diff(curve.logits) > 0)
    assert ScoreCurve.from_dict(curve.to_dict()) == curve


def test_too_few_answers_leave_the_default() -> None:
    assert ScoreCurve.fit(*draw(119, seed=5)) == ScoreCurve()
    assert ScoreCurve.fit(np.zeros(0), np.zeros(0)) == ScoreCurve()
    assert ScoreCurve.fit(*draw(120, seed=5)) != ScoreCurve()
    # Answers that all score the same tell no more.
    assert ScoreCurve.fit(*answers((0.5, 10), (0.5, 50))) == ScoreCurve()


def test_a_curve_goes_to_plain_lists_and_back() -> None:
    curve = ScoreCurve((0.0, 0.5, 2.0), (-1.5, 0.0, 0.25))
    assert curve.to_dict() == {"knots": [0.0, 0.5, 2.0], "logits": [-1.5, 0.0, 0.25]}
    assert ScoreCurve.from_dict(curve.to_dict()) == curve


@pytest.mark.parametrize(
    ("knots", "logits"),
    [
        ([0.0], [1.0]),
        ([0.0, 1.0], [1.0]),
        ([0.0, 0.0], [0.0, 1.0]),
        ([1.0, 0.0], [0.0, 1.0]),
        ([0.0, 1.0], [1.0, 0.0]),
        ([0.0, 1.0], [0.5, 0.5]),
        ([0.0, float("nan")], [0.0, 1.0]),
    ],
)
def test_what_does_not_rise_is_no_curve(knots: list[float], logits: list[float]) -> None:
    with pytest.raises(ValueError, match="rising"):
        ScoreCurve.from_dict({"knots": knots, "logits": logits})


def test_a_curve_without_knots_is_none() -> None:
    with pytest.raises(KeyError, match="knots"):
        ScoreCurve.from_dict({"logits": [0.0, 1.0]})


def test_the_curves_that_the_project_carries_are_for_who_may_ask_and_answer() -> None:
    for (source, target), curve in carried_curves().items():
        assert source in (*MEDIA, "text")
        assert target in MEDIA
        assert ScoreCurve.from_dict(curve.to_dict()) == curve
