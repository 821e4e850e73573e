"""The evaluation run: methods against known pairs, over whole galleries (see ``docs/evaluation.md``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from indexer import metrics
from indexer.catalogue.records import Medium
from indexer.errors import InputError, UnsupportedQuery
from indexer.evaluation_pairs import Pairs
from indexer.evaluation_results import (
    Calibration,
    Comparison,
    Direction,
    Evaluation,
    ListFigures,
    Settings,
    Unsupported,
)
from indexer.metrics import ClusterBootstrap, Interval

Floats = npt.NDArray[np.float32]
Floats64 = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

DIRECTIONS: tuple[tuple[Medium, Medium], ...] = (("tracks", "movies"), ("movies", "tracks"))
CUTS = (1, 10, 100)
#: The commonest items whose share of lists is told one by one.
_MOST_COMMON = 20


class Scorer(Protocol):
    """What is evaluated: anything with a method's ``scores``."""

    def scores(self, source: Medium, rows: Rows, target: Medium) -> Floats:
        """Score all items of ``target`` for each of ``rows``: (rows, items) float32; may raise ``UnsupportedQuery``."""
        ...


@dataclass(frozen=True)
class Gallery:
    """All items of one medium: ``popularity`` (n,), NaN unknown, and ``vectors`` (n, d) for intra-list diversity.

    Popularity is the vote count for films and the source's popularity for songs; a zero vector is a missing one.
    """

    popularity: npt.NDArray[Any]
    vectors: npt.NDArray[Any]

    @property
    def items(self) -> int:
        """How many items are ranked."""
        return len(self.popularity)


def evaluate(
    methods: Mapping[str, Scorer],
    pairs: Pairs,
    galleries: Mapping[Medium, Gallery],
    settings: Settings | None = None,
    calibrate: Mapping[str, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] | None = None,
) -> Evaluation:
    """Rank every item of the other medium for each side of ``pairs``, by every method.

    ``calibrate``: method → raw scores to probabilities, for the methods that claim to give any. Raises
    ``InputError`` without pairs or methods, ``ValueError`` where a method gives NaN or the wrong shape.
    """
    settings = settings or Settings()
    if not len(pairs.movie_rows) or not methods:
        raise InputError("nothing to evaluate: no pairs or no methods")
    bootstrap = ClusterBootstrap(pairs.movie_rows, settings.draws, settings.seed)
    reference = settings.reference if settings.reference in methods else next(iter(methods))
    directions: list[Direction | Unsupported] = []
    comparisons: list[Comparison] = []
    for source, target in DIRECTIONS:
        hits: dict[str, Floats64] = {}
        for name, method in methods.items():
            try:
                ranked = _rank(name, method, source, target, pairs, galleries, settings)
            except UnsupportedQuery as error:
                directions.append(Unsupported(name, source, target, galleries[target].items, str(error)))
                continue
            hits[name] = metrics.recall_at(ranked.ranks, 10)
            probability = (calibrate or {}).get(name)
            calibration = _calibration(ranked, probability, pairs, settings) if probability else None
            directions.append(_direction(name, source, target, ranked, galleries, bootstrap, calibration))
        if reference in hits:
            ours = hits.pop(reference)
            comparisons += [
                Comparison(
                    name,
                    reference,
                    source,
                    target,
                    galleries[target].items,
                    "recall@10",
                    len(ours),
                    bootstrap.difference(ours, theirs),
                    bootstrap.ratio(ours, theirs),
                    metrics.sign_flip_p(ours, theirs, pairs.movie_rows, settings.flips, settings.seed),
                    p_holm=1.0,
                )
                for name, theirs in hits.items()
            ]
    # One family for the whole run: both directions together.
    corrected = metrics.holm([each.p for each in comparisons])
    counts = {
        "pairs": len(pairs.movie_rows),
        "movies": len(np.unique(pairs.movie_rows)),
        "tracks": len(np.unique(pairs.track_rows)),
        **pairs.counts,
    }
    return Evaluation(
        settings,
        {medium: gallery.items for medium, gallery in galleries.items()},
        counts,
        tuple(directions),
        tuple(
            Comparison(**{**vars(each), "p_holm": p}) for each, p in zip(comparisons, corrected, strict=True)
        ),
    )


@dataclass(frozen=True)
class _Ranked:
    """Per pair (p,): query, rank, percentile among peers, raw score; the top lists; random pairs' raw scores (p,)."""

    queries: Rows
    ranks: Floats64
    peer_percentiles: Floats64
    raw: Floats64
    lists: ListFigures
    random_raw: Floats64


def _rank(
    name: str,
    method: Scorer,
    source: Medium,
    target: Medium,
    pairs: Pairs,
    galleries: Mapping[Medium, Gallery],
    settings: Settings,
) -> _Ranked:
    by_medium = {"movies": pairs.movie_rows, "tracks": pairs.track_rows}
    queries, relevant = by_medium[source], by_medium[target]
    gallery, count = galleries[target], len(queries)
    peers = metrics.PopularityPeers.of(gallery.popularity, settings.peer_share)
    ranks, peer_percentiles, raw = np.empty(count), np.empty(count), np.empty(count)
    distinct, place = np.unique(queries, return_inverse=True)
    for start, scores in _scored(name, method, source, distinct, target, gallery.items, settings):
        mine = np.flatnonzero((place >= start) & (place < start + len(scores)))
        line = place[mine] - start
        ranks[mine] = metrics.rank_of(scores, relevant[mine], line)
        raw[mine] = scores[line, relevant[mine]]
        peer_percentiles[mine] = [
            metrics.peer_percentile(scores[row], int(item), peers)
            for row, item in zip(line, relevant[mine], strict=True)
        ]
    # The same random queries and random pairs for every method.
    rng = np.random.default_rng([settings.seed, DIRECTIONS.index((source, target))])
    size = galleries[source].items
    chosen = np.sort(rng.choice(size, min(settings.random_queries, size), replace=False))
    at_random = rng.integers(gallery.items, size=count)
    of_query = rng.permutation(count) % len(chosen)
    random_raw = np.empty(count)
    tops = []
    for start, scores in _scored(name, method, source, chosen, target, gallery.items, settings):
        mine = np.flatnonzero((of_query >= start) & (of_query < start + len(scores)))
        random_raw[mine] = scores[of_query[mine] - start, at_random[mine]]
        tops.append(metrics.top_rows(scores, settings.list_length))
    figures = _list_figures(np.concatenate(tops), gallery, settings)
    return _Ranked(queries, ranks, peer_percentiles, raw, figures, random_raw)


def _scored(
    name: str, method: Scorer, source: Medium, rows: Rows, target: Medium, items: int, settings: Settings
) -> Any:
    """Yield (start, scores) over chunks of ``rows``, few enough at a time to hold."""
    step = max(1, settings.cells // items)
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        scores = method.scores(source, some, target)
        if scores.shape != (len(some), items):
            raise ValueError(f"{name}: scores of shape {scores.shape}, expected {(len(some), items)}")
        if np.isnan(scores.min()):
            raise ValueError(f"{name}: scores hold NaN")
        yield start, scores


def _list_figures(lists: Rows, gallery: Gallery, settings: Settings) -> ListFigures:
    count, length = lists.shape
    shares = np.sort(metrics.occurrences(lists, gallery.items))[::-1][:_MOST_COMMON] / count
    known = metrics.intra_list_diversity(lists, gallery.vectors)
    known = known[~np.isnan(known)]

    def figure(statistic: Callable[[Rows], float]) -> Interval:
        return metrics.grouped_jackknife(lambda chosen: statistic(lists[chosen]), count, seed=settings.seed)

    def counted(measure: Callable[[Rows], float]) -> Interval:
        return figure(lambda some: measure(metrics.occurrences(some, gallery.items)))

    return ListFigures(
        count,
        length,
        gallery.items,
        figure(metrics.distinct_per_slot),
        metrics.distinct_if_random(count, length, gallery.items),
        figure(metrics.distinct_by_position),
        figure(lambda some: metrics.largest_hub(metrics.occurrences(some, gallery.items), len(some))),
        counted(metrics.gini),
        counted(metrics.skewness),
        metrics.grouped_jackknife(lambda chosen: float(known[chosen].mean()), len(known), seed=settings.seed)
        if len(known)
        else None,
        tuple(float(share) for share in shares if share > 0),
    )


def _direction(
    name: str,
    source: Medium,
    target: Medium,
    ranked: _Ranked,
    galleries: Mapping[Medium, Gallery],
    bootstrap: ClusterBootstrap,
    calibration: Calibration | None,
) -> Direction:
    _, query, sizes = np.unique(ranked.queries, return_inverse=True, return_counts=True)
    # Each query counts once: its pairs share its weight.
    ndcg = metrics.ndcg_at(ranked.ranks, ranked.queries, 10)[query]
    items = galleries[target].items
    return Direction(
        name,
        source,
        target,
        items,
        len(ranked.ranks),
        len(sizes),
        {str(k): bootstrap.mean(metrics.recall_at(ranked.ranks, k)) for k in CUTS},
        bootstrap.mean(metrics.reciprocal_rank(ranked.ranks)),
        bootstrap.mean(ndcg, weights=1.0 / sizes[query]),
        bootstrap.median(metrics.rank_percentile(ranked.ranks, items)),
        bootstrap.median(ranked.peer_percentiles),
        ranked.lists,
        calibration,
    )


def _calibration(
    ranked: _Ranked,
    probability: Callable[[npt.NDArray[Any]], npt.NDArray[Any]],
    pairs: Pairs,
    settings: Settings,
) -> Calibration:
    said = np.asarray(probability(np.concatenate([ranked.raw, ranked.random_raw])), dtype=np.float64)
    count = len(ranked.raw)
    true = np.repeat([True, False], count)
    weights = metrics.equal_prior_weights(true)
    # A random pair goes with the film of the true pair it stands beside, so that priors stay equal in each draw.
    bootstrap = ClusterBootstrap(np.tile(pairs.movie_rows, 2), settings.draws, settings.seed)

    def error(bins: int) -> Interval:
        return bootstrap.statistic(
            metrics.expected_calibration_error(said, true, weights, bins),
            lambda times: metrics.expected_calibration_error(said, true, weights * times, bins),
        )

    curve = tuple(metrics.reliability_curve(said, true, weights, 10))
    return Calibration(count, count, error(15), error(10), curve)
