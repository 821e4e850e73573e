"""Linear prediction of many numbers at once, kept small: ridge regression cut to its strongest directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]


@dataclass(frozen=True)
class LowRankRidge:
    """``offset`` (k,) + (rows (n, d) − ``mean`` (d,)) @ ``inner`` (d, r) @ ``outer`` (r, k).

    Reduced-rank ridge regression (Mukherjee and Zhu 2011): the ridge solution, its fitted values cut to ``r``
    principal directions.
    """

    mean: Floats
    inner: Halves
    outer: Halves
    offset: Floats

    @classmethod
    def fit(cls, rows: Floats, wanted: Floats, weights: Floats, ridge: float, rank: int) -> LowRankRidge:
        """Fit to rows (n, d) and what is ``wanted`` of them (n, k), NaN unknown and left out of its column's mean.

        ``weights`` (n,): how much each row counts; ``ridge``: penalty as a share of the mean variance times n.
        """
        share: npt.NDArray[np.float64] = (weights / weights.sum()).astype(np.float64)[:, None]
        known = ~np.isnan(wanted)
        count = np.maximum((share * known).sum(axis=0), 1e-12)
        offset = (share * np.nan_to_num(wanted)).sum(axis=0) / count
        mean = (share * rows).sum(axis=0)
        moved: npt.NDArray[np.float64] = rows.astype(np.float64) - mean
        targets = np.where(known, wanted - offset, 0.0)
        gram = (moved * share).T @ moved
        penalty = ridge * max(float(np.trace(gram)) / len(gram), 1e-12)
        solution = np.linalg.solve(gram + penalty * np.eye(len(gram)), (moved * share).T @ targets)
        fitted = np.asarray((moved * np.sqrt(share)) @ solution, dtype=np.float64)
        values, directions = np.linalg.eigh(fitted.T @ fitted)
        kept = directions[:, np.argsort(-values)[: min(rank, len(values))]]
        return cls(
            mean.astype(np.float32),
            (solution @ kept).astype(np.float16),
            kept.T.astype(np.float16),
            offset.astype(np.float32),
        )

    def predict(self, rows: Floats) -> Floats:
        """What is predicted of rows (n, d): (n, k) float32."""
        inner, outer = self.inner.astype(np.float32), self.outer.astype(np.float32)
        return np.asarray(self.offset + ((rows - self.mean) @ inner) @ outer, dtype=np.float32)
