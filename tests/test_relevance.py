"""The relevance card: biases and figures worked out by hand, and folds that never learn from what they test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from indexer import metrics, relevance
from indexer.alignment import Alignment, Floats, Pairs, Whitened
from indexer.catalogue.records import Medium
from indexer.features.film_text import FilmTextQuery
from indexer.features.names import NameTerms, SparseRows
from indexer.relevance import HeldOut, Scorer, fit_hub_bias
from indexer.score_curve import ScoreCurve
from indexer.space import Space
from indexer.sparse_index import SparseIndex

FILMS, SONGS, WIDTH = 60, 180, 8
ARTISTS = 45


def make_space(text: int = 0, learned: int = 0, learned_weight: float = 1.0) -> Space:
    sizes = {"text": text, "themes": 0, "learned": learned, "dials": 0, "hub": 1}
    weights = {"text": 1.0, "learned": learned_weight, "hub": 1.0, "names": 0.5}
    nothing = np.zeros((0, text), dtype=np.float32)
    query = FilmTextQuery(np.zeros(text, np.float32), nothing, np.zeros((0, 0), np.float32), learned=False)
    return Space(sizes, weights, np.zeros(text, dtype=np.float32), query)


def sparse(dense: Sequence[Sequence[float]]) -> SparseRows:
    table = np.array(dense, dtype=np.float32)
    rows, columns = np.nonzero(table)
    starts = np.concatenate([[0], np.cumsum(np.count_nonzero(table, axis=1))]).astype(np.int64)
    return SparseRows(starts, columns.astype(np.int32), table[rows, columns], table.shape[1])


def no_names(movies: int, tracks: int) -> SparseIndex:
    return SparseIndex.build(NameTerms(sparse([[0.0]] * movies), sparse([[0.0]] * tracks), ["never"]))


def scorer_of(movies: Sequence[float], tracks: Sequence[float]) -> tuple[Scorer, dict[Medium, int]]:
    """Items with one coordinate each, so that a score is a product."""
    space = make_space(text=1)
    given: dict[Medium, Sequence[float]] = {"movies": movies, "tracks": tracks}
    vectors = {
        medium: space.place({"text": np.array(values, dtype=np.float32)[:, None]})
        for medium, values in given.items()
    }
    counts: dict[Medium, int] = {"movies": len(movies), "tracks": len(tracks)}
    return Scorer(space, vectors, no_names(len(movies), len(tracks))), counts


# --- scores and hub bias -------------------------------------------------------------------------------------


def test_a_score_is_the_inner_product_the_hub_bias_and_the_names_shared() -> None:
    space = make_space(text=1)
    vectors: dict[Medium, Floats] = {
        "movies": np.array([[2, -0.25], [3, 0]], dtype=np.float32),
        "tracks": np.array([[5, -1.0], [7, 0]], dtype=np.float32),
    }
    names = SparseIndex.build(
        NameTerms(sparse([[1.0, 0.0], [0.0, 1.0]]), sparse([[0.0, 0.6], [0.0, 0.0]]), ["amy", "bob"])
    )
    scorer = Scorer(space, vectors, names)
    # Song 0 shares a name with film 1, worth 0.6 at weight 0.5. Only the bias of the item found counts.
    found = scorer.scores("tracks", np.array([0, 1]), "movies")
    np.testing.assert_allclose(found, [[10 - 0.25, 15 + 0.3], [14 - 0.25, 21]], rtol=1e-6)
    back = scorer.scores("movies", np.array([1]), "tracks")
    np.testing.assert_allclose(back, [[15 - 1 + 0.3, 21]], rtol=1e-6)


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


def test_the_bank_is_drawn_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relevance, "_BANK", 20)
    scorer, counts = scorer_of([1.0], [float(value) for value in range(500)])
    one, again, other = (float(fit_hub_bias(scorer, counts, seed)["movies"][0]) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    drawn = np.random.default_rng(1).choice(500, 20, replace=False)
    assert one == pytest.approx(np.sort(drawn)[10:].mean())


# --- holding out ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """Films and songs related by a rotation; a song is of one of its film's artists, now and then of a guest too."""

    space: Space
    vectors: dict[Medium, Floats]
    whitened: dict[Medium, Whitened]
    pairs: Pairs
    weak: Pairs
    casts: tuple[list[frozenset[str]], list[frozenset[str]]]

    def hold_out(self, seed: int = 0) -> HeldOut:
        names = no_names(FILMS, SONGS)
        return relevance.hold_out(
            self.space, self.vectors, self.whitened, names, self.pairs, self.weak, self.casts, seed
        )


@pytest.fixture(scope="module")
def world() -> World:
    rng = np.random.default_rng(0)
    films = rng.normal(size=(FILMS, WIDTH)).astype(np.float32)
    film_of = np.arange(SONGS) % FILMS
    rotation = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0].astype(np.float32)
    noise = np.float32(0.1) * rng.normal(size=(SONGS, WIDTH)).astype(np.float32)
    songs = films[film_of] @ rotation + noise
    whitened: dict[Medium, Whitened] = {"movies": Whitened.fit(films), "tracks": Whitened.fit(songs)}
    casts = [
        frozenset({f"artist {song % ARTISTS}"} | ({f"artist {song % 7}"} if song % 11 == 0 else set()))
        for song in range(SONGS)
    ]
    sure, unsure = np.arange(120), np.arange(120, SONGS)
    space = make_space(learned=WIDTH, learned_weight=4.0)
    vectors = {medium: np.zeros((len(w.rows), WIDTH + 1), np.float32) for medium, w in whitened.items()}
    # What hold_out replaces: an alignment that knew everything would be worth this much.
    for rows in vectors.values():
        rows[:, :WIDTH] = 99.0
    return World(
        space,
        vectors,
        whitened,
        Pairs(film_of[sure], sure, np.ones(len(sure))),
        Pairs(film_of[unsure], unsure, np.full(len(unsure), 0.8)),
        (casts[:120], casts[120:]),
    )


def test_no_fold_trains_on_a_film_or_an_artist_that_it_tests(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[Pairs] = []
    tested: list[dict[int, list[int]]] = []
    fit, rank_of = Alignment.fit, metrics.rank_of

    def spy_fit(whitened: Mapping[Medium, Whitened], pairs: Pairs, dimension: int) -> Alignment:
        trained.append(pairs)
        tested.append({FILMS: [], SONGS: []})
        return fit(whitened, pairs, dimension)

    def spy_rank(scores: Floats, columns: npt.NDArray[np.int64], rows: Any = None) -> Any:
        tested[-1][scores.shape[1]] += columns.tolist()
        return rank_of(scores, columns, rows)

    monkeypatch.setattr(Alignment, "fit", spy_fit)
    monkeypatch.setattr(metrics, "rank_of", spy_rank)
    world.hold_out()
    casts = [*world.casts[0], *world.casts[1]]
    every = {
        (film, song)
        for pairs in (world.pairs, world.weak)
        for film, song in zip(pairs.movies.tolist(), pairs.tracks.tolist(), strict=True)
    }
    assert len(trained) == 5
    for pairs, fold in zip(trained, tested, strict=True):
        films, songs = set(fold[FILMS]), fold[SONGS]
        heard = frozenset().union(*(casts[song] for song in songs))
        assert films.isdisjoint(pairs.movies.tolist())
        assert all(casts[song].isdisjoint(heard) for song in pairs.tracks.tolist())
        # All else it may learn from, and does: the sure pairs in full, the unsure ones for a little less.
        allowed = {(film, song) for film, song in every if film not in films and not casts[song] & heard}
        found = list(zip(pairs.movies.tolist(), pairs.tracks.tolist(), strict=True))
        assert set(found) == allowed
        assert len(found) == len(allowed)
        trust = np.where(pairs.tracks < 120, 1.0, 0.8)
        assert pairs.weights.tolist() == trust.tolist()
        assert any(song >= 120 for _, song in found)
    assert sorted(song for fold in tested for song in fold[SONGS]) == list(range(120))
    assert sorted(film for fold in tested for film in fold[FILMS]) == sorted(world.pairs.movies.tolist())


def test_held_out_pairs_of_a_planted_relation_come_first(world: World) -> None:
    held = world.hold_out()
    partners: dict[Medium, int] = {"movies": 1, "tracks": 3}
    for medium, songs_a_film in partners.items():
        ranks = held.ranks[medium]
        assert ranks.shape == (120,)
        # A film has three songs, all as right as one another.
        assert np.median(ranks) <= songs_a_film
        assert np.mean(ranks <= 2 * songs_a_film) > 0.9
        # At a weight of 4, likeness 1 is worth 4; random pairs are unlike as often as like.
        assert held.true_raw[medium].min() > 1.0
        assert np.median(held.true_raw[medium]) > 3.0
        assert held.true_raw[medium].max() <= 4.0001
        assert held.random_raw[medium].shape == (2400,)
        assert abs(np.median(held.random_raw[medium])) < 0.5


def test_raw_scores_are_those_of_the_fold_that_held_the_pair_out(world: World) -> None:
    held = world.hold_out()
    [train, test], *_ = metrics.split_pairs(world.pairs.movies.tolist(), world.casts[0], 5, 0)
    films = set(world.pairs.movies[test].tolist())
    heard = frozenset().union(*(world.casts[0][place] for place in test))
    kept = [
        place
        for place, film in enumerate(world.weak.movies.tolist())
        if film not in films and not world.casts[1][place] & heard
    ]
    alignment = Alignment.fit(world.whitened, world.pairs.take(train).join(world.weak.take(np.array(kept))))
    left, right = (alignment.project(medium, world.whitened[medium].rows) for medium in ("movies", "tracks"))
    for place in test.tolist():
        film, song = left[world.pairs.movies[place]], right[world.pairs.tracks[place]]
        cosine = float(film @ song) / float(np.linalg.norm(film) * np.linalg.norm(song))
        for medium in ("movies", "tracks"):
            assert held.true_raw[medium][place] == pytest.approx(4 * cosine, abs=1e-4)


def test_the_same_seed_holds_out_alike_and_leaves_the_vectors_as_they_are(world: World) -> None:
    one, again, other = world.hold_out(3), world.hold_out(3), world.hold_out(4)
    for medium in ("movies", "tracks"):
        assert one.ranks[medium].tolist() == again.ranks[medium].tolist()
        assert one.random_raw[medium].tolist() == again.random_raw[medium].tolist()
        assert one.random_raw[medium].tolist() != other.random_raw[medium].tolist()
        assert set(world.vectors[medium][:, :WIDTH].ravel().tolist()) == {99.0}


def test_curves_are_fitted_to_each_targets_own_scores() -> None:
    low, high = np.repeat([0.0, 1.0], [30, 90]), np.repeat([0.0, 1.0], [90, 30])
    nothing = np.zeros(120)
    held = HeldOut(
        {"movies": nothing, "tracks": nothing},
        {"movies": low, "tracks": low * 10},
        {"movies": high, "tracks": high * 10},
    )
    curves = relevance.fit_curves(held)
    assert curves["movies"] == ScoreCurve.fit(low, high)
    assert curves["tracks"].knots == pytest.approx((0.0, 10.0))
    assert curves["tracks"].logits == pytest.approx(curves["movies"].logits)


# --- the card ------------------------------------------------------------------------------------------------

FIGURES = {
    "gallery",
    "recall_10",
    "recall_100",
    "median_percentile",
    "largest_hub",
    "distinct_per_slot",
    "distinct_if_random",
    "calibration_error",
}


def test_the_card_by_hand() -> None:
    # 21 films and 201 songs that all agree on which are best: every list is the same.
    scorer, counts = scorer_of([1.0 + row for row in range(21)], [1.0 + row for row in range(201)])
    pairs = Pairs(np.arange(4), np.array([5, 6, 7, 8]), np.ones(4))
    flat = np.zeros(4)
    held = HeldOut(
        {"movies": np.array([1.0, 5.0, 10.0, 21.0]), "tracks": np.array([10.0, 60.0, 101.0, 201.0])},
        {"movies": flat, "tracks": flat},
        {"movies": np.zeros(80), "tracks": np.zeros(80)},
    )
    card = relevance.make_card(held, pairs, scorer, counts, seed=0)
    assert set(card) == {"pairs", "films", "folds", "song_to_film", "film_to_song"}
    assert [card["pairs"], card["films"], card["folds"]] == [4, 4, 5]
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
    # Too few to fit a curve to: the default says the same of all, and half of the weight is true.
    said = float(ScoreCurve().apply(np.zeros(1))[0])
    assert to_film["calibration_error"] == round(0.5 - said, 4)


def test_a_gallery_smaller_than_a_list_is_listed_whole() -> None:
    scorer, counts = scorer_of([1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0])
    pairs = Pairs(np.array([0, 1]), np.array([0, 1]), np.ones(2))
    ranks = np.array([1.0, 2.0])
    zeros, forty = np.zeros(2), np.zeros(40)
    held = HeldOut(
        {"movies": ranks, "tracks": ranks},
        {"movies": zeros, "tracks": zeros},
        {"movies": forty, "tracks": forty},
    )
    card = relevance.make_card(held, pairs, scorer, counts, seed=0)
    assert card["song_to_film"]["distinct_per_slot"] == 0.25
    assert card["song_to_film"]["distinct_if_random"] == 0.25
    assert card["film_to_song"]["distinct_per_slot"] == round(1 / 3, 4)


def test_the_calibration_error_is_measured_on_films_that_did_not_fit_the_curve() -> None:
    rng = np.random.default_rng(0)
    pairs = Pairs(np.arange(1200), np.arange(1200), np.ones(1200))
    true, random = rng.normal(1, 1, 1200), rng.normal(0, 1, 24_000)
    none = np.zeros(1200)
    held = HeldOut(
        {"movies": none, "tracks": none},
        {"movies": true, "tracks": np.where(pairs.movies % 2 == 0, true, true - 3)},
        {"movies": random, "tracks": random},
    )
    assert relevance._calibration_error(held, pairs, "movies") < 0.05
    # One half of the films behaves unlike the other: a curve fitted on all of them would hide it.
    assert relevance._calibration_error(held, pairs, "tracks") > 0.2
