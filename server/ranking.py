"""Ranks the rows of a version for one query: exactly, with the sparse names beside the vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium, other_medium
from indexer.index_version import IndexVersion
from indexer.normalisation import unit
from indexer.space import MEDIA, NO_DIALS, Dials
from indexer.sparse_index import NamedItem, SparseQuery
from indexer.unseen import Placed
from indexer.vector_index import Allowed

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: Diversity is made among this many of the best; past them the order is by score again.
DIVERSE_POOL = 100
#: Rows found by vector at least, where names count: as many as an index finds together anyway.
_FOUND = 256
#: Ranks that are found together where names count: what most pages show, and then ever more.
#: The last holds the deepest page there is; only an evaluation looks at all rows. The one before it, with rows
#: that are left out, lies within what a coded index finds among candidates; beyond that all vectors are read.
_BLOCKS = (64, 256, 4_096, 16_000, 131_072)
#: How far two ways of adding up one score may be apart, as a share of it.
_ROUNDING = 1e-4


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is wanted or avoided: rows by medium, items that have no row, and the embeddings of texts."""

    rows: Mapping[Medium, Sequence[int]]
    texts: tuple[Floats, ...] = ()
    placed: tuple[Placed, ...] = ()

    @property
    def count(self) -> int:
        """How many inputs there are."""
        return sum(map(len, self.rows.values())) + len(self.placed) + len(self.texts)

    def holds(self, medium: Medium) -> bool:
        """Whether any of the items is of this medium."""
        return bool(self.rows[medium]) or any(item.medium == medium for item in self.placed)


@dataclass(frozen=True, slots=True)
class Asked:
    """A query ready to be ranked: its vector, the names it asks for, and how much these count.

    ``inputs`` (n, dimension): the query of each input alone: films, songs, items without a row, texts; ``named`` (n):
    the item whose names it asks for, if any.
    """

    vector: Floats
    names: SparseQuery
    names_weight: float
    inputs: Floats
    named: tuple[NamedItem | None, ...]


def ask(version: IndexVersion, wanted: Inputs, avoided: Inputs, dials: Dials, target: Medium) -> Asked:
    """Make one query of all inputs: its score is the mean of their scores, less what is avoided, plus the dials."""
    other = other_medium(target)
    # Names link the media; within one they would only find the same artist again.
    named = _list_named(wanted, other)
    unnamed = [item for item in _list_named(avoided, other) if item is not None]
    inputs = _vectors(version, wanted, target)
    naming = [item for item in named if item is not None]
    if len(inputs) == 1 and not avoided.count and dials == NO_DIALS:
        vector = inputs[0]  # the mean of one
    else:
        vector = version.space.combine(inputs, _vectors(version, avoided, target), dials)
    return Asked(
        vector,
        version.names.combine(naming, unnamed),
        version.space.names_weight * len(naming) / wanted.count,
        inputs,
        named,
    )


def _list_named(inputs: Inputs, other: Medium) -> tuple[NamedItem | None, ...]:
    """For each input, in the order of ``_vectors``, the item of the ``other`` medium whose names count."""
    rows = [(medium, row) if medium == other else None for medium in MEDIA for row in inputs.rows[medium]]
    placed = [item.names if item.medium == other else None for item in inputs.placed]
    return (*rows, *placed, *(None for _ in inputs.texts))


def rank(
    version: IndexVersion,
    asked: Asked,
    target: Medium,
    depth: int,
    allowed: Allowed | Mask | None,
    left_out: Sequence[int] = (),
) -> tuple[Rows, Floats]:
    """The best ``depth`` rows, best first, with raw scores: exact where the vector index is.

    Of the ``allowed`` rows, all where None, but for the few that are ``left_out``. Names only ever add.
    So a row among the best has either none in common with the query, and then is among the best by vector alone,
    or is in the sparse index's short list: their union holds all of the best.
    """
    allowed = Allowed.of(allowed)
    if asked.names_weight <= 0 or not len(asked.names.columns):
        rows, scores, _ = _find(version, asked, target, depth + len(left_out), allowed, left_out)
        return rows[:depth], scores[:depth]
    # An approximate index misses rows, and whether one that it missed is seen depends on how deep one looks. So ranks
    # are found in blocks that are the same whatever page is asked for; a row that a block missed heads the next.
    rows, scores = np.empty(0, np.int64), np.empty(0, np.float32)
    for block in (*_BLOCKS, version.indexes[target].size):
        more, their = _rank_named(version, asked, target, block, allowed, left_out)
        new = np.flatnonzero(np.isin(more, rows, invert=True))[: block - len(rows)]
        rows, scores = np.concatenate([rows, more[new]]), np.concatenate([scores, their[new]])
        if depth <= len(rows):
            break
    return rows[:depth], scores[:depth]


def _find(
    version: IndexVersion,
    asked: Asked,
    target: Medium,
    wanted: int,
    allowed: Allowed | None,
    left_out: Sequence[int],
) -> tuple[Rows, Floats, float]:
    """The best ``wanted`` rows by vector less those left out, and what bounds the scores of all others."""
    found = version.indexes[target].search(asked.vector, wanted, 0, allowed)
    rows, scores = found.rows, found.scores
    highest_left = float(scores[-1]) if len(rows) == wanted else -np.inf
    if len(left_out):
        kept = np.isin(rows, left_out, invert=True)
        rows, scores = rows[kept], scores[kept]
    return rows, scores, highest_left


def _rank_named(
    version: IndexVersion,
    asked: Asked,
    target: Medium,
    depth: int,
    allowed: Allowed | None,
    left_out: Sequence[int],
) -> tuple[Rows, Floats]:
    """The best ``depth`` with names added; the vectors of rows whose names cannot lift them there are not read."""
    # What lies below the block bounds the vector scores of all that was not found.
    wanted = max(depth + len(left_out), _FOUND)
    rows, scores, highest_left = _find(version, asked, target, wanted, allowed, left_out)
    named_rows, added = _named(version, asked, target, allowed, left_out)
    if not len(named_rows):
        return rows[:depth], scores[:depth]
    places = np.searchsorted(named_rows, rows)
    places[places == len(named_rows)] = 0
    has_names = named_rows[places] == rows
    # Of those without names no more than fill the page.
    plain = np.flatnonzero(~has_names)[:depth]
    # The most that each named row can score; of those found, and of all others.
    at_most = highest_left + added
    at_most[places[has_names]] = scores[has_names] + added[places[has_names]]
    reached = np.concatenate([scores[plain], at_most[places[has_names]]])
    if len(reached) >= depth:
        least = np.partition(reached, len(reached) - depth)[len(reached) - depth]
        near = np.flatnonzero(at_most >= least - _ROUNDING * max(1.0, abs(float(least))))
        named_rows, added = named_rows[near], added[near]
    # Not a matrix product: its threads would wait for those of the search before, which cost more than the work.
    # And always from the vectors, so that a row has one score, however deep the search was.
    products = np.einsum("ij,j->i", version.indexes[target].vectors(named_rows), asked.vector)
    both = np.concatenate([rows[plain], named_rows])
    values = np.concatenate([scores[plain], products + added]).astype(np.float32)
    best = np.lexsort((both, -values))[:depth]
    return both[best], values[best]


def _named(
    version: IndexVersion, asked: Asked, target: Medium, allowed: Allowed | None, left_out: Sequence[int]
) -> tuple[Rows, Floats]:
    """Rows that share names with the query, ascending, and what those add to their scores."""
    rows, values = version.names.scores(asked.names, target)
    kept = None if allowed is None else allowed.mask[rows]
    if len(left_out):
        others = np.isin(rows, left_out, invert=True)
        kept = others if kept is None else kept & others
    if kept is not None:
        rows, values = rows[kept], values[kept]
    return rows, np.float32(asked.names_weight) * values


def nearest_inputs(version: IndexVersion, asked: Asked, target: Medium, rows: Rows, vectors: Floats) -> Rows:
    """The number of the input (n,) that each row has its highest score with; ``vectors`` are those of ``rows``."""
    if len(asked.inputs) == 1:
        return np.zeros(len(rows), dtype=np.int64)
    scores = vectors @ asked.inputs.T
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
    """Query vectors (n, dimension) of inputs: films, songs, items without a row, texts."""
    space = version.space
    parts = [
        space.queries(medium, version.indexes[medium].vectors(list(inputs.rows[medium])), target)
        for medium in MEDIA
        if inputs.rows[medium]
    ]
    parts += [space.queries(item.medium, item.vector[None], target) for item in inputs.placed]
    parts += [space.text_query(embedding, target)[None] for embedding in inputs.texts]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.zeros((0, space.dimension), dtype=np.float32)
