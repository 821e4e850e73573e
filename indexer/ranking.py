"""Ranks the rows of a version for one query, and makes a list of them that is worth having."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium
from indexer.features.mood_text import Understood
from indexer.index_version import IndexVersion
from indexer.normalisation import unit
from indexer.space import MEDIA, NO_DIALS, Dials
from indexer.unseen import Placed
from indexer.vector_index import Allowed

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: Diversity is made among this many of the best; past them the order is by score again.
DIVERSE_POOL = 100
#: Ranks that are found together, so that a page shows the same rows however deep its request looks: what most pages
#: show of distinct artists, and then ever more. The last holds the deepest page there is.
_BLOCKS = (256, 4_096, 16_000, 131_072)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is wanted or avoided: rows by medium, items that have no row, and texts as understood."""

    rows: Mapping[Medium, Sequence[int]]
    texts: tuple[Understood, ...] = ()
    placed: tuple[Placed, ...] = ()

    @property
    def count(self) -> int:
        """How many inputs there are."""
        return sum(map(len, self.rows.values())) + len(self.placed) + len(self.texts)

    @property
    def source(self) -> str:
        """Who asks, as score curves tell them apart: "text" where there are words, else a medium."""
        if self.texts:
            return "text"
        return (
            "movies"
            if self.rows["movies"] or any(item.medium == "movies" for item in self.placed)
            else "tracks"
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """A query ready to be ranked; ``inputs`` (n, dimension): that of each input alone, in the order of ``Inputs``."""

    vector: Floats
    inputs: Floats


def ask(version: IndexVersion, wanted: Inputs, avoided: Inputs, dials: Dials) -> Asked:
    """Make one query of all inputs: its score is the mean of their scores, less what is avoided, plus the dials."""
    inputs = _vectors(version, wanted)
    if len(inputs) == 1 and not avoided.count and dials == NO_DIALS:
        vector = inputs[0]  # the mean of one
    else:
        vector = version.space.combine(inputs, _vectors(version, avoided), dials)
    return Asked(vector, inputs)


def rank(
    version: IndexVersion,
    asked: Asked,
    target: Medium,
    depth: int,
    allowed: Allowed | Mask | None,
    left_out: Sequence[int] = (),
    unique: bool = False,
) -> tuple[Rows, Floats]:
    """The best ``depth`` rows, best first, with raw scores: exact where the vector index is.

    Of the ``allowed`` rows, all where None, but for the few that are ``left_out``. ``unique``: of each recording and
    each artist the best first (``IndexVersion.groups``); what repeats one of them follows after all others.
    """
    allowed = Allowed.of(allowed)
    index, groups = version.indexes[target], version.groups[target]
    if not unique:
        found = index.search(asked.vector, depth + len(left_out), 0, allowed)
        kept = np.flatnonzero(np.isin(found.rows, left_out, invert=True))[:depth]
        return found.rows[kept], found.scores[kept]
    # An approximate index misses rows, and whether one that it missed is seen depends on how deep one looks. So ranks
    # are found in blocks that are the same whatever page is asked for; a row that a block missed heads the next.
    rows, scores = np.empty(0, np.int64), np.empty(0, np.float32)
    seen: list[set[int]] = [set(groups[list(left_out), 0].tolist()), set()]
    for block in (*_BLOCKS, index.size + 1):
        found = index.search(asked.vector, min(block + len(left_out), index.size), 0, allowed)
        fresh = np.flatnonzero(np.isin(found.rows, [*rows.tolist(), *left_out], invert=True))
        own = groups[found.rows[fresh]].tolist()
        first = np.array([_is_new(some, seen) for some in own], dtype=np.bool_)
        new = fresh[first]
        if len(found.rows) < block:  # these are all: what repeats others comes last
            new = np.concatenate([new, fresh[~first]])
        rows, scores = np.concatenate([rows, found.rows[new]]), np.concatenate([scores, found.scores[new]])
        if depth <= len(rows) or len(found.rows) < block:
            break
    return rows[:depth], scores[:depth]


def _is_new(groups: list[int], seen: list[set[int]]) -> bool:
    """Whether none of an item's groups has been seen (a negative one is none); marks them as seen if so."""
    if any(group in known for group, known in zip(groups, seen, strict=True) if group >= 0):
        return False
    for group, known in zip(groups, seen, strict=True):
        known.add(group)
    return True


def nearest_inputs(asked: Asked, vectors: Floats) -> Rows:
    """The number of the input (n,) that each of ``vectors`` (n, dimension) has its highest score with."""
    if len(asked.inputs) == 1:
        return np.zeros(len(vectors), dtype=np.int64)
    nearest: Rows = (vectors @ asked.inputs.T).argmax(axis=1).astype(np.int64)
    return nearest


def diversify(version: IndexVersion, target: Medium, rows: Rows, scores: Floats, diversity: float) -> Rows:
    """Positions of ``rows`` reordered by maximal marginal relevance (Carbonell and Goldstein 1998).

    ``diversity`` 0 keeps the order; at 1 only being unlike what stands above counts.
    """
    pool = min(DIVERSE_POOL, len(rows))
    if diversity <= 0 or pool < 2:
        return np.arange(len(rows))
    vectors = unit(
        version.indexes[target].vectors(rows[:pool].tolist())[:, : version.space.block("dials").start]
    )
    spread = float(scores[0] - scores[pool - 1])
    relevance = (scores[:pool] - scores[pool - 1]) / (spread if spread > 0 else 1.0)
    likeness = vectors @ vectors.T
    order = [0]
    nearest = likeness[0].copy()
    left = np.ones(pool, dtype=np.bool_)
    left[0] = False
    while left.any():
        worth = np.where(left, (1 - diversity) * relevance - diversity * nearest, -np.inf)
        chosen = int(worth.argmax())
        order.append(chosen)
        left[chosen] = False
        nearest = np.maximum(nearest, likeness[chosen])
    return np.concatenate([np.array(order, dtype=np.int64), np.arange(pool, len(rows))])


def _vectors(version: IndexVersion, inputs: Inputs) -> Floats:
    """Query vectors (n, dimension) of inputs: films, songs, items without a row, texts."""
    space = version.space
    parts = [
        space.queries(version.indexes[medium].vectors(list(inputs.rows[medium])))
        for medium in MEDIA
        if inputs.rows[medium]
    ]
    parts += [space.queries(item.vector[None]) for item in inputs.placed]
    parts += [space.text_query(text)[None] for text in inputs.texts]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.zeros((0, space.dimension), dtype=np.float32)
