"""The shared space: the only place that normalises, weighs and corrects vectors.

A vector is a concatenation of blocks, each scaled by the root of its weight on both sides, so that the inner
product of a query and an item is a sum of named terms, one per block:

    text (384)   sentence embedding, centred on its medium's mean, unit length
    mood (14)    valence and arousal, each spread softly over seven bins, unit length together
    hub (1)      the item's hub bias, negated, against a constant 1 in the query; 0 until it is fitted

A block without data is all zeros and adds nothing. The hub coordinate is never normalised.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium
from indexer.errors import VersionDamaged

Floats = npt.NDArray[np.float32]

MEDIA: tuple[Medium, ...] = get_args(Medium)
_MOOD_BINS = 7
#: Neighbouring bins overlap by half, so that a small step in mood is a small step in the vector.
_MOOD_WIDTH = 1.0 / (_MOOD_BINS - 1)
#: How much a thing to avoid counts against a thing that is asked for.
_AVOID_WEIGHT = 0.5


@dataclass(frozen=True)
class ScoreCurve:
    """Maps a raw score to a match score in [0, 1]: 1 / (1 + exp(−slope · (raw − middle))), so order is kept.

    The defaults were fitted on public soundtrack pairs against random ones; a build with known pairs fits its own.
    """

    slope: float = 4.72
    middle: float = 0.21

    def apply(self, raw: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Match scores, float64, of raw scores of any shape."""
        z = np.clip(self.slope * (np.asarray(raw, dtype=np.float64) - self.middle), -60.0, 60.0)
        return np.asarray(1.0 / (1.0 + np.exp(-z)), dtype=np.float64)

    @classmethod
    def fit(cls, true_raw: npt.NDArray[Any], random_raw: npt.NDArray[Any]) -> ScoreCurve:
        """Logistic regression of true against random pairs at equal priors (Platt 1999), by Newton steps."""
        x = np.concatenate([true_raw, random_raw]).astype(np.float64)
        y = np.concatenate([np.ones(len(true_raw)), np.zeros(len(random_raw))])
        weight = np.where(y == 1, 0.5 / max(len(true_raw), 1), 0.5 / max(len(random_raw), 1))
        design = np.stack([x, np.ones_like(x)], axis=1)
        beta = np.zeros(2)
        # A whiff of ridge keeps separable pairs from an infinite slope.
        ridge = np.diag([1e-4, 1e-8])
        for _ in range(50):
            p = 1.0 / (1.0 + np.exp(-np.clip(design @ beta, -60, 60)))
            gradient = design.T @ (weight * (p - y)) + ridge @ beta
            hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + ridge
            step = np.linalg.solve(hessian, gradient)
            beta -= step
            if np.abs(step).max() < 1e-9:
                break
        if beta[0] <= 0:
            # Pairs that score no better than chance would turn the order around; the default keeps it.
            return cls()
        return cls(slope=float(beta[0]), middle=float(-beta[1] / beta[0]))


@dataclass(frozen=True)
class Block:
    """One named part of a vector: columns ``start`` to ``stop``, and its weight in the score."""

    name: str
    start: int
    stop: int
    weight: float


@dataclass(frozen=True)
class Space:
    """The fitted space. ``text_means``: medium → (text_dimension,) float32."""

    text_dimension: int
    text_weight: float
    mood_weight: float
    text_means: Mapping[Medium, Floats]
    curve: ScoreCurve = ScoreCurve()

    @classmethod
    def fit(cls, texts: Mapping[Medium, Floats], text_weight: float, mood_weight: float) -> Space:
        """Fit on the text embeddings of each medium, (n, d) float32: the means that centring takes away."""
        means = {
            medium: rows.mean(axis=0, dtype=np.float64).astype(np.float32) for medium, rows in texts.items()
        }
        dimension = next(iter(texts.values())).shape[1]
        return cls(dimension, text_weight, mood_weight, means)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks in the order of their columns."""
        text_end = self.text_dimension
        mood_end = text_end + 2 * _MOOD_BINS
        return (
            Block("text", 0, text_end, self.text_weight),
            Block("mood", text_end, mood_end, self.mood_weight),
            Block("hub", mood_end, mood_end + 1, 1.0),
        )

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.blocks[-1].stop

    def place(self, medium: Medium, texts: Floats, moods: Floats) -> Floats:
        """Vectors (n, dimension) of items from text embeddings (n, d) and moods (n, 2) in [0, 1], NaN unknown."""
        text, mood, _ = self.blocks
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        centred = texts.astype(np.float32) - self.text_means[medium]
        vectors[:, text.start : text.stop] = _unit(centred) * np.float32(np.sqrt(text.weight))
        vectors[:, mood.start : mood.stop] = _unit(_spread(moods)) * np.float32(np.sqrt(mood.weight))
        return vectors

    def ask_text(self, embedding: Floats) -> Floats:
        """The vector (dimension,) of free text: only its text block speaks; a constant shift would change no order."""
        text = self.blocks[0]
        vector = np.zeros(self.dimension, dtype=np.float32)
        vector[text.start : text.stop] = _unit(embedding[None])[0] * np.float32(np.sqrt(text.weight))
        return vector

    def combine(self, wanted: Floats, avoided: Floats) -> Floats:
        """One query (dimension,) from wanted (n, dimension) and avoided (m, dimension) vectors.

        Block by block the mean of what is wanted less half the mean of what is avoided, at the block's full
        length again, so that scores of one input and of many can be compared.
        """
        query = np.zeros(self.dimension, dtype=np.float32)
        for block in self.blocks[:-1]:
            columns = slice(block.start, block.stop)
            part = _mean_of_known(wanted[:, columns])
            if len(avoided):
                part = part - np.float32(_AVOID_WEIGHT) * _mean_of_known(avoided[:, columns])
            query[columns] = _unit(part[None])[0] * np.float32(np.sqrt(block.weight))
        query[-1] = 1.0
        return query

    def terms(self, query: Floats, items: Floats) -> npt.NDArray[np.float64]:
        """What each block adds to the score: (n, blocks) float64; rows sum to the inner products."""
        products = items.astype(np.float64) * query.astype(np.float64)
        return np.stack([products[:, b.start : b.stop].sum(axis=1) for b in self.blocks], axis=1)

    def write(self, folder: Path) -> None:
        """Write ``space.json`` and the means; the same space gives the same bytes."""
        folder.mkdir()
        plain = {
            "text_dimension": self.text_dimension,
            "text_weight": self.text_weight,
            "mood_weight": self.mood_weight,
            "curve": {"slope": self.curve.slope, "middle": self.curve.middle},
        }
        (folder / "space.json").write_text(
            json.dumps(plain, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )
        for medium, mean in self.text_means.items():
            np.save(folder / f"{medium}_text_mean.npy", mean, allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> Space:
        """Read what ``write`` wrote; raises ``VersionDamaged``."""
        try:
            plain = json.loads((folder / "space.json").read_text(encoding="utf-8"))
            means = {m: np.load(folder / f"{m}_text_mean.npy", allow_pickle=False) for m in MEDIA}
            return cls(
                int(plain["text_dimension"]),
                float(plain["text_weight"]),
                float(plain["mood_weight"]),
                means,
                ScoreCurve(**plain["curve"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise VersionDamaged(f"{folder.name}/space.json cannot be read: {error}") from error


def _unit(rows: Floats) -> Floats:
    """The one normaliser: rows at length 1, zero rows left zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Floats = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 1e-12)
    return unit


def _mean_of_known(rows: Floats) -> Floats:
    """Mean over the rows that have this block; a row without it has no say in it."""
    known = rows[np.any(rows != 0, axis=1)]
    return known.mean(axis=0) if len(known) else np.zeros(rows.shape[1], dtype=np.float32)


def _spread(moods: Floats) -> Floats:
    """Soft bins: (n, 2) in [0, 1] → (n, 2 · bins); an unknown value is all zeros."""
    centres = np.linspace(0.0, 1.0, _MOOD_BINS, dtype=np.float32)
    spread = np.exp(-0.5 * ((moods[:, :, None] - centres) / np.float32(_MOOD_WIDTH)) ** 2)
    lengths = np.linalg.norm(spread, axis=2, keepdims=True)
    bins = np.divide(spread, lengths, out=np.zeros_like(spread), where=lengths > 1e-12)
    return np.asarray(np.nan_to_num(bins.reshape(len(moods), -1), nan=0.0), dtype=np.float32)
