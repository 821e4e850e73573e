"""Ranks the rows of a version for one query: exactly, with the sparse names beside the vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium, other_medium
from indexer.index_version import IndexVersion
from indexer.normalisation import unit
from indexer.space import MEDIA, Dials
from indexer.sparse_index import SparseQuery

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: Diversity is made among this many of the best; past them the order is by score again.
DIVERSE_POOL = 100


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is wanted or avoided: rows by medium, and the embeddings of texts."""

    rows: Mapping[Medium, Sequence[int]]
    texts: tuple[Floats, ...] = ()

    @property
    def count(self) -> int:
        """How many inputs there are."""
        return sum(map(len, self.rows.values())) + len(self.texts)


@dataclass(frozen=True, slots=True)
class Asked:
    """A query ready to be ranked: its vector, the names it asks for, and how much these count.

    ``inputs`` (n, dimension): the query of each input alone, films first, texts last; ``named`` (n): the item whose
    names it asks for, if any.
    """

    vector: Floats
    names: SparseQuery
    names_weight: float
    inputs: Floats
    named: tuple[tuple[Medium, int] | None, ...]


def ask(version: IndexVersion, wanted: Inputs, avoided: Inputs, dials: Dials, target: Medium) -> Asked:
    """Make one query of all inputs: its score is the mean of their scores, less what is avoided, plus the dials."""
    other = other_medium(target)
    # Names link the media; within one they would only find the same artist again.
    named = [(other, row) for row in wanted.rows[other]]
    unnamed = [(other, row) for row in avoided.rows[other]]
    inputs = _vectors(version, wanted, target)
    items = [(medium, row) for medium in MEDIA for row in wanted.rows[medium]]
    return Asked(
        version.space.combine(inputs, _vectors(version, avoided, target), dials),
        version.names.combine(named, unnamed),
        version.space.names_weight * len(named) / wanted.count,
        inputs,
        (*(item if item[0] == other else None for item in items), *(None for _ in wanted.texts)),
    )


def rank(
    version: IndexVersion, asked: Asked, target: Medium, depth: int, allowed: Mask | None
) -> tuple[Rows, Floats]:
    """The best ``depth`` rows, best first, with raw scores: exact where the vector index is.

    Names only ever add. So a row among the best has either none in common with the query, and then is among
    the best by vector alone, or is in the sparse index's short list: their union holds all of the best.
    """
    index = version.indexes[target]
    found = index.search(asked.vector, depth, 0, allowed)
    rows, values = version.names.scores(asked.names, target)
    if asked.names_weight <= 0 or not len(rows):
        return found.rows, found.scores
    if allowed is not None:
        rows, values = rows[allowed[rows]], values[allowed[rows]]
    plain = ~np.isin(found.rows, rows)
    # Not a matrix product: its threads would wait for those of the search before, which cost more than the work.
    products = np.einsum("ij,j->i", index.vectors(rows.tolist()), asked.vector)
    named = products + np.float32(asked.names_weight) * values
    both = np.concatenate([found.rows[plain], rows])
    scores = np.concatenate([found.scores[plain], named]).astype(np.float32)
    best = np.lexsort((both, -scores))[:depth]
    return both[best], scores[best]


def nearest_inputs(version: IndexVersion, asked: Asked, target: Medium, rows: Rows) -> Rows:
    """The number of the input (n,) that each row has its highest score with."""
    if len(asked.inputs) == 1:
        return np.zeros(len(rows), dtype=np.int64)
    scores = version.indexes[target].vectors(rows.tolist()) @ asked.inputs.T
    for number, item in enumerate(asked.named):
        if item is not None:
            names = version.names.value(version.names.combine([item]), target, rows)
            scores[:, number] += np.float32(version.space.names_weight) * names
    nearest: Rows = scores.argmax(axis=1).astype(np.int64)
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


def _vectors(version: IndexVersion, inputs: Inputs, target: Medium) -> Floats:
    """Query vectors (n, dimension) of inputs, films first, texts last."""
    space = version.space
    parts = [
        space.queries(medium, version.indexes[medium].vectors(list(inputs.rows[medium])), target)
        for medium in MEDIA
        if inputs.rows[medium]
    ]
    parts += [space.text_query(embedding, target)[None] for embedding in inputs.texts]
    return np.concatenate(parts) if parts else np.zeros((0, space.dimension), dtype=np.float32)
