"""The shared space: the only place that weighs, projects and corrects vectors.

A vector is a concatenation of blocks, each scaled by the root of its weight on both sides, so that the inner
product of a query and an item is a sum of named terms, one per block:

    text      what the descriptions mean: a song's sentence around its medium's mean, a film's text block
    themes    how near a film is to each of the commonest keywords; songs and texts ask for some
    mood      valence and arousal, each spread softly over seven bins, unit length together
    emotion   named emotions (where the build had emotion labels)
    learned   the alignment fitted to known soundtrack pairs (where there were enough)
    dials     valence, arousal and popularity as plain coordinates; a query that turns no dial asks for none
    hub       the item's hub bias, negated, against 1 in the query of an item and 0 in that of a text

A block without data is all zeros and adds nothing. The ``names`` term is added beside the vector: it is sparse
(see ``indexer.sparse_index``).
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
from indexer.features.emotion import EmotionModel
from indexer.features.film_text import FilmTextQuery
from indexer.normalisation import unit
from indexer.score_curve import ScoreCurve

Floats = npt.NDArray[np.float32]

MEDIA: tuple[Medium, ...] = get_args(Medium)
MOOD_BINS = 7
#: Neighbouring bins overlap by half, so that a small step in mood is a small step in the vector.
_MOOD_WIDTH = 1.0 / (MOOD_BINS - 1)
#: How much a thing to avoid counts against a thing that is asked for.
AVOID_WEIGHT = 0.5
#: What a dial turned all the way adds to the score of an item at the end of its scale.
_DIAL_REACH = 0.5
_POPULARITY_REACH = 0.5
#: An emotion word asks songs for the emotion first; a film's own words say more than its rated emotion does.
_TEXT_EMOTION: Mapping[Medium, float] = {"movies": 1.0, "tracks": 12.0}

_FILM_TEXT = "film_text"
_EMOTION = "emotion"


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

    ``sizes``: columns of each block, in order; ``weights``: block → weight, "names" included;
    ``track_mean`` (text,) float32: what is taken from a song's text; ``curves``: target → score curve.
    """

    sizes: Mapping[str, int]
    weights: Mapping[str, float]
    track_mean: Floats
    film_text: FilmTextQuery
    emotion: EmotionModel | None = None
    curves: Mapping[Medium, ScoreCurve] = field(default_factory=lambda: dict.fromkeys(MEDIA, ScoreCurve()))

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

    @property
    def names_weight(self) -> float:
        """Weight of the names that an item and a query share."""
        return self.weights["names"]

    def block(self, name: str) -> Block:
        """One block by its name; KeyError for one that is not there."""
        return {block.name: block for block in self.blocks}[name]

    def curve_for(self, target: Medium) -> ScoreCurve:
        """The score curve for answers of this medium."""
        return self.curves[target]

    def with_curves(self, curves: Mapping[Medium, ScoreCurve]) -> Space:
        """The same space with these score curves."""
        return replace(self, curves=dict(curves))

    def place(self, parts: Mapping[str, Floats]) -> Floats:
        """Item vectors (n, dimension) float32 from block name → (n, size); a block left out is zeros."""
        count = len(next(iter(parts.values())))
        vectors = np.zeros((count, self.dimension), dtype=np.float32)
        for name, rows in parts.items():
            block = self.block(name)
            vectors[:, block.start : block.stop] = rows * np.float32(np.sqrt(block.weight))
        return vectors

    def queries(self, source: Medium, items: Floats, target: Medium | None = None) -> Floats:
        """Query vectors (n, dimension) of items (n, dimension), each asked for singly.

        Their dials ask for nothing. Emotions answer words: between items they lowered what is found of known
        pairs (docs/relevance.md), so there they are silent. Themes are not compared within films, whose tables
        of themes are no questions.
        """
        asked = items.copy()
        asked[:, self._columns("dials")] = 0.0
        if "emotion" in self.sizes:
            asked[:, self._columns("emotion")] = 0.0
        if source == target == "movies":
            asked[:, self._columns("themes")] = 0.0
        asked[:, self._columns("hub")] = 1.0
        return asked

    def text_query(self, embedding: Floats, target: Medium) -> Floats:
        """The query vector (dimension,) of a free text's embedding (text,): its text, themes and emotion speak.

        The hub bias was fitted to queries of items and asks nothing here.
        """
        asked = np.zeros(self.dimension, dtype=np.float32)
        self._put(asked, "text", self.film_text.ask_text(embedding))
        self._put(asked, "themes", self.film_text.ask_themes(embedding))
        if self.emotion is not None:
            self._put(
                asked, "emotion", np.float32(_TEXT_EMOTION[target]) * self.emotion.query_block(embedding)
            )
        return asked

    def combine(self, wanted: Floats, avoided: Floats, dials: Dials = NO_DIALS) -> Floats:
        """One query (dimension,) from wanted (n, dimension) and avoided (m, dimension) query vectors.

        Its score is the mean of the scores of what is wanted, less half the mean of what is avoided (whose hub
        terms say nothing about the pair), plus what the dials ask for.
        """
        query = wanted.mean(axis=0, dtype=np.float64)
        if len(avoided):
            query -= AVOID_WEIGHT * avoided.mean(axis=0, dtype=np.float64)
        reach = (
            _DIAL_REACH * dials.valence,
            _DIAL_REACH * dials.energy,
            _POPULARITY_REACH * dials.popularity,
        )
        query[self._columns("dials")] = np.array(reach) * np.sqrt(self.block("dials").weight)
        query[self._columns("hub")] = wanted[:, self._columns("hub")].mean()
        combined: Floats = query.astype(np.float32)
        return combined

    def terms(self, query: Floats, items: Floats) -> npt.NDArray[np.float64]:
        """What each block adds to the score: (n, blocks) float64; rows sum to the inner products."""
        products = items.astype(np.float64) * query.astype(np.float64)
        return np.stack([products[:, b.start : b.stop].sum(axis=1) for b in self.blocks], axis=1)

    def write(self, folder: Path) -> None:
        """Write ``space.json``, arrays and the query models; the same space gives the same bytes."""
        folder.mkdir()
        plain = {
            "sizes": dict(self.sizes),
            "weights": dict(self.weights),
            "curves": {medium: curve.to_dict() for medium, curve in self.curves.items()},
            "emotion": self.emotion is not None,
        }
        # The order of the blocks is part of what is written, so keys are not sorted.
        (folder / "space.json").write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")
        np.save(folder / "track_text_mean.npy", self.track_mean, allow_pickle=False)
        self.film_text.write(folder / _FILM_TEXT)
        if self.emotion is not None:
            self.emotion.write(folder / _EMOTION)

    @classmethod
    def open(cls, folder: Path) -> Space:
        """Read what ``write`` wrote; raises ``VersionDamaged``."""
        try:
            plain = json.loads((folder / "space.json").read_text(encoding="utf-8"))
            return cls(
                {str(name): int(size) for name, size in plain["sizes"].items()},
                {str(name): float(weight) for name, weight in plain["weights"].items()},
                np.load(folder / "track_text_mean.npy", allow_pickle=False),
                FilmTextQuery.open(folder / _FILM_TEXT),
                EmotionModel.open(folder / _EMOTION) if plain["emotion"] else None,
                {medium: ScoreCurve.from_dict(plain["curves"][medium]) for medium in MEDIA},
            )
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise VersionDamaged(f"{folder.name}/space.json cannot be read: {error}") from error

    def _columns(self, name: str) -> slice:
        block = self.block(name)
        return slice(block.start, block.stop)

    def _put(self, vector: Floats, name: str, values: Floats) -> None:
        block = self.block(name)
        vector[block.start : block.stop] = values * np.float32(np.sqrt(block.weight))


def spread_moods(moods: Floats) -> Floats:
    """Soft bins: moods (n, 2) in [0, 1] → (n, 2 · bins) unit rows; an unknown value is all zeros."""
    centres = np.linspace(0.0, 1.0, MOOD_BINS, dtype=np.float32)
    spread = np.exp(-0.5 * ((moods[:, :, None] - centres) / np.float32(_MOOD_WIDTH)) ** 2)
    lengths = np.linalg.norm(spread, axis=2, keepdims=True)
    bins = np.divide(spread, lengths, out=np.zeros_like(spread), where=lengths > 1e-12)
    return unit(np.nan_to_num(bins.reshape(len(moods), -1), nan=0.0))
