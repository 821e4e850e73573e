"""The floors: popularity, chance and plain text."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.methods import random_order, text_cosine
from indexer.methods.method import Material
from indexer.methods.popularity import Popularity
from indexer.methods.random_order import RandomOrder
from indexer.methods.text_cosine import TextCosine


def test_popularity_is_votes_of_films_and_popularity_of_songs_with_unknown_last(material: Material) -> None:
    method = Popularity.fit(material)
    films = method.scores("tracks", np.array([0, 7]), "movies")
    assert films[0].tolist() == [50, 900, 300, 20, -1, 700, 10, 450, 80, 60, 5, 610]
    assert films[1].tolist() == films[0].tolist()
    songs = method.scores("movies", np.array([3]), "tracks")[0]
    assert songs.tolist() == [30, 80, -1, 55, 12, 99, 1, 44, -1, 71, 23, 64]
    assert method.facts == {"unknown": {"movies": 1, "tracks": 2}}


def test_popularity_of_several_inputs_is_the_same_list(material: Material) -> None:
    method = Popularity.fit(material)
    together = method.scores_together({"tracks": np.arange(7), "movies": np.arange(5)}, "movies")
    np.testing.assert_array_equal(together, method.scores("movies", np.array([0]), "movies")[0])


def test_random_is_splitmix64() -> None:
    # The first three numbers of SplitMix64 from seed 0, as published with the generator.
    states = random_order._STEP * np.arange(1, 4, dtype=np.uint64)
    assert [hex(int(word)) for word in random_order._mix(states)] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]


def test_random_differs_by_row_seed_and_direction_and_by_nothing_else() -> None:
    counts = {"movies": 500, "tracks": 500}
    method, same, other = RandomOrder(1, counts), RandomOrder(1, counts), RandomOrder(2, counts)
    rows = np.array([4, 9])
    lists = [
        *method.scores("tracks", rows, "movies"),
        *method.scores("movies", rows, "movies"),
        *method.scores("tracks", rows, "tracks"),
        *method.scores("movies", rows, "tracks"),
        *other.scores("tracks", rows, "movies"),
    ]
    correlations = np.corrcoef(lists) - np.eye(10)
    # Ten times the standard error of an unrelated pair would be 0.45.
    assert np.abs(correlations).max() < 0.2
    np.testing.assert_array_equal(same.scores("tracks", rows, "movies"), lists[:2])


def test_random_is_spread_evenly_over_0_to_1() -> None:
    scores = RandomOrder(0, {"movies": 10_000, "tracks": 1}).scores("tracks", np.array([0]), "movies")[0]
    counts, _ = np.histogram(scores, bins=10, range=(0, 1))
    assert counts.sum() == 10_000
    assert counts.min() > 900
    assert counts.max() < 1100


@pytest.mark.parametrize("seed", [-1, 2**64 - 1])
def test_random_takes_any_seed(seed: int) -> None:
    scores = RandomOrder(seed, {"movies": 3, "tracks": 3}).scores("movies", np.array([2**40]), "tracks")
    assert np.ptp(scores) > 0


def _text_material(material: Material) -> Material:
    texts = {
        "movies": np.array([[1, 0], [0, 2], [-3, 0], [0, 0]], dtype=np.float32),
        "tracks": np.array([[3, 4], [0, 0], [4, -3]], dtype=np.float32),
    }
    return Material(material.catalogue, texts, material.encode)


def test_text_cosine_is_the_cosine(material: Material) -> None:
    method = TextCosine.fit(_text_material(material))
    scores = method.scores("tracks", np.array([0, 2]), "movies")
    np.testing.assert_allclose(scores, [[0.6, 0.8, -0.6, 0], [0.8, -0.6, -0.8, 0]], atol=1e-3)
    np.testing.assert_allclose(method.scores("movies", np.array([1]), "movies"), [[0, 1, 0, 0]], atol=1e-3)


def test_text_cosine_without_an_embedding_is_0_to_all(material: Material) -> None:
    method = TextCosine.fit(_text_material(material))
    assert method.scores("tracks", np.array([1]), "movies").tolist() == [[0, 0, 0, 0]]


def test_text_cosine_is_not_centred(material: Material) -> None:
    texts = {m: np.array([[1, 0.1], [1, -0.1]], dtype=np.float32) for m in ("movies", "tracks")}
    method = TextCosine.fit(Material(material.catalogue, texts, material.encode))
    # (1 − 0.01) / (1 + 0.01); centred, these two would be opposites.
    np.testing.assert_allclose(method.scores("movies", np.array([0]), "tracks"), [[1, 0.9802]], atol=1e-3)


def test_text_cosine_by_blocks_is_the_whole(material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    method = TextCosine.fit(material)
    whole = method.scores("movies", np.arange(12), "tracks")
    monkeypatch.setattr(text_cosine, "_BLOCK_ROWS", 5)
    np.testing.assert_allclose(method.scores("movies", np.arange(12), "tracks"), whole, atol=1e-6)
