"""A linear map to fewer numbers that keeps what queries can tell apart.

Query-aware reduction after LeanVec (Tepper et al. 2023, arXiv:2312.16335): queries and items have their own
distributions, so the directions kept are those in which the inner product itself varies, that is the leading
eigenvectors of Q^½ X Q^½ for the second moments Q of the queries and X of the items. Items are taken around their
mean, which moves all scores of a query alike and changes no order.

The kept directions differ in spread by a factor of a hundred, and a code spends as many bits on each. So the map is
turned at random before vectors are coded: inner products stay what they are, and every coded number comes to spread
alike (as for RaBitQ, Gao and Long 2024, and before it Jégou et al. 2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.vector_index.base import Floats

#: Added to both moments, as a share of their mean variance: a direction no query of the sample used is not lost.
_RIDGE = 1e-3
_CHUNK = 65_536
#: The moments of this many items, evenly spread, stand for those of all.
_SAMPLE = 200_000


@dataclass(frozen=True)
class Projection:
    """Maps (d, r) float32 of items and of queries, and the items' mean (d,), taken off before the map.

    Inner products of mapped vectors approximate those of the vectors, but for a constant of each query.
    """

    mean: Floats
    item_map: Floats
    query_map: Floats

    @classmethod
    def fit(cls, vectors: Floats, queries: Floats, dimension: int) -> Projection:
        """Fit to items (n, d) and sampled queries (m, d), each of which counts the same whatever its length."""
        sample = vectors[:: max(1, len(vectors) // _SAMPLE)]
        mean: npt.NDArray[np.float64] = np.asarray(np.mean(sample, axis=0, dtype=np.float64))
        lengths = np.linalg.norm(queries.astype(np.float64), axis=1, keepdims=True)
        asked = queries[lengths[:, 0] > 0] / lengths[lengths[:, 0] > 0]
        root, inverse_root = _roots(_ridged(asked.T @ asked / max(len(asked), 1)))
        spread = root @ _ridged(_moment(sample, mean)) @ root
        values, axes = np.linalg.eigh((spread + spread.T) / 2)
        kept = np.argsort(-values, kind="stable")[:dimension]
        axes = axes[:, kept]
        # The sign of an eigenvector is arbitrary; fix it, so that a fit is repeatable.
        axes *= np.where(axes[np.abs(axes).argmax(axis=0), np.arange(len(kept))] < 0, -1.0, 1.0)
        # Both sides get the same spread in every direction, so that an error in either costs alike.
        scale = np.maximum(values[kept], values[kept].max() * 1e-12) ** 0.25
        return cls(
            mean.astype(np.float32),
            np.ascontiguousarray(root @ axes / scale, dtype=np.float32),
            np.ascontiguousarray(inverse_root @ axes * scale, dtype=np.float32),
        )

    def cut(self, dimension: int) -> Projection:
        """The map to the first ``dimension`` numbers, which is the one that a fit to so many gives."""
        return Projection(
            self.mean,
            np.ascontiguousarray(self.item_map[:, :dimension]),
            np.ascontiguousarray(self.query_map[:, :dimension]),
        )

    def turned(self, seed: int) -> Projection:
        """The same map followed by a rotation drawn by ``seed``: inner products stay, all numbers spread alike."""
        size = self.item_map.shape[1]
        drawn = np.random.default_rng(seed).standard_normal((size, size))
        axes, lengths = np.linalg.qr(drawn)
        # The sign of an axis is the library's choice; fix it, so that a fit is repeatable.
        axes *= np.where(np.diag(lengths) < 0, -1.0, 1.0)
        return Projection(
            self.mean,
            np.ascontiguousarray(self.item_map @ axes, dtype=np.float32),
            np.ascontiguousarray(self.query_map @ axes, dtype=np.float32),
        )

    def place_items(self, vectors: Floats) -> Floats:
        """Mapped items (n, r)."""
        placed = np.empty((len(vectors), self.item_map.shape[1]), np.float32)
        for start in range(0, len(vectors), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            placed[chunk] = (vectors[chunk] - self.mean) @ self.item_map
        return placed


def _moment(vectors: Floats, mean: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    total = np.zeros((vectors.shape[1], vectors.shape[1]))
    for start in range(0, len(vectors), _CHUNK):
        around = vectors[start : start + _CHUNK] - mean.astype(np.float32)
        total += around.T @ around
    return total / len(vectors)


def _ridged(moment: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    size = len(moment)
    level = float(np.trace(moment)) / size
    ridged: npt.NDArray[np.float64] = moment + np.eye(size) * (_RIDGE * level if level > 0 else 1.0)
    return ridged


def _roots(moment: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    values, axes = np.linalg.eigh(moment)
    roots = np.sqrt(np.maximum(values, values.max() * 1e-12))
    return (axes * roots) @ axes.T, (axes / roots) @ axes.T
