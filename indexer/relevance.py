"""The relevance card: what a build finds out about itself on pairs it did not learn from.

Known pairs are split five ways, disjoint in film and artist (``metrics.split_pairs``); the alignment is fitted
on the training part of each fold, and the pairs kept aside are ranked in the whole gallery. The same raw scores
against those of random pairs fit the score curves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer import metrics
from indexer.alignment import Alignment, Pairs, Whitened
from indexer.catalogue.records import Medium, other_medium
from indexer.normalisation import unit
from indexer.score_curve import ScoreCurve
from indexer.space import MEDIA, Space
from indexer.sparse_index import SparseIndex

Floats = npt.NDArray[np.float32]
Floats64 = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

#: Fewer pairs than this teach and tell too little.
LEAST_PAIRS = 50
#: … and pairs of fewer films than folds cannot be split.
LEAST_FILMS = 5
_FOLDS = 5
#: Random pairs drawn for each true one.
_RANDOM_A_PAIR = 20
#: An item's bias is the mean of its highest similarities to a bank of items of the other medium.
_BANK, _BANK_TOP = 3000, 10
_ROWS_AT_ONCE = 4096
_LISTS, _LIST_LENGTH = 1000, 10


@dataclass(frozen=True)
class HeldOut:
    """Pairs kept aside, by target: ranks (p,), raw scores of the pairs (p,) and of random pairs (p · 20,)."""

    ranks: Mapping[Medium, Floats64]
    true_raw: Mapping[Medium, Floats64]
    random_raw: Mapping[Medium, Floats64]


class Scorer:
    """Raw scores between items of two media: the vectors' inner product and the names they share."""

    def __init__(self, space: Space, vectors: Mapping[Medium, Floats], names: SparseIndex) -> None:
        self._space, self._vectors, self._names = space, vectors, names

    def scores(self, source: Medium, rows: Rows, target: Medium) -> Floats:
        """Scores (rows, items of target) float32."""
        asked = self._space.queries(source, self._vectors[source][rows], target)
        scores: Floats = asked @ self._vectors[target].T
        for place, row in enumerate(rows.tolist()):
            found, values = self._names.scores(self._names.combine([(source, row)]), target)
            scores[place, found] += np.float32(self._space.names_weight) * values
        return scores


def fit_hub_bias(scorer: Scorer, counts: Mapping[Medium, int], seed: int) -> dict[Medium, Floats]:
    """Hub bias (n,) float32 of every item: the mean of its ten highest scores over a bank of 3,000 queries.

    The queries are random items of the other medium. A film that is near many songs gets a high bias, which the
    search subtracts (compare local scaling in Schnitzer et al. 2012, and CSLS in Conneau et al. 2018).
    """
    rng = np.random.default_rng(seed)
    bias = {}
    for target in MEDIA:
        source = other_medium(target)
        bank = rng.choice(counts[source], min(_BANK, counts[source]), replace=False).astype(np.int64)
        top: Floats | None = None
        for start in range(0, len(bank), 500):
            scores = scorer.scores(source, bank[start : start + 500], target)
            pool = scores if top is None else np.concatenate([top, scores])
            keep = min(_BANK_TOP, len(pool))
            top = np.partition(pool, len(pool) - keep, axis=0)[len(pool) - keep :]
        assert top is not None
        bias[target] = top.mean(axis=0, dtype=np.float32)
    return bias


def hold_out(
    space: Space,
    vectors: Mapping[Medium, Floats],
    whitened: Mapping[Medium, Whitened],
    names: SparseIndex,
    pairs: Pairs,
    weak: Pairs,
    casts: tuple[Sequence[frozenset[str]], Sequence[frozenset[str]]],
    seed: int,
) -> HeldOut:
    """Rank every pair in the whole gallery with an alignment that saw neither its film nor its artists.

    The hub bias, one number an item, is that of the finished vectors and not fitted again for each fold.

    ``vectors``: finished item vectors, of which the learned block is replaced fold by fold; ``casts``: the
    artists of each pair, and of each weak one, which only ever train.
    """
    learned = space.block("learned")
    columns = slice(learned.start, learned.stop)
    rng = np.random.default_rng(seed)
    rows: dict[Medium, Rows] = {"movies": pairs.movies, "tracks": pairs.tracks}
    ranks = {medium: np.zeros(len(pairs.movies)) for medium in MEDIA}
    true_raw = {medium: np.zeros(len(pairs.movies)) for medium in MEDIA}
    random_raw = {medium: np.zeros((len(pairs.movies), _RANDOM_A_PAIR)) for medium in MEDIA}
    folded = {medium: vectors[medium].copy() for medium in MEDIA}
    for train, test in metrics.split_pairs(pairs.movies.tolist(), list(casts[0]), _FOLDS, seed):
        films = set(pairs.movies[test].tolist())
        heard = frozenset().union(*(casts[0][place] for place in test))
        kept = [
            place
            for place, (film, artists) in enumerate(zip(weak.movies.tolist(), casts[1], strict=True))
            if film not in films and not artists & heard
        ]
        alignment = Alignment.fit(
            whitened,
            pairs.take(train).join(weak.take(np.array(kept, dtype=np.int64))),
            learned.stop - learned.start,
        )
        for medium in MEDIA:
            projected = unit(alignment.project(medium, whitened[medium].rows))
            folded[medium][:, columns] = projected * np.float32(np.sqrt(learned.weight))
        scorer = Scorer(space, folded, names)
        for target in MEDIA:
            source = other_medium(target)
            for start in range(0, len(test), 200):
                some = test[start : start + 200]
                asked, place = np.unique(rows[source][some], return_inverse=True)
                scores = scorer.scores(source, asked, target)
                ranks[target][some] = metrics.rank_of(scores, rows[target][some], place)
                true_raw[target][some] = scores[place, rows[target][some]]
                others = rng.integers(0, scores.shape[1], (len(some), _RANDOM_A_PAIR))
                random_raw[target][some] = np.take_along_axis(scores[place], others, axis=1)
    return HeldOut(ranks, true_raw, {medium: random_raw[medium].ravel() for medium in MEDIA})


def fit_curves(held: HeldOut) -> dict[Medium, ScoreCurve]:
    """One score curve a target, from the raw scores of pairs kept aside."""
    return {target: ScoreCurve.fit(held.true_raw[target], held.random_raw[target]) for target in MEDIA}


def make_card(
    held: HeldOut, pairs: Pairs, scorer: Scorer, counts: Mapping[Medium, int], seed: int
) -> dict[str, Any]:
    """The card: plain JSON values, every figure with its gallery; recalls and percentiles with 95 % intervals."""
    bootstrap = metrics.ClusterBootstrap(pairs.movies, draws=500, seed=seed)
    rng = np.random.default_rng(seed)
    card: dict[str, Any] = {
        "pairs": len(pairs.movies),
        "films": len(set(pairs.movies.tolist())),
        "folds": _FOLDS,
    }
    names: dict[Medium, str] = {"movies": "song_to_film", "tracks": "film_to_song"}
    for medium, name in names.items():
        source = other_medium(medium)
        ranks = held.ranks[medium]
        asked = rng.choice(counts[source], min(_LISTS, counts[source]), replace=False).astype(np.int64)
        length = min(_LIST_LENGTH, counts[medium])
        lists = np.concatenate(
            [
                metrics.top_rows(scorer.scores(source, asked[start : start + 250], medium), length)
                for start in range(0, len(asked), 250)
            ]
        )
        card[name] = {
            "gallery": counts[medium],
            "recall_10": _interval(bootstrap.mean(metrics.recall_at(ranks, 10))),
            "recall_100": _interval(bootstrap.mean(metrics.recall_at(ranks, 100))),
            "median_percentile": _interval(bootstrap.median(metrics.rank_percentile(ranks, counts[medium]))),
            "largest_hub": round(
                metrics.largest_hub(metrics.occurrences(lists, counts[medium]), len(lists)), 4
            ),
            "distinct_per_slot": round(metrics.distinct_per_slot(lists), 4),
            "distinct_if_random": round(metrics.distinct_if_random(len(lists), length, counts[medium]), 4),
            "calibration_error": round(_calibration_error(held, pairs, medium), 4),
        }
    return card


def _interval(figure: metrics.Interval) -> dict[str, float]:
    return {"value": round(figure.value, 4), "low": round(figure.low, 4), "high": round(figure.high, 4)}


def _calibration_error(held: HeldOut, pairs: Pairs, medium: Medium) -> float:
    """ECE with the curve fitted on one half of the films and measured on the other, both ways round."""
    half = np.unique(pairs.movies, return_inverse=True)[1] % 2 == 0
    both = np.repeat(half, _RANDOM_A_PAIR)
    true, random = held.true_raw[medium], held.random_raw[medium]
    scores, labels = [], []
    for side in (False, True):
        curve = ScoreCurve.fit(true[half == side], random[both == side])
        scores += [curve.apply(true[half != side]), curve.apply(random[both != side])]
        labels += [np.ones((half != side).sum()), np.zeros((both != side).sum())]
    all_labels = np.concatenate(labels)
    return metrics.expected_calibration_error(
        np.concatenate(scores), all_labels, weights=metrics.equal_prior_weights(all_labels)
    )
