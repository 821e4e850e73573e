"""The learned alignment: a planted relation that it has to find, and maps that can be worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from indexer import metrics
from indexer.alignment import Alignment, fit_text_map
from indexer.catalogue.records import Medium
from indexer.normalisation import unit

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

ITEMS, KNOWN, SHARED, LOUD = 1300, 1024, 8, 8
#: Large features have small maps, which the few steps that so few pairs are worth can turn.
SCALE = 1000.0


@dataclass(frozen=True)
class World:
    """Films and songs of which the first columns agree, quietly; louder ones say nothing of what belongs together."""

    features: dict[Medium, Floats]
    pairs: Rows

    def fit(self, pairs: Rows | None = None, weights: Floats | None = None, dimension: int = 16) -> Alignment:
        pairs = self.pairs if pairs is None else pairs
        weights = np.ones(len(pairs), dtype=np.float32) if weights is None else weights
        return Alignment.fit(self.features, pairs, weights, dimension)

    def ranks(self, alignment: Alignment) -> npt.NDArray[np.float64]:
        """Ranks of the films among all films for songs that no pair named."""
        films, songs = (alignment.project(medium, self.features[medium]) for medium in ("movies", "tracks"))
        found = metrics.rank_of(songs[KNOWN:] @ films.T, np.arange(KNOWN, ITEMS))
        return np.asarray(found, dtype=np.float64)


@pytest.fixture(scope="module")
def world() -> World:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(ITEMS, SHARED))
    features: dict[Medium, Floats] = {
        medium: (SCALE * np.concatenate([shared, 3 * rng.normal(size=(ITEMS, LOUD))], axis=1)).astype(
            np.float32
        )
        for medium in ("movies", "tracks")
    }
    return World(features, np.repeat(np.arange(KNOWN)[:, None], 2, axis=1))


def one_pair() -> Rows:
    return np.array([[0, 0]])


def test_it_finds_a_planted_relation_for_pairs_it_has_not_seen(world: World) -> None:
    before, after = world.ranks(world.fit(one_pair())), world.ranks(world.fit())
    assert np.median(before) > 100
    assert np.mean(after == 1.0) > 0.9


def test_pairs_that_say_nothing_teach_nothing(world: World) -> None:
    shuffled = world.pairs.copy()
    shuffled[:, 0] = np.random.default_rng(1).permutation(KNOWN)
    before, after = world.ranks(world.fit(one_pair())), world.ranks(world.fit(shuffled))
    assert np.median(after) >= np.median(before)


def test_a_pair_counts_as_far_as_it_is_trusted(world: World) -> None:
    wrong = world.pairs.copy()
    wrong[:, 0] = np.random.default_rng(1).permutation(KNOWN)
    both = np.concatenate([world.pairs, wrong])
    trust = np.repeat([1.0, 0.0], KNOWN).astype(np.float32)
    distrusted, trusted = (
        world.ranks(world.fit(both, trust)),
        world.ranks(world.fit(both, trust[::-1].copy())),
    )
    assert np.mean(distrusted == 1.0) > 0.9
    assert np.mean(trusted == 1.0) < 0.1


def test_where_nothing_is_to_be_told_apart_both_media_have_one_map_by_hand() -> None:
    both = np.array([[4, 0], [0, 1]], dtype=np.float32)
    alignment = Alignment.fit({"movies": both, "tracks": both}, one_pair(), np.ones(1, dtype=np.float32), 2)
    # Second moments 8 and 1/2, each direction over the fourth root of its own, the strongest first.
    np.testing.assert_allclose(np.abs(alignment.movies), np.diag(np.array([8.0, 0.5]) ** -0.25), atol=1e-3)
    assert alignment.movies.tolist() == alignment.tracks.tolist()


def test_partners_of_one_film_are_no_counterexamples_to_each_other(world: World) -> None:
    many = np.array([[0, song] for song in range(50)])
    alone, together = world.fit(one_pair()), world.fit(many)
    np.testing.assert_allclose(together.movies, alone.movies, atol=1e-3)
    np.testing.assert_allclose(together.tracks, alone.tracks, atol=1e-3)


def test_only_the_strongest_directions_are_kept(world: World) -> None:
    whole, cut = world.fit(one_pair()), world.fit(one_pair(), dimension=3)
    assert cut.movies.shape == (SHARED + LOUD, 3)
    assert cut.movies.tolist() == whole.movies[:, :3].tolist()
    # What is loud is strongest.
    assert np.all(np.abs(cut.movies[:SHARED]).max(axis=0) < np.abs(cut.movies[SHARED:]).max(axis=0))


def test_the_same_pairs_give_the_same_bytes(world: World) -> None:
    once, again = world.fit(), world.fit()
    assert once.movies.tobytes() == again.movies.tobytes()
    assert once.tracks.tobytes() == again.tracks.tobytes()
    assert once.movies.dtype == np.float16


def test_projecting_is_the_map_of_the_medium_at_length_one() -> None:
    alignment = Alignment(
        np.array([[2, 0], [0, 1]], dtype=np.float16), np.array([[0, 1], [1, 0]], dtype=np.float16)
    )
    rows = np.array([[3, 8], [0, 0]], dtype=np.float32)
    np.testing.assert_allclose(alignment.project("movies", rows), [[0.6, 0.8], [0.0, 0.0]], rtol=1e-6)
    tracks = alignment.project("tracks", np.array([[4, 3]], dtype=np.float32))
    np.testing.assert_allclose(tracks, [[0.6, 0.8]], rtol=1e-6)


# --- texts ---------------------------------------------------------------------------------------------------


def test_texts_are_mapped_nearer_to_the_works_that_suit_them() -> None:
    rng = np.random.default_rng(2)
    works = unit(rng.normal(size=(ITEMS, SHARED)))
    texts = (100 * np.concatenate([works, 0.3 * rng.normal(size=(ITEMS, LOUD))], axis=1)).astype(np.float32)
    start = (np.concatenate([np.eye(SHARED), np.ones((LOUD, SHARED))]) / 100).astype(np.float32)
    pairs = np.repeat(np.arange(KNOWN)[:, None], 2, axis=1)
    before = start.copy()
    fitted = fit_text_map(texts, start, works, pairs, np.ones(KNOWN, dtype=np.float32))
    assert start.tolist() == before.tolist()
    likeness = [
        float((unit(texts[KNOWN:] @ found) * works[KNOWN:]).sum(axis=1).mean()) for found in (start, fitted)
    ]
    assert likeness[0] < 0.7
    assert likeness[1] > 0.95


def test_one_text_alone_leaves_the_map_where_it_began() -> None:
    start = np.array([[1, 0], [0, 2], [3, 0]], dtype=np.float32)
    texts, works = np.ones((1, 3), dtype=np.float32), np.ones((1, 2), dtype=np.float32)
    found = fit_text_map(texts, start, works, one_pair(), np.ones(1, dtype=np.float32))
    np.testing.assert_allclose(found, start, atol=1e-6)
