"""From raw scores to match scores: the probability that a pair with this raw score is a real soundtrack pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Floats64 = npt.NDArray[np.float64]

#: Pairs a knot stands for at least; fewer would follow noise.
_PAIRS_PER_KNOT = 60
_MOST_KNOTS = 16
#: A flat stretch still rises by this much a step, so that equal match scores mean equal raw scores.
_LEAST_RISE = 1e-4
#: Log-odds past this are all but 0 and 1 in float64, and stay there.
_LARGEST_LOGIT = 30.0


@dataclass(frozen=True)
class ScoreCurve:
    """A rising curve through ``knots`` (raw scores) and ``logits`` (log-odds there), straight past its ends.

    Strictly rising, so the order of hits never changes. The default is a logistic for a build without enough
    known pairs to fit one.
    """

    knots: tuple[float, ...] = (0.0, 1.0)
    logits: tuple[float, ...] = (-0.99, 3.73)

    def apply(self, raw: npt.NDArray[Any]) -> Floats64:
        """Match scores in (0, 1), float64, of raw scores of any shape."""
        x = np.asarray(raw, dtype=np.float64)
        logits = np.interp(x, *self._line)
        return np.asarray(1.0 / (1.0 + np.exp(-logits)), dtype=np.float64)

    @cached_property
    def _line(self) -> tuple[Floats64, Floats64]:
        """Knots and logits with the straight ends drawn on to ±``_LARGEST_LOGIT``; past those it is flat."""
        knots, logits = np.array(self.knots), np.array(self.logits)
        first = (logits[1] - logits[0]) / (knots[1] - knots[0])
        last = (logits[-1] - logits[-2]) / (knots[-1] - knots[-2])
        if logits[0] > -_LARGEST_LOGIT:
            knots = np.concatenate([[knots[0] - (logits[0] + _LARGEST_LOGIT) / first], knots])
            logits = np.concatenate([[-_LARGEST_LOGIT], logits])
        if logits[-1] < _LARGEST_LOGIT:
            knots = np.concatenate([knots, [knots[-1] + (_LARGEST_LOGIT - logits[-1]) / last]])
            logits = np.concatenate([logits, [_LARGEST_LOGIT]])
        return knots, np.clip(logits, -_LARGEST_LOGIT, _LARGEST_LOGIT)

    @classmethod
    def fit(cls, true_raw: npt.NDArray[Any], random_raw: npt.NDArray[Any]) -> ScoreCurve:
        """Fit to raw scores of held-out true pairs and of random ones, at equal priors.

        Isotonic regression (pool adjacent violators; Barlow et al. 1972; Zadrozny and Elkan 2002) over bins
        of equal shares of the equal-prior mixture, then straight lines between the bins' middles in log-odds.
        """
        true, random = np.sort(np.asarray(true_raw, float)), np.sort(np.asarray(random_raw, float))
        bins = int(min(_MOST_KNOTS, len(true) // _PAIRS_PER_KNOT))
        if bins < 2:
            return cls()
        both = np.concatenate([true, random])
        mass = np.concatenate([np.full(len(true), 0.5 / len(true)), np.full(len(random), 0.5 / len(random))])
        order = np.argsort(both, kind="stable")
        # Edges at equal shares of the equal-prior mixture: every bin has its fair part of both kinds.
        edges = np.interp(np.linspace(0, 1, bins + 1)[1:-1], np.cumsum(mass[order]), both[order])
        place_true, place_random = np.searchsorted(edges, true), np.searchsorted(edges, random)
        hits = np.bincount(place_true, minlength=bins) / len(true)
        misses = np.bincount(place_random, minlength=bins) / len(random)
        sums = np.bincount(place_true, true, minlength=bins) / len(true)
        sums += np.bincount(place_random, random, minlength=bins) / len(random)
        # Where many scores are tied, edges coincide and bins between them are empty.
        filled = hits + misses > 0
        hits, misses, sums = hits[filled], misses[filled], sums[filled]
        if len(hits) < 2:
            return cls()
        middle = sums / (hits + misses)
        # Half a pair on either side keeps a bin without misses from being certain.
        rate = (hits + 0.5 / len(true)) / (hits + misses + 1.0 / len(true))
        rate = _pool(rate, hits + misses)
        logits = np.log(rate / (1.0 - rate)) + _LEAST_RISE * np.arange(len(rate))
        return cls(tuple(float(v) for v in middle), tuple(float(v) for v in logits))

    def to_dict(self) -> dict[str, list[float]]:
        """Plain lists, for JSON."""
        return {"knots": list(self.knots), "logits": list(self.logits)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Sequence[float]]) -> ScoreCurve:
        """Back from ``to_dict``. Raises ``KeyError`` or ``ValueError`` where it is not a rising curve."""
        knots, logits = tuple(map(float, plain["knots"])), tuple(map(float, plain["logits"]))
        rising = all(a < b for values in (knots, logits) for a, b in pairwise(values))
        if len(knots) != len(logits) or len(knots) < 2 or not rising:
            raise ValueError("a score curve needs two or more rising knots")
        return cls(knots, logits)


def _pool(rate: Floats64, weight: Floats64) -> Floats64:
    """Pool adjacent violators: the nearest rising sequence in weighted least squares."""
    values: list[float] = []
    weights: list[float] = []
    sizes: list[int] = []
    for value, mass in zip(rate.tolist(), weight.tolist(), strict=True):
        values.append(value)
        weights.append(max(mass, 1e-12))
        sizes.append(1)
        while len(values) > 1 and values[-2] >= values[-1]:
            total = weights[-2] + weights[-1]
            values[-2] = (values[-2] * weights[-2] + values[-1] * weights[-1]) / total
            weights[-2] = total
            sizes[-2] += sizes[-1]
            values.pop(), weights.pop(), sizes.pop()
    return np.repeat(values, sizes).astype(np.float64)
