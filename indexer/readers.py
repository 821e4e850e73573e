"""What reads films, songs and texts into the blocks of a vector: parameters fitted to the knowledge."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from indexer.alignment import Alignment
from indexer.catalogue.records import Medium
from indexer.errors import ConfigError
from indexer.features.blocks import BLOCKS, BlockAxes, BlockScale
from indexer.features.mood_text import TextReader
from indexer.features.profiles import Described, Predictor
from indexer.knowledge.vocabulary import FOLDER, vocabulary
from indexer.normalisation import unit
from indexer.parameters import read_parameters
from indexer.score_curve import ScoreCurve

Floats = npt.NDArray[np.float32]

#: Where the carried parameters lie.
CARRIED = FOLDER / "parameters"
#: What each block weighs among the features that the alignment reads.
_FEATURE_WEIGHTS = {"moods": 1.0, "music": 1.0, "scenes": 1.0, "era": 0.6, "feeling": 0.6, "meaning": 1.0}


#: Texts less alike than this have nothing to tell of each other; from this on a known one counts in full.
_LEAST_LIKENESS, _FULL_LIKENESS = 0.35, 0.6


@dataclass(frozen=True)
class KnownTexts:
    """Mood texts whose works are known: ``embeddings`` (m, d) and ``places`` (m, k) of their works, both float16."""

    embeddings: npt.NDArray[np.float16]
    places: npt.NDArray[np.float16]

    def recall(self, embeddings: Floats) -> Floats:
        """Where the works of the most alike known texts lie (n, k), of length 1 or less for texts like no other."""
        likeness = embeddings @ self.embeddings.astype(np.float32).T
        weights = np.maximum(likeness - _LEAST_LIKENESS, 0.0) ** 2
        recalled = unit(weights @ self.places.astype(np.float32))
        sure = np.minimum(1.0, likeness.max(axis=1, keepdims=True) / _FULL_LIKENESS)
        return np.asarray(recalled * sure, dtype=np.float32)


@dataclass(frozen=True)
class Readers:
    """``films``, ``songs``: predict profiles; ``text`` reads texts; ``scale`` makes blocks, ``axes`` keeps them small;
    ``alignment`` aligns them.

    ``text_map`` (d, k) float16: from the features of a text to the learned space; ``texts``: known ones.
    """

    films: Predictor
    songs: Predictor
    text: TextReader
    scale: BlockScale
    axes: BlockAxes
    alignment: Alignment
    text_map: npt.NDArray[np.float16]
    texts: KnownTexts

    def check_encoder(self, dimension: int) -> None:
        """Raise ``ConfigError`` for an encoder whose embeddings are not of the size that these were fitted to."""
        fitted = len(self.text.mean) - vocabulary().width
        if dimension != fitted:
            raise ConfigError(
                f"the encoder gives {dimension} numbers a text, and what indexer/knowledge carries reads {fitted}; "
                "fit that to your encoder first: python -m indexer fit --movies FILE --tracks FILE --encoder ENCODER"
            )

    def blocks(self, medium: Medium, described: Described) -> dict[str, Floats]:
        """All blocks (n, size) of films or songs that are read from what is known of them, by name."""
        blocks = self.scale.blocks(medium, described)
        return {**self.axes.apply(blocks), "learned": self.alignment.project(medium, join_blocks(blocks))}

    def text_blocks(self, profiles: Floats, meanings: Floats) -> dict[str, Floats]:
        """All blocks (n, size) of texts."""
        blocks = self.scale.blocks_around(self.text.mean, profiles, meanings)
        mapped = unit(join_blocks(blocks) @ self.text_map.astype(np.float32))
        return {**self.axes.apply(blocks), "learned": unit(mapped + self.texts.recall(meanings))}


def join_blocks(blocks: dict[str, Floats]) -> Floats:
    """The features (n, d) that the alignment reads."""
    return np.concatenate([np.float32(_FEATURE_WEIGHTS[name]) * blocks[name] for name in BLOCKS], axis=1)


@cache
def carried() -> Readers:
    """The parameters that the project carries, read once."""
    return read_parameters(Readers, CARRIED)


def carried_curves() -> dict[tuple[str, Medium], ScoreCurve]:
    """The score curves that the project carries: who asks and who answers → curve."""
    plain = json.loads((FOLDER / "score_curves.json").read_text(encoding="utf-8"))
    return {(source, target): ScoreCurve.from_dict(curve) for source, target, curve in plain}
