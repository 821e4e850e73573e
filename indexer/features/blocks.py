"""From profiles and meanings to the named blocks of a vector: centred, weighed by word, each of unit length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium
from indexer.features.profiles import Described
from indexer.knowledge.vocabulary import vocabulary
from indexer.normalisation import unit

Floats = npt.NDArray[np.float32]

#: Blocks that stand for groups of the vocabulary's words, and those that do not.
WORD_BLOCKS = {"moods": "moods", "music": "music", "scenes": "scenes", "era": "decades"}
BLOCKS = (*WORD_BLOCKS, "feeling", "meaning")
_BINS = 7
#: Neighbouring bins overlap by half, so that a small step is a small step in the vector.
_BIN_WIDTH = 1.0 / (_BINS - 1)


@dataclass(frozen=True)
class BlockScale:
    """What blocks are measured against: each medium's mean row (width + d,), and what each word weighs (words,)."""

    movies: Floats
    tracks: Floats
    words: Floats

    @classmethod
    def fit(cls, described: Mapping[Medium, Described]) -> BlockScale:
        """Measure films and songs; a word that is said of few weighs more than one of nearly all."""
        means = {medium: some.joined.mean(axis=0, dtype=np.float64) for medium, some in described.items()}
        words = len(vocabulary().words)
        spread = np.mean(
            [some.profiles[:, :words].std(axis=0, dtype=np.float64) for some in described.values()], axis=0
        )
        return cls(
            means["movies"].astype(np.float32),
            means["tracks"].astype(np.float32),
            (1.0 / np.sqrt(spread + 0.02)).astype(np.float32),
        )

    def mean(self, medium: Medium) -> Floats:
        """The mean row of a medium."""
        return self.movies if medium == "movies" else self.tracks

    def blocks(self, medium: Medium, described: Described) -> dict[str, Floats]:
        """Blocks (n, size) of films or songs, by name."""
        return self.blocks_around(self.mean(medium), described.profiles, described.meanings)

    def blocks_around(self, mean: Floats, profiles: Floats, meanings: Floats) -> dict[str, Floats]:
        """Blocks (n, size) of profiles and meanings around a mean row (width + d,)."""
        words = vocabulary()
        moved = (profiles - mean[: words.width])[:, : len(words.words)] * self.words
        blocks = {name: unit(moved[:, words.columns[group]]) for name, group in WORD_BLOCKS.items()}
        # Neighbouring decades are alike.
        era = moved[:, words.columns["decades"]]
        blocks["era"] = unit(
            era + 0.5 * (np.pad(era, ((0, 0), (1, 0)))[:, :-1] + np.pad(era, ((0, 0), (0, 1)))[:, 1:])
        )
        blocks["feeling"] = _spread(profiles[:, words.numbers])
        blocks["meaning"] = unit(
            np.where(np.any(meanings != 0, axis=1, keepdims=True), meanings - mean[words.width :], 0)
        )
        return blocks


#: Blocks whose columns are cut to their principal axes, and to how many: what a search has to read.
AXES = {"moods": 40, "music": 48, "scenes": 80, "meaning": 96}


@dataclass(frozen=True)
class BlockAxes:
    """Principal axes (size, axes) float16 of blocks that have many columns; they keep most of an inner product."""

    moods: npt.NDArray[np.float16]
    music: npt.NDArray[np.float16]
    scenes: npt.NDArray[np.float16]
    meaning: npt.NDArray[np.float16]

    @classmethod
    def fit(cls, blocks: Mapping[Medium, Mapping[str, Floats]]) -> BlockAxes:
        """Fit to blocks of both media, each of which counts the same."""
        axes = {}
        for name, kept in AXES.items():
            spread = sum(
                (some[name].T @ some[name]).astype(np.float64) / len(some[name]) for some in blocks.values()
            )
            axes[name] = np.linalg.eigh(spread)[1][:, ::-1][:, :kept].astype(np.float16)
        return cls(**axes)

    def apply(self, blocks: Mapping[str, Floats]) -> dict[str, Floats]:
        """The blocks, those with many columns in principal axes."""
        return {
            name: rows @ getattr(self, name).astype(np.float32) if name in AXES else rows
            for name, rows in blocks.items()
        }


def _spread(numbers: Floats) -> Floats:
    """Soft bins: numbers (n, 3) in 0 … 1 → unit rows (n, 3 · bins), less what all have; NaN is zeros."""
    centres = np.linspace(0.0, 1.0, _BINS, dtype=np.float32)
    spread = np.exp(-0.5 * ((numbers[:, :, None] - centres) / np.float32(_BIN_WIDTH)) ** 2)
    spread = spread - spread.mean(axis=2, keepdims=True)
    spread = np.nan_to_num(spread, nan=0.0)
    spread[:, 2] *= 0.5  # acousticness says least
    return unit(spread.reshape(len(numbers), -1))
