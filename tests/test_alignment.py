"""The learned alignment: a planted relation that it has to find, and maps that can be worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from indexer import metrics
from indexer.alignment import Alignment, Floats, Pairs, Whitened
from indexer.catalogue.records import Medium
from indexer.normalisation import unit

ITEMS, WIDTH, KNOWN = 400, 8, 300


def pairs_of(*rows: tuple[int, int, float]) -> Pairs:
    movies, tracks, weights = zip(*rows, strict=True)
    return Pairs(np.array(movies), np.array(tracks), np.array(weights, dtype=np.float64))


def plain(rows: Sequence[Sequence[float]]) -> Whitened:
    """Features taken as they are."""
    width = len(rows[0])
    return Whitened(
        np.array(rows, dtype=np.float32), np.zeros(width, np.float32), np.eye(width, dtype=np.float32)
    )


@pytest.fixture(scope="module")
def planted() -> dict[Medium, Floats]:
    """Film i is song i through a fixed rotation, and a little noise."""
    rng = np.random.default_rng(0)
    tracks = rng.normal(size=(ITEMS, WIDTH)).astype(np.float32)
    rotation = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0].astype(np.float32)
    noise = rng.normal(size=(ITEMS, WIDTH)).astype(np.float32)
    return {"tracks": tracks, "movies": tracks @ rotation + np.float32(0.1) * noise}


def diagonal(count: int) -> Pairs:
    return Pairs(np.arange(count), np.arange(count), np.ones(count))


def test_it_finds_a_planted_relation_for_pairs_it_has_not_seen(planted: dict[Medium, Floats]) -> None:
    whitened = {medium: Whitened.fit(rows) for medium, rows in planted.items()}
    alignment = Alignment.fit(whitened, diagonal(KNOWN))
    films, songs = (unit(alignment.project(m, whitened[m].rows)) for m in ("movies", "tracks"))
    ranks = metrics.rank_of(songs[KNOWN:] @ films.T, np.arange(KNOWN, ITEMS))
    assert np.mean(ranks == 1.0) > 0.95
    assert ranks.max() <= 4.0


def test_pairs_that_say_nothing_teach_nothing(planted: dict[Medium, Floats]) -> None:
    whitened = {medium: Whitened.fit(rows) for medium, rows in planted.items()}
    shuffled = Pairs(np.random.default_rng(1).permutation(KNOWN), np.arange(KNOWN), np.ones(KNOWN))
    alignment = Alignment.fit(whitened, shuffled)
    films, songs = (unit(alignment.project(m, whitened[m].rows)) for m in ("movies", "tracks"))
    ranks = metrics.rank_of(songs[KNOWN:] @ films.T, np.arange(KNOWN, ITEMS))
    assert np.mean(ranks == 1.0) < 0.1


def test_whitening_by_hand() -> None:
    features = np.array([[5, 1], [-3, 1], [1, 3], [1, -1]], dtype=np.float32)
    whitened = Whitened.fit(features)
    assert whitened.mean.tolist() == [1.0, 1.0]
    # Variances 8 and 2, so a ridge of five times their mean is 25.
    np.testing.assert_allclose(whitened.whitening, np.diag([33**-0.5, 27**-0.5]), atol=1e-6)
    np.testing.assert_allclose(whitened.rows[:, 0], np.array([4, -4, 0, 0]) / 33**0.5, atol=1e-6)
    np.testing.assert_allclose(whitened.rows[:, 1], np.array([0, 0, 2, -2]) / 27**0.5, atol=1e-6)


def test_features_that_never_change_are_whitened_to_zeros() -> None:
    whitened = Whitened.fit(np.full((3, 2), 0.5, dtype=np.float32))
    assert whitened.rows.tolist() == [[0.0, 0.0]] * 3


@pytest.mark.parametrize("often", ["movies", "tracks"])
def test_an_item_in_many_pairs_counts_less_in_each(often: Medium) -> None:
    many, other = plain([[1, 0], [0, 1]]), plain([[1, 0]] * 4 + [[0, 1]])
    # One item has four partners of one kind, another a single one of the other kind.
    rows = [(0, 0), (0, 1), (0, 2), (0, 3), (1, 4)]
    if often == "movies":
        whitened: dict[Medium, Whitened] = {"movies": many, "tracks": other}
        pairs = pairs_of(*((a, b, 1.0) for a, b in rows))
    else:
        whitened = {"movies": other, "tracks": many}
        pairs = pairs_of(*((b, a, 1.0) for a, b in rows))
    alignment = Alignment.fit(whitened, pairs)
    # Four pairs at 1/√4 against one at 1: two thirds and one third, not four fifths and one fifth.
    for medium in ("movies", "tracks"):
        np.testing.assert_allclose(alignment.maps[medium], np.diag([2 / 3, 1 / 3]), atol=1e-6)


def test_a_pair_counts_as_far_as_it_is_trusted() -> None:
    both = plain([[1, 0], [0, 1]])
    alignment = Alignment.fit({"movies": both, "tracks": both}, pairs_of((0, 0, 0.25), (1, 1, 0.75)))
    # The stronger direction comes first.
    np.testing.assert_allclose(alignment.maps["movies"], [[0, 0.25], [0.75, 0]], atol=1e-6)
    np.testing.assert_allclose(alignment.maps["tracks"], [[0, 0.25], [0.75, 0]], atol=1e-6)


def test_signs_are_fixed(planted: dict[Medium, Floats]) -> None:
    whitened = {medium: Whitened.fit(rows) for medium, rows in planted.items()}
    maps = Alignment.fit(whitened, diagonal(KNOWN)).maps["tracks"]
    assert np.all(maps[np.abs(maps).argmax(axis=0), np.arange(WIDTH)] > 0)
    opposed: dict[Medium, Whitened] = {"movies": plain([[-1, 0], [0, 1]]), "tracks": plain([[1, 0], [0, 1]])}
    by_hand = Alignment.fit(opposed, pairs_of((0, 0, 0.75), (1, 1, 0.25))).maps
    np.testing.assert_allclose(by_hand["tracks"], np.diag([0.75, 0.25]), atol=1e-6)
    np.testing.assert_allclose(by_hand["movies"], np.diag([-0.75, 0.25]), atol=1e-6)


def test_the_same_pairs_give_the_same_bytes_and_their_order_says_nothing(
    planted: dict[Medium, Floats],
) -> None:
    whitened = {medium: Whitened.fit(rows) for medium, rows in planted.items()}
    once, again = (Alignment.fit(whitened, diagonal(KNOWN)) for _ in range(2))
    turned = Alignment.fit(whitened, diagonal(KNOWN).take(np.arange(KNOWN)[::-1]))
    for medium in ("movies", "tracks"):
        assert once.maps[medium].tobytes() == again.maps[medium].tobytes()
        np.testing.assert_allclose(turned.maps[medium], once.maps[medium], atol=1e-6)


def test_only_the_strongest_directions_are_kept(planted: dict[Medium, Floats]) -> None:
    whitened = {medium: Whitened.fit(rows) for medium, rows in planted.items()}
    whole, cut = (Alignment.fit(whitened, diagonal(KNOWN), size) for size in (64, 3))
    assert whole.maps["movies"].shape == (WIDTH, WIDTH)
    assert cut.maps["movies"].tolist() == whole.maps["movies"][:, :3].tolist()
    strengths = np.linalg.norm(whole.maps["movies"], axis=0)
    assert np.all(np.diff(strengths) <= 0)


def test_projecting_is_the_map_of_the_medium() -> None:
    maps: dict[Medium, Floats] = {
        "movies": np.array([[2, 0], [0, 1]], dtype=np.float32),
        "tracks": np.array([[0, 1], [1, 0]], dtype=np.float32),
    }
    rows = np.array([[3, 4]], dtype=np.float32)
    assert Alignment(maps).project("movies", rows).tolist() == [[6.0, 4.0]]
    assert Alignment(maps).project("tracks", rows).tolist() == [[4.0, 3.0]]


def test_pairs_are_taken_and_joined() -> None:
    pairs = pairs_of((0, 5, 1.0), (1, 6, 1.0), (2, 7, 1.0))
    joined = pairs.take(np.array([2, 0])).join(pairs_of((9, 8, 0.8)))
    assert [part.tolist() for part in joined] == [[2, 0, 9], [7, 5, 8], [1.0, 1.0, 0.8]]
    assert [part.tolist() for part in pairs.take(pairs.movies > 0)] == [[1, 2], [6, 7], [1.0, 1.0]]
