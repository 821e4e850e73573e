"""The relevance card: what a build finds out about itself on the known soundtrack pairs that its user gave.

Pairs are ranked in the whole gallery by what is known of their films and songs otherwise. A soundtrack pair need not
feel alike, so this is the second measure; the first are judgements (see ``indexer.judgements``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer import metrics
from indexer.catalogue.records import Medium, other_medium
from indexer.space import MEDIA, Space

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

#: Fewer pairs than this tell too little, and pairs of fewer films.
LEAST_PAIRS = 50
LEAST_FILMS = 5
#: An item's bias is the mean of its highest similarities to a bank of items of the other medium.
_BANK, _BANK_TOP = 3000, 10
_LISTS, _LIST_LENGTH = 1000, 10


class Scorer:
    """Raw scores between items: inner products of the vectors."""

    def __init__(self, space: Space, vectors: Mapping[Medium, Floats]) -> None:
        self._space, self._vectors = space, vectors

    def scores(self, source: Medium, rows: Rows, target: Medium) -> Floats:
        """Scores (rows, items of target) float32."""
        asked = self._space.queries(self._vectors[source][rows])
        scores: Floats = asked @ self._vectors[target].T
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


def make_card(scorer: Scorer, pairs: Rows, counts: Mapping[Medium, int], seed: int) -> dict[str, Any]:
    """The card of pairs (n, 2) of film and song rows: plain JSON values, each with its gallery and 95 % interval."""
    bootstrap = metrics.ClusterBootstrap(pairs[:, 0], draws=500, seed=seed)
    rng = np.random.default_rng(seed)
    card: dict[str, Any] = {"pairs": len(pairs), "films": len(np.unique(pairs[:, 0]))}
    names: dict[Medium, str] = {"movies": "song_to_film", "tracks": "film_to_song"}
    for medium, name in names.items():
        source = other_medium(medium)
        wanted, given = (pairs[:, 0], pairs[:, 1]) if medium == "movies" else (pairs[:, 1], pairs[:, 0])
        ranks = np.zeros(len(pairs))
        for start in range(0, len(pairs), 200):
            some = slice(start, start + 200)
            asked, place = np.unique(given[some], return_inverse=True)
            ranks[some] = metrics.rank_of(scorer.scores(source, asked, medium), wanted[some], place)
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
        }
    return card


def _interval(figure: metrics.Interval) -> dict[str, float]:
    return {"value": round(figure.value, 4), "low": round(figure.low, 4), "high": round(figure.high, 4)}
