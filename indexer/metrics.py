"""Pure measures of ranked lists, scores and labels, with intervals and tests; ``docs/evaluation.md`` defines each.

Ranks start at 1 and a score is better when higher. Pairs are flat arrays of length p; lists are (lists, k) item rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]
Floats64 = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

#: The ends of a 95 % interval.
_TAILS = (0.025, 0.975)
#: Draws are worked through in blocks of about this many cells, so that memory stays flat.
_BLOCK_CELLS = 4_000_000


# --- ranks ---------------------------------------------------------------------------------------------------


def rank_of(scores: Numbers, columns: Numbers, rows: Numbers | None = None) -> Floats64:
    """Ranks (p,) of ``columns`` (p,) in the rows ``rows`` (p,; by default 0…q−1) of ``scores`` (q, n).

    Tied items all get the mean rank of their group, so that constant scores earn nothing.
    Raises ``ValueError`` for NaN, which would otherwise compare as the best score of all.
    """
    if scores.size and np.isnan(scores.min()):
        raise ValueError("scores hold NaN")
    where = np.arange(len(columns)) if rows is None else rows
    ranks = np.empty(len(columns))
    for i, (row, column) in enumerate(zip(where.tolist(), columns.tolist(), strict=True)):
        line, score = scores[row], scores[row, column]
        above = np.count_nonzero(line > score)
        tied = np.count_nonzero(line == score)
        ranks[i] = above + (tied + 1) / 2
    return ranks


def top_rows(scores: Numbers, k: int) -> Rows:
    """The ``k`` best columns of each row of ``scores`` (q, n), best first, ties by column: (q, min(k, n)) int64."""
    k = min(k, scores.shape[1])
    best = np.empty((len(scores), k), dtype=np.int64)
    for i, line in enumerate(scores):
        last = np.partition(line, -k)[-k]
        above = np.flatnonzero(line > last)
        chosen = np.concatenate([above, np.flatnonzero(line == last)[: k - len(above)]])
        best[i] = chosen[np.argsort(-line[chosen], kind="stable")]
    return best


def recall_at(ranks: Numbers, k: int) -> Floats64:
    """Per pair 1.0 where the rank is at most ``k``, else 0.0; the mean is R@k."""
    return (np.asarray(ranks) <= k).astype(np.float64)


def reciprocal_rank(ranks: Numbers) -> Floats64:
    """Per pair 1 / rank; the mean is the MRR."""
    return 1.0 / np.asarray(ranks, dtype=np.float64)


def ndcg_at(ranks: Numbers, queries: Numbers, k: int = 10) -> Floats64:
    """nDCG@k (Järvelin and Kekäläinen 2002) per query, binary gains, in the order of ``np.unique(queries)``.

    ``ranks`` (p,) of the relevant items, ``queries`` (p,) the query each belongs to.
    """
    _, query, sizes = np.unique(queries, return_inverse=True, return_counts=True)
    ranks = np.asarray(ranks, dtype=np.float64)
    gains = np.where(ranks <= k, 1.0 / np.log2(ranks + 1.0), 0.0)
    ideal = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(1, k + 1) + 1.0))])
    # Mean ranks of a tied group could add up to a hair more than the ideal order.
    reached: Floats64 = np.bincount(query, weights=gains) / ideal[np.minimum(sizes, k)]
    return np.minimum(reached, 1.0, out=reached)


def rank_percentile(ranks: Numbers, items: int) -> Floats64:
    """100 · (rank − 1) / (items − 1): 0 is first, 100 last, 50 what chance gives. A gallery of one gives 50."""
    ranks = np.asarray(ranks, dtype=np.float64)
    return np.full(ranks.shape, 50.0) if items == 1 else 100.0 * (ranks - 1.0) / (items - 1)


@dataclass(frozen=True)
class PopularityPeers:
    """Which items count as similarly popular; those of unknown popularity are a group of their own."""

    order: Rows
    place: Rows
    unknown: Rows
    size: int

    @classmethod
    def of(cls, popularity: Numbers, share: float = 0.05) -> PopularityPeers:
        """From ``popularity`` (n,), NaN unknown: a group is the ``share`` of known items nearest in its order.

        It has two items at least; equal popularity is ordered by row.
        """
        values = np.asarray(popularity, dtype=np.float64)
        order = np.argsort(values, kind="stable")[: np.count_nonzero(~np.isnan(values))]
        place = np.full(len(values), -1, dtype=np.int64)
        place[order] = np.arange(len(order))
        size = min(len(order), max(2, round(share * len(order))))
        return cls(order, place, np.flatnonzero(place < 0), size)

    def around(self, item: int) -> Rows:
        """Rows of the group of ``item``, itself among them; at either end of the order the group is moved inwards."""
        place = int(self.place[item])
        if place < 0:
            return self.unknown
        start = min(max(place - self.size // 2, 0), len(self.order) - self.size)
        return self.order[start : start + self.size]


def peer_percentile(line: Numbers, item: int, peers: PopularityPeers) -> float:
    """Rank percentile of ``item`` among its peers only, in one query's scores ``line`` (n,)."""
    group = peers.around(item)
    rank = rank_of(line[group][None], np.flatnonzero(group == item))
    return float(rank_percentile(rank, len(group))[0])


# --- lists ---------------------------------------------------------------------------------------------------


def occurrences(lists: Rows, items: int) -> Rows:
    """How many lists hold each of ``items`` items: (items,) int64; a list holds an item once at most."""
    return np.bincount(lists.ravel(), minlength=items)


def distinct_per_slot(lists: Rows) -> float:
    """Different items over all slots, lists · k: 1 when no item comes twice (10,000 slots for 1,000 lists of ten)."""
    return len(np.unique(lists)) / lists.size


def distinct_by_position(lists: Rows) -> float:
    """The same within each position (all first places, all second places …), averaged over the k positions."""
    return float(np.mean([len(np.unique(column)) / len(column) for column in lists.T]))


def distinct_if_random(lists: int, k: int, items: int) -> float:
    """``distinct_per_slot`` expected of lists drawn at random: items · (1 − (1 − k/items)^lists) / (lists · k)."""
    return items * (1.0 - (1.0 - min(k, items) / items) ** lists) / (lists * min(k, items))


def largest_hub(counts: Rows, lists: int) -> float:
    """Share of lists that hold the commonest item, from ``occurrences``."""
    return float(counts.max()) / lists


def gini(counts: Numbers) -> float:
    """Gini coefficient of counts over the whole gallery: 0 all alike, towards 1 one item has all."""
    ordered = np.sort(np.asarray(counts, dtype=np.float64))
    n, total = len(ordered), ordered.sum()
    if total == 0:
        raise ValueError("the Gini coefficient of nothing but zeros is not defined")
    return float(2.0 * (np.arange(1, n + 1) @ ordered) / (n * total) - (n + 1) / n)


def skewness(counts: Numbers) -> float:
    """Third standardised moment of k-occurrences (Radovanović, Nanopoulos and Ivanović 2010); 0 when all are equal."""
    spread = np.asarray(counts, dtype=np.float64) - np.mean(counts)
    deviation = float(np.sqrt(np.mean(spread**2)))
    return float(np.mean(spread**3)) / deviation**3 if deviation > 0 else 0.0


def intra_list_diversity(lists: Rows, vectors: Numbers) -> Floats64:
    """Per list the mean of 1 − cosine over its pairs of members (Ziegler et al. 2005): (lists,) float64.

    ``vectors`` (items, d). A zero vector is missing data, not a direction: it takes part in no pair, and a list
    with fewer than two members left is NaN.
    """
    diversity = np.full(len(lists), np.nan)
    for i, members in enumerate(lists):
        chosen = np.asarray(vectors[members], dtype=np.float64)
        lengths = np.linalg.norm(chosen, axis=1)
        unit = chosen[lengths > 0] / lengths[lengths > 0, None]
        pairs = len(unit) * (len(unit) - 1)
        if pairs:
            diversity[i] = 1.0 - (np.sum(unit.sum(axis=0) ** 2) - len(unit)) / pairs
    return diversity


# --- probabilities and labels --------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReliabilityBin:
    """One bin of a reliability curve: mean probability said, rate observed, count, and its share of the weight."""

    mean: float
    rate: float
    count: int
    weight: float


def equal_prior_weights(labels: Numbers) -> Floats64:
    """Weights (p,) that give true and false examples one half each of a total of 1."""
    true = np.asarray(labels, dtype=bool)
    if true.all() or not true.any():
        raise ValueError("equal priors need true and false examples")
    return np.where(true, 0.5 / np.count_nonzero(true), 0.5 / np.count_nonzero(~true))


def reliability_curve(
    probabilities: Numbers, labels: Numbers, weights: Numbers | None = None, bins: int = 15
) -> list[ReliabilityBin]:
    """Bins of equal width over [0, 1], empty ones left out; the last one is closed at 1."""
    said = np.asarray(probabilities, dtype=np.float64)
    if len(said) == 0 or not (said.min() >= 0.0 and said.max() <= 1.0):
        raise ValueError("probabilities must lie in [0, 1]")
    weight = np.ones(len(said)) if weights is None else np.asarray(weights, dtype=np.float64)
    weight = weight / weight.sum()
    bin_of = np.minimum((said * bins).astype(np.int64), bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    mass, mean, rate = (
        np.bincount(bin_of, weights=weight * each, minlength=bins)
        for each in (np.ones(len(said)), said, np.asarray(labels, dtype=np.float64))
    )
    return [
        ReliabilityBin(float(mean[b] / mass[b]), float(rate[b] / mass[b]), int(counts[b]), float(mass[b]))
        for b in np.flatnonzero(mass > 0)
    ]


def expected_calibration_error(
    probabilities: Numbers, labels: Numbers, weights: Numbers | None = None, bins: int = 15
) -> float:
    """ECE (Guo et al. 2017): the weighted mean gap between probability said and rate observed, equal-width bins."""
    curve = reliability_curve(probabilities, labels, weights, bins)
    return sum(each.weight * abs(each.mean - each.rate) for each in curve)


def auc(scores: Numbers, labels: Numbers) -> float:
    """Area under the ROC curve: the chance that a true example scores above a false one, ties half (Mann–Whitney)."""
    true = np.asarray(labels, dtype=bool)
    positives, negatives = np.count_nonzero(true), np.count_nonzero(~true)
    if not positives or not negatives:
        raise ValueError("AUC needs true and false examples")
    _, group, sizes = np.unique(np.asarray(scores), return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(sizes) - (sizes - 1) / 2
    above = mean_ranks[group][true].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def r_squared(actual: Numbers, predicted: Numbers) -> float:
    """Share of variance explained: 1 − Σ(actual − predicted)² / Σ(actual − mean)²; below 0 when worse than the mean."""
    truth = np.asarray(actual, dtype=np.float64)
    total = np.sum((truth - truth.mean()) ** 2)
    if total == 0:
        raise ValueError("R² of constant labels is not defined")
    return float(1.0 - np.sum((truth - np.asarray(predicted, dtype=np.float64)) ** 2) / total)


# --- intervals and tests -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


class ClusterBootstrap:
    """Resamples whole clusters (films) with replacement; the same draws serve every figure, so methods stay paired.

    Percentile intervals (Efron and Tibshirani 1993) at 95 %. ``clusters`` (p,): the cluster of each pair.
    """

    def __init__(self, clusters: Numbers, draws: int = 1000, seed: int = 0) -> None:
        names, self._cluster = np.unique(clusters, return_inverse=True)
        if len(names) == 0:
            raise ValueError("no pairs to resample")
        self._clusters = len(names)
        rng = np.random.default_rng(seed)
        # How often each cluster is drawn: at most ``clusters`` times, in practice fewer than ten.
        self._times = np.empty((draws, len(names)), dtype=np.uint16)
        for start, stop in _blocks(draws, len(names)):
            self._times[start:stop] = rng.multinomial(
                len(names), np.full(len(names), 1.0 / len(names)), size=stop - start
            )

    def totals(self, values: Numbers) -> Floats64:
        """Sums of ``values`` (p, m) over the pairs of each draw: (draws, m) float64."""
        columns = np.asarray(values, dtype=np.float64).reshape(len(self._cluster), -1)
        sums = np.stack([np.bincount(self._cluster, c, self._clusters) for c in columns.T], axis=1)
        parts = [self._times[a:b].astype(np.float64) @ sums for a, b in _blocks(*self._times.shape)]
        return np.concatenate(parts)

    def means(self, values: Numbers, weights: Numbers | None = None) -> Floats64:
        """The weighted mean of ``values`` (p,) in every draw: (draws,)."""
        weight = np.ones(len(self._cluster)) if weights is None else np.asarray(weights, dtype=np.float64)
        totals = self.totals(np.stack([weight * values, weight], axis=1))
        return np.asarray(totals[:, 0] / totals[:, 1])

    def mean(self, values: Numbers, weights: Numbers | None = None) -> Interval:
        """The weighted mean of ``values`` (p,), each pair counting once unless ``weights`` (p,) say otherwise."""
        return interval(float(np.average(values, weights=weights)), self.means(values, weights))

    def difference(self, ours: Numbers, theirs: Numbers) -> Interval:
        """Mean of ``ours`` less mean of ``theirs``, both (p,) on the same pairs."""
        return self.mean(np.asarray(ours, dtype=np.float64) - theirs)

    def ratio(self, ours: Numbers, theirs: Numbers) -> Interval:
        """Mean of ``ours`` over mean of ``theirs``, both (p,) on the same pairs; x/0 is infinite, 0/0 is 1."""
        a, b = self.means(ours), self.means(theirs)
        return interval(float(_ratio(np.mean(ours), np.mean(theirs))), _ratio(a, b))

    def median(self, values: Numbers) -> Interval:
        """The lower median of ``values`` (p,) in each draw, around the ordinary median."""
        order = np.argsort(values, kind="stable")
        ordered, cluster = np.asarray(values, dtype=np.float64)[order], self._cluster[order]
        drawn = []
        for start, stop in _blocks(len(self._times), len(ordered)):
            reached = np.cumsum(self._times[start:stop, cluster], axis=1, dtype=np.float64)
            # The first value at which half of the draw's pairs are counted.
            drawn.append(ordered[np.argmax(reached >= reached[:, -1:] / 2, axis=1)])
        return interval(float(np.median(values)), np.concatenate(drawn))

    def statistic(self, value: float, of_pairs: Callable[[Floats64], float]) -> Interval:
        """Any figure: ``of_pairs`` gets how often each pair is drawn (p,) and is called once a draw."""
        drawn = [of_pairs(times[self._cluster].astype(np.float64)) for times in self._times]
        return interval(value, np.array(drawn))


def interval(value: float, drawn: Numbers) -> Interval:
    """``value`` with the 2.5 % and 97.5 % points of what was drawn; both are drawn values, infinity included."""
    low, high = np.quantile(drawn, _TAILS, method="inverted_cdf")
    return Interval(value, float(low), float(high))


def grouped_jackknife(
    statistic: Callable[[Rows], float], n: int, groups: int = 40, seed: int = 0
) -> Interval:
    """A figure of ``n`` lists with ± 1.96 standard errors of the delete-a-group jackknife (Kott 2001).

    ``statistic`` gets positions among the lists. For counts of different items, which a bootstrap would bias: a list
    drawn twice holds nothing new.
    """
    value = statistic(np.arange(n))
    groups = min(groups, n)
    if groups < 2:
        return Interval(value, value, value)
    group = np.random.default_rng(seed).permutation(n) % groups
    left = np.array([statistic(np.flatnonzero(group != g)) for g in range(groups)])
    error = float(np.sqrt((groups - 1) / groups * np.sum((left - left.mean()) ** 2)))
    return Interval(value, value - 1.96 * error, value + 1.96 * error)


def sign_flip_p(
    ours: Numbers, theirs: Numbers, clusters: Numbers, draws: int = 10_000, seed: int = 0
) -> float:
    """Two-sided p of no difference between two methods on the same pairs, by flipping whole clusters' signs.

    A permutation test (Fisher 1935): exact over all 2^clusters flips when they are no more than ``draws``, else
    (1 + as large or larger) / (1 + draws), which is never 0.
    """
    names, cluster = np.unique(clusters, return_inverse=True)
    sums = np.bincount(cluster, weights=np.asarray(ours, dtype=np.float64) - theirs)
    # Clusters without a difference change nothing whichever way they are flipped.
    sums = sums[sums != 0]
    reach = abs(sums.sum()) - 1e-9 * np.abs(sums).sum()
    if len(sums) < 60 and 2 ** len(sums) <= draws:
        flips = 1.0 - 2.0 * ((np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1)
        return float(np.mean(np.abs(flips @ sums) >= reach))
    rng = np.random.default_rng(seed)
    larger = 0
    for start, stop in _blocks(draws, len(names)):
        flips = rng.integers(0, 2, size=(stop - start, len(sums)), dtype=np.int8) * 2.0 - 1.0
        larger += int(np.count_nonzero(np.abs(flips @ sums) >= reach))
    return (1 + larger) / (1 + draws)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979): adjusted p-values in the order given."""
    count, highest = len(p_values), 0.0
    adjusted = [0.0] * count
    for step, i in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (count - step) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def split_pairs(
    films: Sequence[Hashable], artists: Sequence[Hashable | Collection[Hashable]], folds: int, seed: int
) -> list[tuple[Rows, Rows]]:
    """Folds disjoint in film and artist: a list of (training positions, test positions), both ascending int64.

    ``artists`` gives each pair one artist, or a tuple, list or set of several. A fold's test pairs are those of its
    share of the films; its training pairs have neither one of these films nor an artist who stands in its test pairs.
    Raises ``ValueError`` unless 2 ≤ folds ≤ films.
    """
    names = sorted(set(films), key=str)
    if not 2 <= folds <= len(names):
        raise ValueError(f"{folds} folds cannot be made of {len(names)} films")
    casts = [
        frozenset(a) if isinstance(a, tuple | list | set | frozenset) else frozenset([a]) for a in artists
    ]
    fold_of = dict(
        zip(names, (np.random.default_rng(seed).permutation(len(names)) % folds).tolist(), strict=True)
    )
    pair_fold = np.array([fold_of[film] for film in films])
    split = []
    for fold in range(folds):
        test = np.flatnonzero(pair_fold == fold)
        heard = frozenset().union(*(casts[i] for i in test))
        training = [i for i in np.flatnonzero(pair_fold != fold) if not casts[i] & heard]
        split.append((np.array(training, dtype=np.int64), test))
    return split


def _blocks(draws: int, cells: int) -> list[tuple[int, int]]:
    step = max(1, _BLOCK_CELLS // max(cells, 1))
    return [(start, min(start + step, draws)) for start in range(0, draws, step)]


def _ratio(above: Any, below: Any) -> Floats64:
    above, below = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    ratio = np.where(above > 0, np.inf, np.where(above < 0, -np.inf, 1.0))
    return np.asarray(np.divide(above, below, out=ratio, where=below != 0))
