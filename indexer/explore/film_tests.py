"""Differences and correlations between films and the features of their songs, with whole films as the unit.

The songs of a film are chosen together, so intervals come from drawing whole films and tests from permuting them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.metrics import ClusterBootstrap, Interval, interval

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_AT_ONCE = 250


@dataclass(frozen=True)
class FilmSongs:
    """The songs of films: ``film`` (p,), each pair's place among the films; ``values`` (p, k), NaN unknown."""

    film: npt.NDArray[np.int64]
    values: Floats

    @property
    def films(self) -> int:
        """Number of films, those without a pair at the end not counted."""
        return int(self.film.max()) + 1 if len(self.film) else 0

    def sums(self) -> tuple[Floats, Floats]:
        """Known values of each film: counts and sums, both (films, k)."""
        known = ~np.isnan(self.values)
        filled = np.where(known, self.values, 0.0)
        counts = [np.bincount(self.film, k, self.films) for k in known.T.astype(np.float64)]
        sums = [np.bincount(self.film, v, self.films) for v in filled.T]
        return np.stack(counts, axis=1), np.stack(sums, axis=1)

    def only(self, films: Mask) -> FilmSongs:
        """The pairs of some of the films (films,), which are numbered anew in the same order."""
        kept = films[self.film]
        places = np.cumsum(films) - 1
        return FilmSongs(places[self.film[kept]], self.values[kept])


def permutation_p(labels: Floats, songs: FilmSongs, draws: int, seed: int) -> Floats:
    """Two-sided p (l, k) of no link between film labels (l, films) and features, by permuting whole films.

    A film keeps its songs and is given another film's label (Fisher 1935); the statistic is the correlation over
    pairs, which orders a 0/1 label as the difference of means does. (1 + as large or larger) / (1 + draws).
    """
    counts, sums = songs.sums()
    total, total_sum = counts.sum(axis=0), sums.sum(axis=0)

    def strength(shuffled: Floats) -> Floats:
        mean = (shuffled @ counts) / total
        spread = (shuffled**2) @ counts - total * mean**2
        covered = shuffled @ sums - mean * total_sum
        # Labels without spread (all alike) have no strength whichever way films are permuted.
        strengths: Floats = np.divide(
            np.abs(covered), np.sqrt(np.maximum(spread, 0.0)), where=spread > 1e-9, out=spread * 0
        )
        return strengths

    seen = strength(labels) * (1.0 - 1e-9)
    rng = np.random.default_rng(seed)
    larger = np.zeros(seen.shape)
    done = 0
    while done < draws:
        some = min(_AT_ONCE, draws - done)
        orders = rng.permuted(np.tile(np.arange(labels.shape[1]), (some, 1)), axis=1)
        shuffled = labels[:, orders].transpose(1, 0, 2)
        larger += (strength(shuffled) >= seen).sum(axis=0)
        done += some
    return np.asarray((1.0 + larger) / (1.0 + draws))


def difference(bootstrap: ClusterBootstrap, inside: Mask, values: Floats) -> Interval:
    """Mean of ``values`` (p,) over pairs inside less that over the others (p,), with the interval of drawn films."""
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    within, without = (known & inside).astype(np.float64), (known & ~inside).astype(np.float64)
    totals = bootstrap.totals(np.stack([within * filled, within, without * filled, without], axis=1))
    value = float(values[known & inside].mean() - values[known & ~inside].mean())
    # A draw that holds no film of one side says nothing about it.
    told = totals[(totals[:, 1] > 0) & (totals[:, 3] > 0)]
    return interval(value, told[:, 0] / told[:, 1] - told[:, 2] / told[:, 3])


def correlation(bootstrap: ClusterBootstrap, labels: Floats, values: Floats) -> Interval:
    """Pearson's r over pairs of the film's label (p,) and the song's value (p,), with the interval of drawn films.

    The caller leaves out pairs with unknown labels; unknown values count nowhere. NaN where either is constant.
    """
    known = (~np.isnan(values)).astype(np.float64)
    centre, scale = np.nanmean(values), max(float(np.nanstd(values)), 1e-12)
    b = np.where(known > 0, (values - centre) / scale, 0.0)
    a = labels - labels.mean()
    columns = np.stack([known, known * a, b, known * a * a, b * b, a * b], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = _from_sums(columns.sum(axis=0, keepdims=True))[0]
        drawn = _from_sums(bootstrap.totals(columns))
    drawn = drawn[np.isfinite(drawn)]
    return interval(float(value), drawn) if len(drawn) else Interval(float(value), float("nan"), float("nan"))


def _from_sums(sums: Floats) -> Floats:
    n, a, b, aa, bb, ab = sums.T
    return np.asarray((ab - a * b / n) / np.sqrt((aa - a * a / n) * (bb - b * b / n)))
