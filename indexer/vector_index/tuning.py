"""Measures an index against the exact answer, and finds the cheapest settings that reach a recall.

A third of the sampled queries fits the map that vectors are coded through, a third chooses the settings, and a third
measures what they reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from indexer.vector_index.base import Floats, Rows, VectorIndex
from indexer.vector_index.coded import CodedIndex, CodedParams
from indexer.vector_index.hnsw import HnswIndex
from indexer.vector_index.projection import Projection

#: Ranks that recall is counted over.
RANKS = 10
#: Settings are chosen to leave half of what may be missed as a margin for queries that are not in the sample.
_MARGIN = 0.5
_CANDIDATES = (256, 384, 512, 768, 1_024, 1_536, 2_048)
_DIMENSIONS = (64, 96, 128, 192, 256, 320, 384, 512, 768, 1_024)
_BEAMS = (64, 128, 256, 384, 512, 768, 1_024, 2_048)
_CHUNK_ROWS = 65_536

Coded = TypeVar("Coded", bound=CodedIndex)


@dataclass(frozen=True)
class Sample:
    """Queries (m, d) of one sort in three parts, two of them with the rows of their exact best (m, RANKS)."""

    fitted_by: Floats
    chosen_by: Floats
    chosen_truth: Rows
    measured_by: Floats
    measured_truth: Rows


@dataclass(frozen=True)
class Tuned:
    """Settings, and the recall (sort of query → share) that they reach on the queries that chose them."""

    params: CodedParams
    recall: Mapping[str, float]
    cost: float


def take_samples(vectors: Floats, queries: Mapping[str, Floats]) -> dict[str, Sample]:
    """Find the exact answers of all queries."""
    samples = {}
    for name, asked in queries.items():
        # Of fewer than three each part is all of them.
        fitted, chosen, measured = (asked[part::3] if len(asked) >= 3 else asked for part in range(3))
        samples[name] = Sample(
            fitted, chosen, _best_rows(vectors, chosen), measured, _best_rows(vectors, measured)
        )
    return samples


def fit_projection(vectors: Floats, samples: Mapping[str, Sample], dimension: int) -> Projection:
    """The map to ``dimension`` numbers that suits the sampled queries, each sort of which counts the same."""
    most = max(len(sample.fitted_by) for sample in samples.values())
    asked = np.concatenate([np.resize(s.fitted_by, (most, vectors.shape[1])) for s in samples.values()])
    return Projection.fit(vectors, asked, dimension)


def measure_recall(index: VectorIndex, samples: Mapping[str, Sample]) -> dict[str, float]:
    """Sort of query → share of the exact best that the index returns, over the measuring parts."""
    recall = {}
    for name, sample in samples.items():
        found = [index.search(query, RANKS).rows for query in sample.measured_by]
        recall[name] = _share(found, sample.measured_truth)
    return recall


def tune_probes(
    index: CodedIndex, samples: Mapping[str, Sample], target: float, times_more: float = 1.0
) -> Tuned:
    """The cheapest probes and candidates of a coded index that reach ``target``, or the best there are.

    ``times_more``: see ``tune_dimension``.
    """
    params = index.params
    goal = target + (1 - target) * _MARGIN
    best: Tuned | None = None
    most: Tuned | None = None
    probes = 1 if params.lists == 1 else max(1, params.lists // 256)
    while True:
        recalls = _recalls(index, samples, probes, times_more)
        for count, recall in recalls.items():
            tuned = Tuned(
                replace(params, probes=probes, candidates=count),
                recall,
                _cost(index, params, probes, count, times_more),
            )
            if min(recall.values()) >= goal and (best is None or tuned.cost < best.cost):
                best = tuned
            if most is None or min(recall.values()) > min(most.recall.values()):
                most = tuned
        if probes == params.lists or (
            best is not None and _cost(index, params, probes, 0, times_more) > best.cost
        ):
            break
        probes = min(_next_probes(probes), params.lists)
    if best is None and most is None:
        raise ValueError("nothing can be tuned without queries")
    return best or most  # type: ignore[return-value]


def tune_dimension(
    made: type[Coded],
    vectors: Floats,
    samples: Mapping[str, Sample],
    target: float,
    lists: int,
    reason: str,
    times_more: float = 1.0,
) -> tuple[Coded, Tuned]:
    """Try codes of more and more numbers until the next could not be cheaper; returns the cheapest that suffice.

    Where none reaches the target, the one with the highest recall. ``times_more``: the vectors stand for this many
    times as many, among which that many more rows come between a query and its nearest.
    """
    projection = fit_projection(vectors, samples, vectors.shape[1])
    kept = None
    best: tuple[Coded, Tuned] | None = None
    goal = target + (1 - target) * _MARGIN
    for size in dict.fromkeys(min(size, vectors.shape[1]) for size in _DIMENSIONS):
        if best is not None and _reached(best[1]) >= goal and len(vectors) * times_more * size > best[1].cost:
            break
        params = CodedParams(dimension=size, lists=lists)
        index = made.make(vectors, projection.cut(size), params, reason, kept)
        kept = index.kept
        tuned = tune_probes(index, samples, target, times_more)
        # Past the goal recall counts no more, only cost does.
        worth = min(_reached(tuned), goal), -tuned.cost
        if best is None or worth > (min(_reached(best[1]), goal), -best[1].cost):
            best = index.with_params(tuned.params, reason), tuned
    if best is None:
        raise ValueError("vectors without numbers cannot be coded")
    return best


def _reached(tuned: Tuned) -> float:
    return min(tuned.recall.values())


def tune_beam(index: HnswIndex, samples: Mapping[str, Sample], target: float) -> HnswIndex:
    """The narrowest beam that reaches ``target``, or the widest there is."""
    goal = target + (1 - target) * _MARGIN
    for beam in _BEAMS:
        index = index.with_beam(beam)
        shares = [
            _share([index.search(query, RANKS).rows for query in sample.chosen_by], sample.chosen_truth)
            for sample in samples.values()
        ]
        if min(shares) >= goal:
            break
    return index


def _next_probes(probes: int) -> int:
    """1, 2, 3, 4, 6, 8, 12, 16, 24 …"""
    return probes + max(1, 2 ** (probes.bit_length() - 2)) if probes > 1 else 2


def _recalls(
    index: CodedIndex, samples: Mapping[str, Sample], probes: int, times_more: float
) -> dict[int, dict[str, float]]:
    """Number of candidates → sort of query → recall. Ranking candidates is exact, so one search tells of all counts."""
    recalls: dict[int, dict[str, float]] = {}
    # Of a sample's rows the nearest few stand for the nearest of all, and as few candidates for all candidates.
    ranks = max(1, round(RANKS / times_more))
    few = {count: min(max(ranks, round(count / times_more)), index.size) for count in _CANDIDATES}
    counts = {min(count, round(index.size * times_more)): at_most for count, at_most in few.items()}
    most = max(counts.values())
    for name, sample in samples.items():
        places = []
        for query, truth in zip(sample.chosen_by, sample.chosen_truth[:, :ranks], strict=True):
            same = index.candidates(query[None, :], most, probes)[None, :] == truth[:, None]
            places.append(np.where(same.any(axis=1), same.argmax(axis=1), index.size))
        found = np.concatenate(places)
        for count, at_most in counts.items():
            recalls.setdefault(count, {})[name] = round(float(np.mean(found < at_most)), 4)
    return recalls


def _cost(index: CodedIndex, params: CodedParams, probes: int, count: int, times_more: float) -> float:
    scanned = index.size * times_more * probes / params.lists
    return scanned * params.dimension + index.RANK_COST * count


def _share(found: list[Rows], truth: Rows) -> float:
    hits = sum(int(np.isin(best, rows).sum()) for rows, best in zip(found, truth, strict=True))
    return round(hits / max(truth.size, 1), 4)


def _best_rows(vectors: Floats, queries: Floats) -> Rows:
    depth = min(RANKS, len(vectors))
    rows = np.zeros((len(queries), 0), np.int64)
    scores = np.zeros((len(queries), 0), np.float32)
    for start in range(0, len(vectors), _CHUNK_ROWS):
        part = queries @ vectors[start : start + _CHUNK_ROWS].T
        kept = min(depth, part.shape[1])
        near = np.argpartition(-part, kept - 1, axis=1)[:, :kept]
        scores = np.concatenate((scores, np.take_along_axis(part, near, axis=1)), axis=1)
        rows = np.concatenate((rows, near + start), axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    return np.take_along_axis(rows, order, axis=1)
