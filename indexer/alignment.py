"""The learned alignment: a linear map of each medium into one space, fitted to known soundtrack pairs.

Regularised canonical correlation analysis (Hotelling 1936; Vinod 1976): both media are whitened by the
covariance of the whole catalogue, which needs no pairs, and the cross-covariance of the pairs is cut to its
strongest directions. A few hundred pairs fit it in a second, and it has no seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

DIMENSION = 64
#: Ridge as a multiple of the mean variance; chosen on public pairs (docs/relevance.md).
_RIDGE = 5.0


class Pairs(NamedTuple):
    """Known pairs as catalogue rows, and how far each is trusted: (n,) each."""

    movies: Rows
    tracks: Rows
    weights: npt.NDArray[np.float64]

    def take(self, rows: Rows | npt.NDArray[np.bool_]) -> Pairs:
        """Some of the pairs."""
        return Pairs(self.movies[rows], self.tracks[rows], self.weights[rows])

    def join(self, other: Pairs) -> Pairs:
        """These and the others."""
        return Pairs(
            np.concatenate([self.movies, other.movies]),
            np.concatenate([self.tracks, other.tracks]),
            np.concatenate([self.weights, other.weights]),
        )


@dataclass(frozen=True)
class Whitened:
    """One medium's features (n, d) float32, whitened, with the mean (d,) and map (d, d) that did it."""

    rows: Floats
    mean: Floats
    whitening: Floats

    @classmethod
    def fit(cls, features: Floats) -> Whitened:
        """Whiten by the catalogue's own covariance; a ridge keeps rare directions from being blown up."""
        mean = features.mean(axis=0, dtype=np.float64)
        centred = features - mean.astype(np.float32)
        covariance = (centred.T @ centred).astype(np.float64) / max(len(features), 1)
        values, vectors = np.linalg.eigh(covariance)
        ridge = _RIDGE * max(float(values.mean()), 1e-12)
        whitening = ((vectors / np.sqrt(np.maximum(values, 0.0) + ridge)) @ vectors.T).astype(np.float32)
        return cls(centred @ whitening, mean.astype(np.float32), whitening)


@dataclass(frozen=True)
class Alignment:
    """``maps``: medium → (d, k) float32, from whitened features to the learned block."""

    maps: Mapping[Medium, Floats]

    @classmethod
    def fit(cls, whitened: Mapping[Medium, Whitened], pairs: Pairs, dimension: int = DIMENSION) -> Alignment:
        """Fit on pairs; a film or song in many pairs (a standard, a Christmas song) counts less in each."""
        movies, tracks = whitened["movies"].rows, whitened["tracks"].rows
        often = np.bincount(pairs.movies, minlength=len(movies))[pairs.movies]
        sung = np.bincount(pairs.tracks, minlength=len(tracks))[pairs.tracks]
        weights = (pairs.weights / np.sqrt(often * sung)).astype(np.float64)
        weights /= weights.sum()
        left = tracks[pairs.tracks].astype(np.float64)
        right = movies[pairs.movies].astype(np.float64)
        u, strengths, v = _decompose((left * weights[:, None]).T, right)
        # The sign of a singular pair is arbitrary; fixing it keeps builds the same to the byte.
        signs = np.where(u[np.abs(u).argmax(axis=0), np.arange(u.shape[1])] < 0, -1.0, 1.0)
        kept = slice(0, min(dimension, len(strengths)))
        # Strengths enter squared, one half on either side: strong directions lead.
        tracks_map = (u * signs * strengths)[:, kept]
        movies_map = (v.T * signs * strengths)[:, kept]
        return cls({"tracks": tracks_map.astype(np.float32), "movies": movies_map.astype(np.float32)})

    def project(self, medium: Medium, whitened: Floats) -> Floats:
        """Learned coordinates (n, k) float32, not yet of unit length, of whitened features (n, d)."""
        projected: Floats = whitened @ self.maps[medium]
        return projected


def _decompose(
    left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Singular value decomposition of ``left @ right``, (d, p) and (p, e), by way of (p, p) where pairs are few."""
    if left.shape[1] >= min(left.shape[0], right.shape[1]):
        whole = np.linalg.svd(left @ right, full_matrices=False)
        return whole.U, whole.S, whole.Vh
    outer, inner = np.linalg.qr(left)
    other_outer, other_inner = np.linalg.qr(right.T)
    u, strengths, v = np.linalg.svd(inner @ other_inner.T, full_matrices=False)
    return outer @ u, strengths, v @ other_outer.T
