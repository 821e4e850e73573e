"""Links between films and their songs, on data whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.explore.film_tests import FilmSongs, correlation, difference, permutation_p
from indexer.metrics import ClusterBootstrap

NAN = float("nan")


def songs_of(films: int, each: int, shift: float, seed: int) -> tuple[FilmSongs, np.ndarray]:
    """Films, every second of them labelled; feature 0 rises by ``shift`` in those, feature 1 never does.

    The songs of a film are alike, as those of real films are.
    """
    rng = np.random.default_rng(seed)
    label = np.arange(films) % 2
    film = np.repeat(np.arange(films), each)
    own = rng.normal(size=(films, 2)) + np.outer(label, [shift, 0.0])
    return FilmSongs(film, own[film] + 0.1 * rng.normal(size=(films * each, 2))), label.astype(np.float64)


def test_sums_by_film_leave_out_what_is_unknown() -> None:
    songs = FilmSongs(np.array([0, 0, 2]), np.array([[1.0, NAN], [2.0, 5.0], [4.0, NAN]]))
    counts, sums = songs.sums()
    assert counts.tolist() == [[2, 1], [0, 0], [1, 0]]
    assert sums.tolist() == [[3, 5], [0, 0], [4, 0]]
    kept = songs.only(np.array([False, False, True]))
    assert kept.film.tolist() == [0]
    assert kept.values[0, 0] == 4.0


def test_difference_by_hand() -> None:
    values = np.array([1.0, 3.0, NAN, 4.0, 8.0])
    inside = np.array([True, True, True, False, False])
    found = difference(ClusterBootstrap(np.array([0, 1, 1, 2, 3]), draws=200), inside, values)
    assert found.value == 2.0 - 6.0
    # Films of one song each: a draw's difference is between 1 − 8 and 3 − 4.
    assert -7.0 <= found.low < -4.0 < found.high <= -1.0


def test_interval_grows_with_the_likeness_of_a_films_songs() -> None:
    songs, label = songs_of(films=100, each=5, shift=0.0, seed=0)
    inside = label[songs.film] > 0
    by_film = difference(ClusterBootstrap(songs.film, draws=500), inside, songs.values[:, 0])
    alone = difference(ClusterBootstrap(np.arange(500), draws=500), inside, songs.values[:, 0])
    # Fifty films a side of standard deviation 1: a standard error of 0.2, whatever the number of songs.
    assert by_film.high - by_film.low == pytest.approx(2 * 1.96 * 0.2, rel=0.2)
    assert alone.high - alone.low < 0.6 * (by_film.high - by_film.low)


def test_permutations_find_the_link_that_is_there_and_no_other() -> None:
    songs, label = songs_of(films=80, each=3, shift=1.5, seed=1)
    p = permutation_p(label[None, :], songs, draws=2000, seed=0)
    assert p.shape == (1, 2)
    assert p[0, 0] == pytest.approx(1 / 2001)
    assert p[0, 1] > 0.05


def test_permutations_hold_their_level() -> None:
    # 200 features without a link: about one in twenty is below 0.05, though the songs of a film are alike.
    rng = np.random.default_rng(5)
    film = np.repeat(np.arange(60), 4)
    songs = FilmSongs(film, rng.normal(size=(60, 200))[film])
    p = permutation_p((np.arange(60) % 3 == 0).astype(np.float64)[None, :], songs, draws=1000, seed=0)
    assert 2 <= np.count_nonzero(p < 0.05) <= 22


def test_permutation_p_is_that_of_all_orders() -> None:
    # Five films of one song: the label goes with the two highest, 1 of 10 choices, and as far down as up: 2 of 10.
    songs = FilmSongs(np.arange(5), np.array([[0.0], [1.0], [2.0], [3.0], [4.0]]))
    p = permutation_p(np.array([[0.0, 0.0, 0.0, 1.0, 1.0]]), songs, draws=20_000, seed=0)
    assert p[0, 0] == pytest.approx(0.2, abs=0.02)


def test_a_label_that_all_films_share_has_no_link() -> None:
    songs, _ = songs_of(films=20, each=2, shift=1.0, seed=2)
    assert permutation_p(np.ones((1, 20)), songs, draws=50, seed=0).tolist() == [[1.0, 1.0]]


def test_correlation_of_films_label_and_songs_value() -> None:
    rng = np.random.default_rng(7)
    label = rng.normal(size=300)
    values = 0.6 * label + 0.8 * rng.normal(size=300)
    values[:3] = NAN
    found = correlation(ClusterBootstrap(np.arange(300), draws=500), label, values)
    assert found.value == pytest.approx(np.corrcoef(label[3:], values[3:])[0, 1])
    assert found.low < 0.6 < found.high
