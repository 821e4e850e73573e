"""The learned alignment: a linear map of each medium into one space, in which works that feel alike lie together.

Fitted to feel pairs by contrast: a pair's film must be nearer to its song than the other films of a batch are, and its
song nearer to its film (InfoNCE; van den Oord et al. 2018, Radford et al. 2021). Each item's share of the pairs is
taken from its score (the logQ correction; Yi et al. 2019), so that what is written about often does not come first
for that. Adam (Kingma and Ba 2015) from a fixed seed: the same pairs give the same maps on one machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium
from indexer.normalisation import unit

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

DIMENSION = 96
_TEMPERATURE = 0.08
_BATCH, _EPOCHS = 1024, 14
_STEP = 2e-3
#: Pull back to the start, which is one projection for both media: what is alike in words stays alike.
_DECAY = 3e-3


@dataclass(frozen=True)
class Alignment:
    """``movies`` and ``tracks``: (d, k) float16 maps from features to the learned space."""

    movies: npt.NDArray[np.float16]
    tracks: npt.NDArray[np.float16]

    def project(self, medium: Medium, features: Floats) -> Floats:
        """Unit rows (n, k) float32 of features (n, d)."""
        projection = self.movies if medium == "movies" else self.tracks
        return unit(features @ projection.astype(np.float32))

    @classmethod
    def fit(
        cls,
        features: Mapping[Medium, Floats],
        pairs: Rows,
        weights: Floats,
        dimension: int = DIMENSION,
        seed: int = 0,
    ) -> Alignment:
        """Fit to ``pairs`` (p, 2) of film and song rows of ``features``, each of which counts by ``weights`` (p,)."""
        start = _start(features, dimension)
        maps = _contrast(
            {"movies": start, "tracks": start}, features, pairs, weights, ("movies", "tracks"), seed
        )
        return cls(maps["movies"].astype(np.float16), maps["tracks"].astype(np.float16))


def fit_text_map(
    texts: Floats, start: Floats, works: Floats, pairs: Rows, weights: Floats, seed: int = 0
) -> Floats:
    """A map (d, k) of features of texts (n, d) to where the works (m, k) lie that suit them.

    ``start`` (d, k) is where the fit begins; ``pairs`` (p, 2): rows of ``works`` and of ``texts``.
    """
    same = np.eye(works.shape[1], dtype=np.float32)
    features: dict[Medium, Floats] = {"movies": works, "tracks": texts}
    return _contrast({"movies": same, "tracks": start}, features, pairs, weights, ("tracks",), seed)["tracks"]


def _contrast(
    starts: Mapping[Medium, Floats],
    features: Mapping[Medium, Floats],
    pairs: Rows,
    weights: Floats,
    moving: tuple[Medium, ...],
    seed: int,
) -> dict[Medium, Floats]:
    """Maps fitted by contrast from ``starts``; only those of ``moving`` move."""
    rng = np.random.default_rng(seed)
    maps: dict[Medium, Floats] = {medium: start.copy() for medium, start in starts.items()}
    moments = {medium: (np.zeros_like(maps[medium]), np.zeros_like(maps[medium])) for medium in moving}
    often = [np.log(np.bincount(pairs[:, side])[pairs[:, side]] / len(pairs)) for side in (0, 1)]
    step = 0
    steps = _EPOCHS * max(1, len(pairs) // _BATCH)
    for _ in range(_EPOCHS):
        order = rng.permutation(len(pairs))
        for first in range(0, len(order) - min(_BATCH, len(order)) + 1, _BATCH):
            some = order[first : first + _BATCH]
            step += 1
            slopes = _slopes(maps, features, pairs[some], weights[some], [log[some] for log in often])
            rate = _STEP * (1.0 - step / (steps + 1))
            for medium in moving:
                slope = slopes[medium]
                slope += _DECAY * (maps[medium] - starts[medium]) / len(slope)
                mean, square = moments[medium]
                mean += 0.1 * (slope - mean)
                square += 0.001 * (slope * slope - square)
                corrected = np.sqrt(square / (1 - 0.999**step)) + 1e-8
                maps[medium] -= rate * (mean / (1 - 0.9**step)) / corrected
    return maps


def _start(features: Mapping[Medium, Floats], dimension: int) -> Floats:
    """The strongest directions of both media together (d, k), the same for both."""
    both = np.concatenate([rows[:: max(1, len(rows) // 20_000)] for rows in features.values()]).astype(
        np.float64
    )
    values, directions = np.linalg.eigh(both.T @ both / len(both))
    order = np.argsort(-values)[:dimension]
    return (directions[:, order] / np.sqrt(np.sqrt(values[order] + 1e-6))).astype(np.float32)


def _slopes(
    maps: Mapping[Medium, Floats],
    features: Mapping[Medium, Floats],
    pairs: Rows,
    weights: Floats,
    often: list[npt.NDArray[np.float64]],
) -> dict[Medium, Floats]:
    """Gradient of the loss over one batch for each map."""
    films, songs = features["movies"][pairs[:, 0]], features["tracks"][pairs[:, 1]]
    raw_films, raw_songs = films @ maps["movies"], songs @ maps["tracks"]
    film_lengths = np.linalg.norm(raw_films, axis=1, keepdims=True) + 1e-8
    song_lengths = np.linalg.norm(raw_songs, axis=1, keepdims=True) + 1e-8
    film_units, song_units = raw_films / film_lengths, raw_songs / song_lengths
    scores = song_units @ film_units.T / np.float32(_TEMPERATURE)
    # A film or song that stands twice in a batch is no counterexample to itself.
    same = (pairs[:, None, 0] == pairs[None, :, 0]) | (pairs[:, None, 1] == pairs[None, :, 1])
    np.fill_diagonal(same, False)
    scores[same] = -np.inf
    chances = _softmax(scores - often[0][None, :]) * weights[:, None]
    chances += _softmax(scores - often[1][:, None], axis=0) * weights[None, :]
    pull = (chances - 2.0 * np.diag(weights)) / (2.0 * weights.sum() * _TEMPERATURE)
    pull = pull.astype(np.float32)
    slopes: dict[Medium, Floats] = {}
    medium: Medium
    for medium, rows, units, lengths, slope in (
        ("movies", films, film_units, film_lengths, pull.T @ song_units),
        ("tracks", songs, song_units, song_lengths, pull @ film_units),
    ):
        across = (slope - (slope * units).sum(axis=1, keepdims=True) * units) / lengths
        slopes[medium] = rows.T @ across
    return slopes


def _softmax(scores: npt.NDArray[Any], axis: int = 1) -> npt.NDArray[Any]:
    raised = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return np.asarray(raised / raised.sum(axis=axis, keepdims=True))
