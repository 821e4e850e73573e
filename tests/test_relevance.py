"""The relevance card: biases and figures worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from indexer.catalogue.records import Medium
from indexer.readers import carried
from indexer.relevance import Scorer, fit_hub_bias, make_card
from indexer.space import Space

Floats = npt.NDArray[np.float32]


def make_space() -> Space:
    return Space({"meaning": 1, "dials": 3, "hub": 1}, {}, carried())


def scorer_of(movies: Sequence[float], tracks: Sequence[float]) -> tuple[Scorer, dict[Medium, int]]:
    """Items with one coordinate each, so that a score is a product."""
    space = make_space()
    given: dict[Medium, Sequence[float]] = {"movies": movies, "tracks": tracks}
    vectors = {
        medium: space.place({"meaning": np.array(values, dtype=np.float32)[:, None]})
        for medium, values in given.items()
    }
    return Scorer(space, vectors), {"movies": len(movies), "tracks": len(tracks)}


# --- scores and hub bias -------------------------------------------------------------------------------------


def test_a_score_is_the_inner_product_the_popularity_and_what_is_held_against_the_item_found() -> None:
    space = make_space()
    # Meaning, valence, energy, popularity, hub.
    vectors: dict[Medium, Floats] = {
        "movies": np.array([[2, 1, 1, 1, -0.25], [3, 0, 0, -1, 0]], dtype=np.float32),
        "tracks": np.array([[5, -1, 1, 1, -1.0], [7, 0, 0, 0, 0]], dtype=np.float32),
    }
    scorer = Scorer(space, vectors)
    known = space.queries(vectors["tracks"])[0, 3]
    found = scorer.scores("tracks", np.array([0, 1]), "movies")
    np.testing.assert_allclose(
        found, [[10 + known - 0.25, 15 - known], [14 + known - 0.25, 21 - known]], rtol=1e-6
    )
    back = scorer.scores("movies", np.array([1]), "tracks")
    np.testing.assert_allclose(back, [[15 + known - 1, 21]], rtol=1e-6)


def test_the_hub_bias_is_the_mean_of_the_ten_highest_scores() -> None:
    scorer, counts = scorer_of([1.0, -2.0], [float(value) for value in range(1, 13)])
    bias = fit_hub_bias(scorer, counts, seed=0)
    # Of songs 1 to 12, the ten best for film 0 are 3 to 12; for film 1 they are 1 to 10, times −2.
    assert bias["movies"].tolist() == pytest.approx([7.5, -11.0])
    # There are but two films to ask: both count.
    assert bias["tracks"].tolist() == pytest.approx([-0.5 * value for value in range(1, 13)])
    assert bias["movies"].dtype == np.float32


def test_the_ten_highest_are_found_across_all_portions_of_the_bank() -> None:
    scorer, counts = scorer_of([1.0], [float(value) for value in range(1200)])
    assert fit_hub_bias(scorer, counts, seed=0)["movies"].tolist() == [1194.5]


def test_the_bank_is_three_thousand_items_drawn_by_the_seed() -> None:
    scorer, counts = scorer_of([1.0], [float(value) for value in range(9000)])
    one, again, other = (float(fit_hub_bias(scorer, counts, seed)["movies"][0]) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    drawn = np.random.default_rng(1).choice(9000, 3000, replace=False)
    assert one == pytest.approx(np.sort(drawn)[-10:].mean())


# --- the card ------------------------------------------------------------------------------------------------

FIGURES = {
    "gallery",
    "recall_10",
    "recall_100",
    "median_percentile",
    "largest_hub",
    "distinct_per_slot",
    "distinct_if_random",
}


def agreeing() -> tuple[Scorer, dict[Medium, int]]:
    """21 films and 201 songs that all agree on which are best, the last first: every list is the same."""
    return scorer_of([1.0 + row for row in range(21)], [1.0 + row for row in range(201)])


def test_the_card_by_hand() -> None:
    scorer, counts = agreeing()
    # Film ranks 1, 5, 10 and 21 of 21; song ranks 10, 60, 101 and 201 of 201.
    card = make_card(scorer, np.array([[20, 191], [16, 141], [11, 100], [0, 0]]), counts, seed=0)
    assert set(card) == {"pairs", "films", "song_to_film", "film_to_song"}
    assert [card["pairs"], card["films"]] == [4, 4]
    to_film, to_song = card["song_to_film"], card["film_to_song"]
    assert set(to_film) == set(to_song) == FIGURES
    assert [to_film["gallery"], to_song["gallery"]] == [21, 201]
    assert to_film["recall_10"] == {"value": 0.75, "low": 0.25, "high": 1.0}
    assert to_film["recall_100"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert [to_song["recall_10"]["value"], to_song["recall_100"]["value"]] == [0.25, 0.5]
    # Ranks 5 and 10 of 21 are at 20 % and 45 %; ranks 60 and 101 of 201 at 29.5 % and 50 %.
    assert to_film["median_percentile"]["value"] == 32.5
    assert to_song["median_percentile"]["value"] == 39.75
    assert [to_film["largest_hub"], to_song["largest_hub"]] == [1.0, 1.0]
    # Ten different items in lists of ten, one list a song and one a film.
    assert to_film["distinct_per_slot"] == round(10 / 2010, 4)
    assert to_song["distinct_per_slot"] == round(10 / 210, 4)
    assert to_film["distinct_if_random"] == round(21 * (1 - (11 / 21) ** 201) / 2010, 4)
    assert to_song["distinct_if_random"] == round(201 * (1 - (191 / 201) ** 21) / 210, 4)


def test_pairs_past_the_first_portion_are_ranked_like_the_others() -> None:
    scorer, counts = agreeing()
    pairs = np.array([[place % 21, place % 201] for place in range(20 * 21)])
    card = make_card(scorer, pairs, counts, seed=0)
    assert [card["pairs"], card["films"]] == [420, 21]
    # Each film is in twenty pairs: ten of 21 films are among the first ten, and the middle one is eleventh.
    assert card["song_to_film"]["recall_10"]["value"] == round(10 / 21, 4)
    assert card["song_to_film"]["median_percentile"]["value"] == 50.0
    # Songs 101 to 200 are the first hundred: 100 pairs of either whole round, none of the 18 that are left.
    assert card["film_to_song"]["recall_100"]["value"] == round(200 / 420, 4)


def test_a_gallery_smaller_than_a_list_is_listed_whole() -> None:
    scorer, counts = scorer_of([1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0])
    card = make_card(scorer, np.array([[0, 0], [1, 1]]), counts, seed=0)
    assert card["song_to_film"]["distinct_per_slot"] == 0.25
    assert card["song_to_film"]["distinct_if_random"] == 0.25
    assert card["film_to_song"]["distinct_per_slot"] == round(1 / 3, 4)


def test_the_same_seed_makes_the_same_card() -> None:
    scorer, counts = agreeing()
    pairs = np.array([[20, 191], [16, 141], [11, 100], [0, 0]])
    assert make_card(scorer, pairs, counts, seed=3) == make_card(scorer, pairs, counts, seed=3)
