"""The shared space: the only place that weighs, projects and corrects vectors.

A vector is a concatenation of blocks, each scaled by the root of its weight on both sides, so that the inner
product of a query and an item is a sum of named terms, one per block:

    moods     the moods of a music profile (see ``indexer.features.profiles``), around the medium's mean
    music     the kinds of music
    scenes    places, hours, milieus, subjects, and for whom
    era       the decades of the music
    feeling   energy, valence and acousticness, each spread softly over seven bins
    meaning   the embedding of a phrase that says what a work feels like
    learned   the alignment fitted to pairs that feel alike, and the known pairs of an item
    dials     valence, energy and popularity as plain coordinates; popularity is asked for a little by default
    hub       what is held against an item whoever asks: its hub bias, and that it is a cover or a karaoke version

A block of which nothing is known is all zeros and adds nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium
from indexer.errors import VersionDamaged
from indexer.features.blocks import BLOCKS
from indexer.features.mood_text import AGAINST, Understood
from indexer.parameters import read_parameters, write_parameters
from indexer.readers import Readers
from indexer.score_curve import ScoreCurve

Floats = npt.NDArray[np.float32]

MEDIA: tuple[Medium, ...] = get_args(Medium)
#: What a score curve is for: a medium that asks, or "text", and a medium that answers.
CurveKey = tuple[str, Medium]
#: How much a thing to avoid counts against a thing that is asked for.
AVOID_WEIGHT = 0.5
#: What a dial turned all the way adds to the score of an item at the end of its scale.
_DIAL_REACH = 0.5
_POPULARITY_REACH = 1.0
#: Where the dial of popularity stands if nobody turns it: a mild preference for what people know.
_WELL_KNOWN = 0.25
#: A text fits many works; of these a person wants those that others know.
_WELL_KNOWN_FOR_TEXTS = 0.45
#: How much the score of a predicted profile claims beside that of one that is surely written.
_PREDICTED = np.float32(0.85)
#: What a block counts in a text's query beside an item's: a text seldom speaks of an era, and its own words say most.
_OF_TEXTS = {"moods": 0.5, "music": 0.5, "scenes": 0.5, "era": 0.3, "feeling": 0.5, "meaning": 2.0}

_READERS = "readers"


class Block(NamedTuple):
    """One named part of a vector: columns ``start`` to ``stop``, and its weight in the score."""

    name: str
    start: int
    stop: int
    weight: float


class Dials(NamedTuple):
    """What a person turns: brighter and livelier (−1…1), known rather than hidden (−1…1); 0 leaves it alone."""

    valence: float = 0.0
    energy: float = 0.0
    popularity: float = 0.0


NO_DIALS = Dials()


@dataclass(frozen=True)
class Space:
    """The fitted space.

    ``sizes``: columns of each block, in order; ``weights``: block → weight; ``readers``: what reads items and
    texts; ``curves``: who asks and who answers → score curve.
    """

    sizes: Mapping[str, int]
    weights: Mapping[str, float]
    readers: Readers
    curves: Mapping[CurveKey, ScoreCurve] = field(default_factory=dict)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks in the order of their columns."""
        found, start = [], 0
        for name, size in self.sizes.items():
            found.append(Block(name, start, start + size, self.weights.get(name, 1.0)))
            start += size
        return tuple(found)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return sum(self.sizes.values())

    def block(self, name: str) -> Block:
        """One block by its name; KeyError for one that is not there."""
        return {block.name: block for block in self.blocks}[name]

    def columns(self, name: str) -> slice:
        """Columns of a block."""
        block = self.block(name)
        return slice(block.start, block.stop)

    def curve_for(self, source: str, target: Medium) -> ScoreCurve:
        """The score curve for answers of ``target`` to a medium or to a "text"."""
        return self.curves.get((source, target), ScoreCurve())

    def with_curves(self, curves: Mapping[CurveKey, ScoreCurve]) -> Space:
        """The same space with these score curves."""
        return replace(self, curves=dict(curves))

    def place(self, parts: Mapping[str, Floats], sure: Floats | None = None) -> Floats:
        """Item vectors (n, dimension) float32 from block name → (n, size); a block left out is zeros.

        ``sure`` (n,): how much of each item is written; what is predicted claims less. None for what was asked for.
        """
        count = len(next(iter(parts.values())))
        vectors = np.zeros((count, self.dimension), dtype=np.float32)
        for name, rows in parts.items():
            vectors[:, self.columns(name)] = rows * np.float32(np.sqrt(self.block(name).weight))
        if sure is not None:
            vectors[:, : self.columns("dials").start] *= (_PREDICTED + (1.0 - _PREDICTED) * sure)[:, None]
        return vectors

    def queries(self, items: Floats) -> Floats:
        """Query vectors (n, dimension) of items (n, dimension), each asked for singly; their dials ask for nothing."""
        asked = items.copy()
        asked[:, self.columns("dials")] = 0.0
        asked[:, self.columns("dials").stop - 1] = _POPULARITY_REACH * _WELL_KNOWN
        asked[:, self.columns("hub")] = 1.0
        return asked

    def text_query(self, understood: Understood) -> Floats:
        """The query vector (dimension,) of a text: what it wants, less what it does not want."""
        asked = self._ask(understood.profile, understood.meaning)
        if understood.unwanted_meaning.any():
            asked -= np.float32(AGAINST) * self._ask(understood.unwanted_profile, understood.unwanted_meaning)
        query: Floats = self.queries(asked)[0]
        query[self.columns("dials").stop - 1] = _POPULARITY_REACH * _WELL_KNOWN_FOR_TEXTS
        return query

    def _ask(self, profile: Floats, meaning: Floats) -> Floats:
        blocks = self.readers.text_blocks(profile[None], meaning[None])
        return self.place(
            {name: np.float32(_OF_TEXTS.get(name, 1.0)) * rows for name, rows in blocks.items()}
        )

    def combine(self, wanted: Floats, avoided: Floats, dials: Dials = NO_DIALS) -> Floats:
        """One query (dimension,) from wanted (n, dimension) and avoided (m, dimension) query vectors.

        Its score is the mean of the scores of what is wanted, less half the mean of what is avoided (whose hub
        terms say nothing about the pair), plus what the dials ask for.
        """
        query = wanted.mean(axis=0, dtype=np.float64)
        if len(avoided):
            query -= AVOID_WEIGHT * avoided.mean(axis=0, dtype=np.float64)
        # A turn goes on from where the dial stands by itself, as far as the end of its scale.
        known = float(wanted[:, self.columns("dials").stop - 1].mean()) / _POPULARITY_REACH
        known += dials.popularity * (1.0 - known if dials.popularity > 0 else 1.0 + known)
        query[self.columns("dials")] = (
            _DIAL_REACH * dials.valence,
            _DIAL_REACH * dials.energy,
            _POPULARITY_REACH * known,
        )
        query[self.columns("hub")] = 1.0
        combined: Floats = query.astype(np.float32)
        return combined

    def terms(self, query: Floats, items: Floats) -> npt.NDArray[np.float64]:
        """What each block adds to the score: (n, blocks) float64; rows sum to the inner products."""
        products = items.astype(np.float64) * query.astype(np.float64)
        return np.stack([products[:, b.start : b.stop].sum(axis=1) for b in self.blocks], axis=1)

    def write(self, folder: Path) -> None:
        """Write ``space.json`` and the readers' parameters; the same space gives the same bytes."""
        folder.mkdir()
        plain = {
            "sizes": dict(self.sizes),
            "weights": dict(self.weights),
            "curves": [[source, target, curve.to_dict()] for (source, target), curve in self.curves.items()],
        }
        # The order of the blocks is part of what is written, so keys are not sorted.
        (folder / "space.json").write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")
        write_parameters(folder / _READERS, self.readers)

    @classmethod
    def open(cls, folder: Path) -> Space:
        """Read what ``write`` wrote; raises ``VersionDamaged``."""
        try:
            plain = json.loads((folder / "space.json").read_text(encoding="utf-8"))
            return cls(
                {str(name): int(size) for name, size in plain["sizes"].items()},
                {str(name): float(weight) for name, weight in plain["weights"].items()},
                read_parameters(Readers, folder / _READERS),
                {(source, target): ScoreCurve.from_dict(curve) for source, target, curve in plain["curves"]},
            )
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise VersionDamaged(f"{folder.name}/space.json cannot be read: {error}") from error


__all__ = ["BLOCKS", "MEDIA", "NO_DIALS", "Block", "CurveKey", "Dials", "Space"]
