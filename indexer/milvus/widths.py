"""How wide an approximate search of a collection has to look: measured against exact answers at publication."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium, other_medium
from indexer.config import TARGET_RECALL
from indexer.filter_columns import NO_FILTERS, Filters
from indexer.index_version import IndexVersion
from indexer.milvus.collections import IndexChoice
from indexer.milvus.index import MilvusIndex
from indexer.vector_index import Allowed, rank_rows
from indexer.vector_index.base import Floats, Rows

_log = logging.getLogger(__name__)

RANKS: Final = 10
#: Queries that widths are measured by.
QUERIES: Final = 60
_CHUNK: Final = 16_384


def choose_width(index: MilvusIndex, version: IndexVersion, medium: Medium, seed: int = 0) -> IndexChoice:
    """The narrowest width that reaches the recall wanted of every index, with and without filters, or the widest."""
    choice = IndexChoice(str(index.settings["kind"]))
    asked = _sample(version, medium, seed)
    cases = [None, *(Allowed(m, f) for f, m in _filters(version, medium))]
    truth = [_best(version, medium, asked, None if case is None else case.mask) for case in cases]
    for width in choice.widths:
        choice = replace(choice, width=width)
        recall = min(
            _recall(index.with_choice(choice), asked, case, best)
            for case, best in zip(cases, truth, strict=True)
        )
        if recall >= TARGET_RECALL:
            return choice
    _log.warning(
        "%s of %s on Milvus reaches a recall@10 of %.3f, not %g", choice.kind, medium, recall, TARGET_RECALL
    )
    return choice


def _sample(version: IndexVersion, medium: Medium, seed: int) -> Floats:
    """Queries (m, d): half of them items of the other medium, half of this one."""
    random = np.random.default_rng(seed)
    asked = []
    for source in (medium, other_medium(medium)):
        index = version.indexes[source]
        rows = np.sort(random.choice(index.size, min(QUERIES // 2, index.size), replace=False))
        asked.append(version.space.queries(index.vectors(rows)))
    return np.concatenate(asked)


def _filters(version: IndexVersion, medium: Medium) -> list[tuple[Filters, npt.NDArray[np.bool_]]]:
    """Filters that leave much and little: the most usual genre, and that within some late years."""
    columns = version.filters[medium]
    most = next(iter(columns.facets().genres), None)
    years = columns.values("first_year")
    known = years[years > np.iinfo(np.int32).min]
    late = int(np.quantile(known, 0.9)) if len(known) else None
    found = []
    for filters in (
        Filters(genres=(most,) if most else ()),
        Filters(genres=(most,) if most else (), year_min=late),
    ):
        mask = None if filters == NO_FILTERS else columns.mask(filters)
        if mask is not None and mask.any():
            found.append((filters, mask))
    return found


def _best(
    version: IndexVersion, medium: Medium, asked: Floats, mask: npt.NDArray[np.bool_] | None
) -> list[Rows]:
    index = version.indexes[medium]
    rows = np.arange(index.size) if mask is None else np.flatnonzero(mask)
    found = [(np.empty(0, np.int64), np.empty(0, np.float32)) for _ in asked]
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        scores = asked @ index.vectors(chunk).T
        for place, (old_rows, old_scores) in enumerate(found):
            near = rank_rows(
                np.concatenate([old_rows, chunk]), np.concatenate([old_scores, scores[place]]), RANKS
            )
            found[place] = near.rows, near.scores
    return [best for best, _ in found]


def _recall(index: MilvusIndex, asked: Floats, allowed: Allowed | None, truth: Sequence[Rows]) -> float:
    hits = sum(
        int(np.isin(best, index.search(query, RANKS, allowed=allowed).rows).sum())
        for query, best in zip(asked, truth, strict=True)
    )
    return hits / max(sum(map(len, truth)), 1)
