"""From raw scores to match scores: the chance that somebody who knows both works calls this a good match."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Floats64 = npt.NDArray[np.float64]

#: Judged answers that a knot stands for at least; fewer would follow noise.
_ANSWERS_PER_KNOT = 60
_MOST_KNOTS = 8
#: A flat stretch still rises by this much a step, so that equal match scores mean equal raw scores.
_LEAST_RISE = 1e-4
#: Log-odds past this are all but 0 and 1 in float64, and stay there.
_LARGEST_LOGIT = 30.0


@dataclass(frozen=True)
class ScoreCurve:
    """A rising curve through ``knots`` (raw scores) and ``logits`` (log-odds there), straight past its ends.

    Strictly rising, so the order of hits never changes. The default is a logistic for answers of which
    too few were judged.
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
    def fit(cls, raw: npt.NDArray[Any], good: npt.NDArray[Any]) -> ScoreCurve:
        """Fit to raw scores (n,) of judged answers and whether each is ``good``; the default where there are too few.

        Isotonic regression (pool adjacent violators; Barlow et al. 1972; Zadrozny and Elkan 2002) over bins of equal
        numbers of answers, then straight lines between the bins' middles in log-odds.
        """
        raw, good = np.asarray(raw, dtype=np.float64), np.asarray(good, dtype=np.float64)
        bins = int(min(_MOST_KNOTS, len(raw) // _ANSWERS_PER_KNOT))
        if bins < 2:
            return cls()
        parts = np.array_split(np.argsort(raw, kind="stable"), bins)
        middle = np.array([raw[part].mean() for part in parts])
        # Half an answer on either side keeps a bin without misses from being certain.
        rate = np.array([(good[part].sum() + 0.5) / (len(part) + 1.0) for part in parts])
        rate = _pool(rate, np.array([float(len(part)) for part in parts]))
        kept = np.concatenate([[True], np.diff(middle) > 0])
        if kept.sum() < 2:
            return cls()
        logits = np.log(rate / (1.0 - rate)) + _LEAST_RISE * np.arange(len(rate))
        return cls(tuple(middle[kept].tolist()), tuple(logits[kept].tolist()))

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
