import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.metrics import (
    ClusterBootstrap,
    Interval,
    PopularityPeers,
    auc,
    distinct_by_position,
    distinct_if_random,
    distinct_per_slot,
    equal_prior_weights,
    expected_calibration_error,
    gini,
    grouped_jackknife,
    holm,
    interval,
    intra_list_diversity,
    largest_hub,
    ndcg_at,
    occurrences,
    peer_percentile,
    r_squared,
    rank_of,
    rank_percentile,
    recall_at,
    reciprocal_rank,
    reliability_curve,
    sign_flip_p,
    skewness,
    split_pairs,
    top_rows,
)

NAN = np.nan


def array(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


# --- ranks ---------------------------------------------------------------------------------------------------


def test_ranks_start_at_one_and_ties_share_their_mean() -> None:
    scores = np.array([[0.1, 0.9, 0.5, 0.5], [3.0, 2.0, 1.0, 0.0]], dtype=np.float32)
    ranks = rank_of(scores, np.array([1, 2, 3, 0, 0]), rows=np.array([0, 0, 0, 0, 1]))
    assert ranks.tolist() == [1.0, 2.5, 2.5, 4.0, 1.0]


def test_without_rows_each_line_has_one_target() -> None:
    assert rank_of(np.array([[1.0, 2.0], [1.0, 2.0]]), np.array([0, 1])).tolist() == [2.0, 1.0]


def test_constant_scores_rank_in_the_middle() -> None:
    rank = rank_of(np.zeros((1, 101)), np.array([0]))
    assert rank.tolist() == [51.0]
    assert rank_percentile(rank, 101).tolist() == [50.0]
    assert recall_at(rank, 10).tolist() == [0.0]


def test_nan_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        rank_of(np.array([[0.0, NAN]]), np.array([0]))


def test_minus_infinity_is_the_bottom() -> None:
    assert rank_of(np.array([[-np.inf, 0.0, -np.inf]]), np.array([0])).tolist() == [2.5]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_ranks_of_a_line_add_up_to_those_of_a_line_without_ties(line: list[int]) -> None:
    n = len(line)
    ranks = rank_of(np.array([line], dtype=np.float32), np.arange(n), np.zeros(n, dtype=np.int64))
    assert ranks.sum() == n * (n + 1) / 2


def test_top_rows_are_best_first_and_ties_go_by_column() -> None:
    scores = np.array([[0.1, 0.9, 0.5, 0.5, 0.5], [5, 4, 3, 2, 1]], dtype=np.float32)
    assert top_rows(scores, 3).tolist() == [[1, 2, 3], [0, 1, 2]]
    assert top_rows(scores, 9).tolist() == [[1, 2, 3, 4, 0], [0, 1, 2, 3, 4]]


def test_recall_and_reciprocal_rank_by_hand() -> None:
    ranks = array(1, 2, 10, 10.5, 100)
    assert recall_at(ranks, 1).tolist() == [1, 0, 0, 0, 0]
    assert recall_at(ranks, 10).tolist() == [1, 1, 1, 0, 0]
    assert recall_at(ranks, 100).mean() == 1.0
    assert reciprocal_rank(array(1, 2, 4)).mean() == pytest.approx((1 + 0.5 + 0.25) / 3)


def test_ndcg_of_several_relevant_items_by_hand() -> None:
    # Query 7 has relevant items at 1 and 3: (1 + 1/2) / (1 + 1/log2 3). Query 2 has one at 11: nothing within ten.
    got = ndcg_at(array(1, 11, 3), np.array([7, 2, 7]))
    assert got.tolist() == pytest.approx([0.0, 1.5 / (1 + 1 / math.log2(3))])


def test_ndcg_is_one_when_all_are_at_the_front_even_with_more_than_k_relevant() -> None:
    assert ndcg_at(np.arange(1.0, 13.0), np.zeros(12), k=10).tolist() == pytest.approx([1.0])


def test_tied_relevant_items_never_exceed_the_ideal() -> None:
    assert ndcg_at(np.full(19, 10.0), np.zeros(19), k=10).tolist() == [1.0]


def test_rank_percentile_runs_from_zero_to_a_hundred() -> None:
    assert rank_percentile(array(1, 3, 5), 5).tolist() == [0.0, 50.0, 100.0]
    assert rank_percentile(array(1), 1).tolist() == [50.0]


def test_peers_are_the_nearest_in_popularity_with_the_item_among_them() -> None:
    peers = PopularityPeers.of(array(50, 10, NAN, 40, 20, NAN, 30), share=0.6)
    assert peers.size == 3
    assert peers.around(6).tolist() == [4, 6, 3]
    # At either end the group moves inwards instead of shrinking.
    assert peers.around(1).tolist() == [1, 4, 6]
    assert peers.around(0).tolist() == [6, 3, 0]


def test_unknown_popularity_is_a_group_of_its_own() -> None:
    peers = PopularityPeers.of(array(50, 10, NAN, 40, 20, NAN, 30))
    assert peers.around(2).tolist() == [2, 5]
    # Last of two: 100; and an item with nobody beside it gets what chance gives.
    assert peer_percentile(array(9, 9, 1, 9, 9, 2, 9), 2, peers) == 100.0
    assert peer_percentile(array(5, 9), 0, PopularityPeers.of(array(NAN, 3))) == 50.0


def test_popularity_itself_earns_nothing_among_peers() -> None:
    popularity = np.arange(1000.0)
    peers = PopularityPeers.of(popularity)
    assert peers.size == 50
    # Ranking by popularity puts an item in the middle of its own group, though overall it is near the top.
    assert peer_percentile(popularity, 950, peers) == pytest.approx(50.0, abs=1.1)
    assert rank_percentile(rank_of(popularity[None], np.array([950])), 1000)[0] == pytest.approx(4.9, abs=0.1)


# --- lists ---------------------------------------------------------------------------------------------------

LISTS = np.array([[0, 1], [0, 2], [0, 3], [4, 1]])


def test_distinct_items_and_the_largest_hub_by_hand() -> None:
    counts = occurrences(LISTS, 6)
    assert counts.tolist() == [3, 2, 1, 1, 1, 0]
    assert distinct_per_slot(LISTS) == 5 / 8
    # First places {0, 4} of four, second places {1, 2, 3} of four.
    assert distinct_by_position(LISTS) == (2 / 4 + 3 / 4) / 2
    assert largest_hub(counts, len(LISTS)) == 0.75


def test_lists_at_random_repeat_items_too() -> None:
    # Two lists of one from two items: the same with chance one half, so 1.5 different items in two slots.
    assert distinct_if_random(2, 1, 2) == pytest.approx(0.75)
    assert distinct_if_random(1, 10, 50) == pytest.approx(1.0)
    assert distinct_if_random(1000, 10, 18_648) == pytest.approx(0.774, abs=0.001)


def test_gini_by_hand() -> None:
    assert gini(array(2, 2, 2)) == pytest.approx(0.0)
    assert gini(array(0, 0, 0, 8)) == pytest.approx(3 / 4)
    # Mean absolute difference over twice the mean: (4·|3−1|/4²…) = 1/4 for (1, 3).
    assert gini(array(1, 3)) == pytest.approx(1 / 4)
    with pytest.raises(ValueError, match="zeros"):
        gini(array(0, 0))


def test_skewness_by_hand() -> None:
    assert skewness(array(1, 2, 3)) == pytest.approx(0.0)
    # Deviations −1, −1, −1, 3: third moment 24/4 = 6, variance 12/4 = 3.
    assert skewness(array(0, 0, 0, 4)) == pytest.approx(6 / 3**1.5)
    assert skewness(array(2, 2)) == 0.0


def test_intra_list_diversity_by_hand() -> None:
    vectors = np.array([[2, 0], [0, 5], [-1, 0], [0, 0]], dtype=np.float16)
    lists = np.array([[0, 1, 2], [0, 0, 0], [0, 2, 3], [0, 3, 3]])
    # Cosines of the first list: 0, −1, 0. The zero vector takes part in no pair.
    got = intra_list_diversity(lists, vectors)
    assert got[:3].tolist() == pytest.approx([(1 + 2 + 1) / 3, 0.0, 2.0])
    assert math.isnan(got[3])


# --- probabilities and labels --------------------------------------------------------------------------------


def test_reliability_and_ece_by_hand() -> None:
    said, true = array(0.1, 0.3, 0.6, 0.8, 1.0), np.array([0, 1, 1, 1, 1])
    low, high = reliability_curve(said, true, bins=2)
    assert (low.mean, low.rate, low.count, low.weight) == pytest.approx((0.2, 0.5, 2, 0.4))
    assert (high.mean, high.rate, high.count, high.weight) == pytest.approx((0.8, 1.0, 3, 0.6))
    assert expected_calibration_error(said, true, bins=2) == pytest.approx(0.4 * 0.3 + 0.6 * 0.2)


def test_weights_bring_back_equal_priors() -> None:
    true = np.array([1, 0, 0, 0])
    weights = equal_prior_weights(true)
    assert weights.tolist() == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6])
    (only,) = reliability_curve(np.full(4, 0.5), true, weights, bins=1)
    assert (only.rate, only.count) == (pytest.approx(0.5), 4)
    assert expected_calibration_error(np.full(4, 0.5), true, weights) == pytest.approx(0.0)
    assert expected_calibration_error(np.full(4, 0.5), true) == pytest.approx(0.25)
    with pytest.raises(ValueError, match="true and false"):
        equal_prior_weights(np.ones(3))


@pytest.mark.parametrize("said", [[-0.1], [1.1], [NAN], []])
def test_what_is_no_probability_is_refused(said: list[float]) -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        reliability_curve(np.array(said), np.zeros(len(said)))


def test_auc_counts_ties_as_half() -> None:
    # Pairs (true, false): 3>1, 3>2, 2>1, 2=2 → 3.5 of 4.
    assert auc(array(3, 2, 1, 2), np.array([True, True, False, False])) == pytest.approx(3.5 / 4)
    assert auc(np.zeros(5), np.array([1, 0, 0, 0, 1])) == 0.5
    assert auc(array(1, 2), np.array([1, 0])) == 0.0
    with pytest.raises(ValueError, match="true and false"):
        auc(array(1, 2), np.array([1, 1]))


def test_r_squared_by_hand() -> None:
    assert r_squared(array(1, 2, 3), array(1, 2, 3)) == 1.0
    assert r_squared(array(1, 2, 3), array(2, 2, 2)) == 0.0
    assert r_squared(array(1, 2, 3), array(1, 2, 4)) == pytest.approx(0.5)
    assert r_squared(array(1, 2, 3), array(3, 2, 1)) == pytest.approx(-3.0)
    with pytest.raises(ValueError, match="constant"):
        r_squared(array(2, 2), array(1, 2))


# --- intervals and tests -------------------------------------------------------------------------------------


def test_equal_values_leave_no_interval() -> None:
    bootstrap = ClusterBootstrap(np.array(["a", "a", "b"]), draws=200)
    assert bootstrap.mean(array(2, 2, 2)) == Interval(2.0, 2.0, 2.0)


def test_one_cluster_is_always_drawn_whole() -> None:
    bootstrap = ClusterBootstrap(np.zeros(4), draws=50)
    assert bootstrap.mean(array(0, 0, 1, 3)) == Interval(1.0, 1.0, 1.0)
    assert bootstrap.median(array(0, 0, 1, 3)).low == 0.0


def test_draws_are_means_over_whole_clusters_weighted_by_pairs() -> None:
    # Films a (values 1, 1, 1) and b (value 0) drawn twice with replacement: aa 1, ab 3/4, bb 0.
    bootstrap = ClusterBootstrap(np.array(["a", "a", "a", "b"]), draws=4000, seed=1)
    drawn = bootstrap.means(array(1, 1, 1, 0))
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [0.0, 0.75, 1.0]
    assert (counts / 4000).tolist() == pytest.approx([0.25, 0.5, 0.25], abs=0.03)
    assert bootstrap.mean(array(1, 1, 1, 0)) == Interval(0.75, 0.0, 1.0)


def test_the_interval_agrees_with_theory_when_every_pair_is_its_own_film() -> None:
    n = 400
    values = np.repeat([0.0, 1.0], [360, 40])
    got = ClusterBootstrap(np.arange(n), draws=4000, seed=3).mean(values)
    half = 1.96 * math.sqrt(0.1 * 0.9 / n)
    assert got.value == pytest.approx(0.1)
    assert (got.low, got.high) == pytest.approx((0.1 - half, 0.1 + half), abs=0.005)


def test_pairs_of_one_film_say_less_than_pairs_of_many() -> None:
    values = np.tile([0.0, 1.0], 50).repeat(4)
    alone = ClusterBootstrap(np.arange(400), draws=2000).mean(values)
    together = ClusterBootstrap(np.arange(100).repeat(4), draws=2000).mean(values)
    assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(2.0, rel=0.1)


def test_weights_make_a_mean_over_queries() -> None:
    bootstrap = ClusterBootstrap(np.zeros(3), draws=10)
    # Query q has two pairs of value 1, query r one of value 0, all of one film.
    assert bootstrap.mean(array(1, 1, 0), weights=array(0.5, 0.5, 1)) == Interval(0.5, 0.5, 0.5)


def test_the_seed_decides_the_draws() -> None:
    values, clusters = np.arange(20.0), np.arange(20)
    first, again, other = (ClusterBootstrap(clusters, 500, seed).means(values) for seed in (4, 4, 5))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_median_follows_the_draws() -> None:
    # The median of three draws from {0, 1, 9} is 0 with chance 7/27, 1 with 13/27, 9 with 7/27.
    got = ClusterBootstrap(np.arange(3), draws=3000, seed=2).median(array(9, 0, 1))
    assert got == Interval(1.0, 0.0, 9.0)
    assert ClusterBootstrap(np.arange(4), draws=10).median(array(1, 2, 3, 4)).value == 2.5
    # Of 401 evenly spread values the median's standard error is near 401 / (2·√401): 10.
    wide = ClusterBootstrap(np.arange(401), draws=2000).median(np.arange(401.0))
    assert (wide.low, wide.high) == (pytest.approx(200 - 19.6, abs=4), pytest.approx(200 + 19.6, abs=4))


def test_a_ratio_keeps_the_pairs_together() -> None:
    ours, theirs = array(3, 6, 9, 3), array(1, 2, 3, 1)
    got = ClusterBootstrap(np.arange(4), draws=500).ratio(ours, theirs)
    assert (got.value, got.low, got.high) == pytest.approx((3.0, 3.0, 3.0))


def test_a_ratio_to_nothing_is_infinite_and_nothing_to_nothing_is_one() -> None:
    bootstrap = ClusterBootstrap(np.arange(2), draws=50)
    assert bootstrap.ratio(array(1, 1), array(0, 0)) == Interval(math.inf, math.inf, math.inf)
    assert bootstrap.ratio(array(0, 0), array(0, 0)) == Interval(1.0, 1.0, 1.0)


def test_a_difference_is_ours_less_theirs() -> None:
    got = ClusterBootstrap(np.arange(3), draws=100).difference(array(1, 1, 1), array(0.5, 0.5, 0.5))
    assert got == Interval(0.5, 0.5, 0.5)


def test_any_figure_can_be_drawn() -> None:
    clusters, values = np.array([0, 0, 1]), array(1, 1, 0)
    bootstrap = ClusterBootstrap(clusters, draws=300, seed=9)
    got = bootstrap.statistic(2 / 3, lambda times: float(times @ values / times.sum()))
    assert got == bootstrap.mean(values)


def test_the_interval_cuts_two_and_a_half_percent_off_either_end() -> None:
    assert interval(0.0, np.arange(1, 1001)) == Interval(0.0, 25.0, 975.0)


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = array(1, 2, 3, 6)
    got = grouped_jackknife(lambda chosen: float(values[chosen].mean()), 4)
    error = math.sqrt((4 + 1 + 0 + 9) / 3 / 4)
    assert (got.value, got.low, got.high) == pytest.approx((3.0, 3 - 1.96 * error, 3 + 1.96 * error))
    assert grouped_jackknife(len, 1) == Interval(1, 1, 1)


def test_sign_flips_are_exact_for_few_films() -> None:
    # Three films all in favour: 2 of the 8 flips are as far from 0.
    assert sign_flip_p(array(1, 1, 1), array(0, 0, 0), np.arange(3)) == pytest.approx(2 / 8)
    # Differences 2, 1, −1: |sum| = 2 or more for ±2±1∓1 and ±(2+1+1) and ±(2-1+1): all but 2−1−1 and −2+1+1.
    assert sign_flip_p(array(2, 1, 0), array(0, 0, 1), np.arange(3)) == pytest.approx(6 / 8)
    # Pairs of one film flip together.
    assert sign_flip_p(array(1, 1, 1), array(0, 0, 0), np.array([5, 5, 6])) == pytest.approx(2 / 4)


def test_methods_that_agree_do_not_differ() -> None:
    assert sign_flip_p(array(1, 0, 1), array(1, 0, 1), np.arange(3)) == 1.0


def test_many_films_are_flipped_at_random_and_p_is_never_zero() -> None:
    ours, clusters = np.ones(100), np.arange(100)
    assert sign_flip_p(ours, np.zeros(100), clusters, draws=999) == pytest.approx(1 / 1000)
    alternating = np.tile([1.0, 0.0], 50)
    assert sign_flip_p(alternating, 1 - alternating, clusters, draws=500) == 1.0


def test_sampled_flips_come_near_the_exact_ones() -> None:
    ours, theirs, films = array(3, 1, 2, 0, 5, 1), array(1, 1.5, 0, 1, 1, 0), np.arange(6)
    exact = sign_flip_p(ours, theirs, films, draws=64)
    sampled = sign_flip_p(ours, theirs, films, draws=63)
    # Differences 2, −½, 2, −1, 4, 1: of 64 flips, 6 on either side reach 7½.
    assert exact == pytest.approx(12 / 64)
    assert sampled == pytest.approx(exact, abs=0.1)


def test_holm_by_hand() -> None:
    # Ascending 0.01·3, 0.02·2, 0.03·1 → 0.03, 0.04, and 0.03 is lifted to 0.04.
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


# --- splits --------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sets(st.sampled_from("ABCDEFGH"), min_size=1)), min_size=30),
    st.integers(2, 3),
    st.integers(0, 99),
)
def test_no_fold_shares_a_film_or_an_artist(pairs: list[tuple[int, set[str]]], folds: int, seed: int) -> None:
    films = [*(film for film, _ in pairs), 20, 21, 22]
    artists = [*(tuple(names) for _, names in pairs), ("x",), ("y",), ("z",)]
    split = split_pairs(films, artists, folds, seed)
    assert sorted(i for _, test in split for i in test) == list(range(len(films)))
    for training, test in split:
        heard = {a for i in test for a in artists[i]}
        shown = {films[i] for i in test}
        # Exactly the pairs that share neither film nor artist are trained on.
        clean = [i for i in range(len(films)) if films[i] not in shown and not heard & set(artists[i])]
        assert training.tolist() == clean


def test_folds_are_balanced_and_seeded() -> None:
    films, artists = list(range(10)), [f"artist {i}" for i in range(10)]
    split = split_pairs(films, artists, 5, seed=0)
    assert [len(test) for _, test in split] == [2] * 5
    assert [len(training) for training, _ in split] == [8] * 5
    again, other = split_pairs(films, artists, 5, seed=0), split_pairs(films, artists, 5, seed=1)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(split, again, strict=True))
    assert not all(np.array_equal(a[1], b[1]) for a, b in zip(split, other, strict=True))


def test_an_artist_heard_in_the_test_pairs_is_not_trained_on() -> None:
    split = split_pairs(["f", "g"], ["Same Artist", "Same Artist"], 2, seed=0)
    assert [training.tolist() for training, _ in split] == [[], []]


@pytest.mark.parametrize("folds", [1, 3])
def test_impossible_folds_are_refused(folds: int) -> None:
    with pytest.raises(ValueError, match="films"):
        split_pairs(["f", "g"], ["a", "b"], folds, seed=0)


def test_neighbouring_bins_meet_without_a_gap() -> None:
    said = array(0.0, 0.25, 0.5, 0.75, 1.0)
    curve = reliability_curve(said, np.ones(5), bins=4)
    assert [each.count for each in curve] == [1, 1, 1, 2]
    assert all(a.mean < b.mean for a, b in pairwise(curve))
