"""Match scores: curves whose numbers can be worked out, and curves that find the truth they were drawn from."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer import metrics, score_curve
from indexer.score_curve import ScoreCurve


def logistic(x: npt.NDArray[np.float64] | float) -> npt.NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(x, dtype=np.float64))))


def draw(n: int, seed: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Normal classes with unit spread, means 1 and 0: the true log-odds are x − 1/2."""
    rng = np.random.default_rng(seed)
    return rng.normal(1, 1, n), rng.normal(0, 1, 20 * n)


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


def test_pooling_by_hand() -> None:
    def pool(rate: list[float], weight: list[float]) -> list[float]:
        return [float(value) for value in score_curve._pool(np.array(rate), np.array(weight))]

    assert pool([0.1, 0.2, 0.9], [1, 1, 1]) == [0.1, 0.2, 0.9]
    # (0.5·1 + 0.3·3) / 4 = 0.35
    assert pool([0.1, 0.5, 0.3, 0.9], [1, 1, 3, 1]) == pytest.approx([0.1, 0.35, 0.35, 0.9])
    # 0.7 and 0.5 make 0.6, which with 0.3 makes (0.6·2 + 0.3) / 3 = 0.5: one violation uncovers the next.
    assert pool([0.55, 0.7, 0.5, 0.3], [1, 1, 1, 1]) == pytest.approx([0.5125] * 4)
    assert pool([0.2, 0.7, 0.5, 0.3], [1, 1, 1, 1]) == pytest.approx([0.2, 0.5, 0.5, 0.5])


def test_two_bins_by_hand() -> None:
    # 30 of 120 true pairs and 90 of 120 random ones score 0, the others 1.
    curve = ScoreCurve.fit(np.repeat([0.0, 1.0], [30, 90]), np.repeat([0.0, 1.0], [90, 30]))
    assert curve.knots == pytest.approx((0.0, 1.0))
    # Half a pair more on either side: 30.5 against 90.5.
    assert curve.logits[0] == pytest.approx(math.log(30.5 / 90.5))
    assert curve.logits[1] == pytest.approx(math.log(90.5 / 30.5), abs=2e-4)


def test_priors_are_equal_whatever_the_numbers_drawn() -> None:
    true = np.repeat([0.0, 1.0], [30, 90])
    few = ScoreCurve.fit(true, np.repeat([0.0, 1.0], [90, 30]))
    many = ScoreCurve.fit(true, np.repeat([0.0, 1.0], [1800, 600]))
    assert many.knots == pytest.approx(few.knots)
    assert many.logits == pytest.approx(few.logits)


def test_a_fit_finds_the_log_odds_it_was_drawn_from() -> None:
    curve = ScoreCurve.fit(*draw(20_000, seed=0))
    x = np.linspace(-1.5, 2.5, 41)
    np.testing.assert_allclose(curve.apply(x), logistic(x - 0.5), atol=0.03)
    assert len(curve.knots) == 16


def test_a_fit_is_calibrated_on_pairs_it_has_not_seen() -> None:
    curve = ScoreCurve.fit(*draw(1000, seed=1))
    true, random = draw(5000, seed=2)
    labels = np.repeat([1.0, 0.0], [len(true), len(random)])
    weights = metrics.equal_prior_weights(labels)
    said = curve.apply(np.concatenate([true, random]))
    assert metrics.expected_calibration_error(said, labels, weights) < 0.03
    # The measure can fail: the same scores, as if each said half of its log-odds.
    half = logistic(np.log(said / (1 - said)) / 2)
    assert metrics.expected_calibration_error(half, labels, weights) > 0.06


def test_a_fit_rises_strictly_even_where_the_pairs_do_not() -> None:
    rng = np.random.default_rng(4)
    # True pairs that score worse than random ones: nothing to learn, and the order must not turn around.
    curve = ScoreCurve.fit(rng.normal(-1, 1, 600), rng.normal(0, 1, 6000))
    raw = np.linspace(-4, 4, 200)
    scores = curve.apply(raw)
    assert np.all(np.diff(scores) > 0)
    assert scores == pytest.approx(0.5, abs=0.02)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_tied_scores_still_make_a_rising_curve(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    true, random = rng.integers(0, levels, 480) / 4, rng.integers(0, levels, 960) / 4 - 0.25
    curve = ScoreCurve.fit(true, random)
    assert np.all(np.diff(curve.knots) > 0)
    assert np.all(np.diff(curve.logits) > 0)
    assert ScoreCurve.from_dict(curve.to_dict()) == curve


def test_too_few_pairs_leave_the_default() -> None:
    true, random = draw(119, seed=5)
    assert ScoreCurve.fit(true, random) == ScoreCurve()
    assert ScoreCurve.fit(np.zeros(0), np.zeros(0)) == ScoreCurve()
    assert ScoreCurve.fit(*draw(120, seed=5)) != ScoreCurve()


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
