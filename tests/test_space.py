from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.errors import VersionDamaged
from indexer.space import ScoreCurve, Space

NAN = np.nan


def make_space(mood_weight: float = 0.25) -> Space:
    texts = {
        "movies": np.array([[1, 0, 0], [0, 1, 0]], dtype=np.float32),
        "tracks": np.array([[0, 0, 1], [0, 0, 3]], dtype=np.float32),
    }
    return Space.fit(texts, text_weight=1.0, mood_weight=mood_weight)


def test_the_means_are_those_of_each_medium() -> None:
    space = make_space()
    assert space.text_means["movies"].tolist() == [0.5, 0.5, 0.0]
    assert space.text_means["tracks"].tolist() == [0.0, 0.0, 2.0]


def test_an_item_is_centred_scaled_and_weighed_block_by_block() -> None:
    space = make_space()
    vector = space.place(
        "movies", np.array([[1, 0, 0]], dtype=np.float32), np.array([[0.5, 0.5]], dtype=np.float32)
    )[0]
    text, mood, hub = space.blocks
    np.testing.assert_allclose(vector[text.start : text.stop], [0.5**0.5, -(0.5**0.5), 0], atol=1e-6)
    assert np.linalg.norm(vector[mood.start : mood.stop]) == pytest.approx(0.5)
    assert vector[hub.start : hub.stop].tolist() == [0.0]


def test_a_missing_mood_is_a_zero_block_and_half_a_mood_is_the_known_half() -> None:
    space = make_space()
    texts = np.array([[1, 0, 0]] * 2, dtype=np.float32)
    nothing, half = space.place("movies", texts, np.array([[NAN, NAN], [0.5, NAN]], dtype=np.float32))
    _, mood, _ = space.blocks
    assert nothing[mood.start : mood.stop].tolist() == [0.0] * 14
    assert np.any(half[mood.start : mood.start + 7] != 0)
    assert half[mood.start + 7 : mood.stop].tolist() == [0.0] * 7


def test_the_terms_add_up_to_the_inner_product() -> None:
    space = make_space()
    rng = np.random.default_rng(1)
    items = rng.normal(size=(5, space.dimension)).astype(np.float32)
    query = rng.normal(size=space.dimension).astype(np.float32)
    np.testing.assert_allclose(space.terms(query, items).sum(axis=1), items @ query, atol=1e-5)


def test_an_input_without_a_mood_has_no_say_in_the_mood_of_several() -> None:
    space = make_space()
    texts = np.array([[1, 0, 0], [0, 1, 0]], dtype=np.float32)
    known, unknown = space.place("movies", texts, np.array([[0.2, 0.9], [NAN, NAN]], dtype=np.float32))
    _, mood, _ = space.blocks
    query = space.combine(np.stack([known, unknown]), np.zeros((0, space.dimension), dtype=np.float32))
    np.testing.assert_allclose(query[mood.start : mood.stop], known[mood.start : mood.stop], atol=1e-6)
    assert query[-1] == 1.0


def test_avoiding_lowers_the_score_of_what_is_avoided() -> None:
    space = make_space()
    texts = np.array([[1, 0.2, 0], [0, 1, 0.5]], dtype=np.float32)
    a, b = space.place("movies", texts, np.array([[0.1, 0.1], [0.9, 0.9]], dtype=np.float32))
    none = np.zeros((0, space.dimension), dtype=np.float32)
    plain, without_b = space.combine(a[None], none), space.combine(a[None], b[None])
    assert without_b @ b < plain @ b


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=30))
def test_match_scores_lie_between_0_and_1_and_keep_the_order(raw: list[float]) -> None:
    scores = ScoreCurve().apply(np.sort(np.array(raw)))
    assert scores.min() >= 0.0
    assert scores.max() <= 1.0
    assert np.all(np.diff(scores) >= 0)


def test_the_curve_finds_the_logistic_it_was_drawn_from() -> None:
    rng = np.random.default_rng(0)
    # Normal classes with unit spread, means 1 and 0: the true log odds are x − 1/2.
    curve = ScoreCurve.fit(rng.normal(1, 1, 40_000), rng.normal(0, 1, 40_000))
    assert curve.slope == pytest.approx(1.0, abs=0.05)
    assert curve.middle == pytest.approx(0.5, abs=0.05)


def test_pairs_worse_than_chance_do_not_turn_the_order_around() -> None:
    assert ScoreCurve.fit(np.array([0.0, 0.1]), np.array([0.8, 0.9])) == ScoreCurve()


def test_a_space_reads_back_as_it_was_written(tmp_path: Path) -> None:
    space = make_space()
    space.write(tmp_path / "space")
    again = Space.open(tmp_path / "space")
    assert again.blocks == space.blocks
    assert again.curve == space.curve
    assert again.text_means["tracks"].tolist() == space.text_means["tracks"].tolist()


def test_a_broken_space_is_damage(tmp_path: Path) -> None:
    make_space().write(tmp_path / "space")
    (tmp_path / "space" / "space.json").write_text("{")
    with pytest.raises(VersionDamaged, match=r"space\.json"):
        Space.open(tmp_path / "space")
