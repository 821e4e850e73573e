"""Chooses, builds and opens indexes: by number of rows, memory and measured recall."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from indexer.config import TARGET_RECALL
from indexer.errors import ConfigError, VersionFormat
from indexer.vector_index import tuning
from indexer.vector_index.base import FileIndex, Floats, check_numbers
from indexer.vector_index.coded import CodedIndex, CodedParams, CodesIndex, IvfIndex, RabitqIndex
from indexer.vector_index.exact import ExactIndex
from indexer.vector_index.hnsw import HnswIndex, HnswParams

_logger = logging.getLogger(__name__)

KINDS: dict[str, type[ExactIndex] | type[HnswIndex] | type[CodesIndex]] = {
    made.kind: made for made in (ExactIndex, HnswIndex, CodesIndex, IvfIndex, RabitqIndex)
}

#: "auto" scans everything up to this many bytes of vectors: half a millisecond on one core.
EXACT_LIMIT_BYTES = 16 * 2**20
#: Up to this many rows all codes are scanned; more are divided into lists.
SCANNED_ROWS = 300_000
#: A list holds about this many rows, so that routing costs about as much as scanning.
_ROWS_A_LIST = 512
#: Rows that the number of coded numbers is chosen on where there are more.
_TUNED_ROWS = 131_072
_RABITQ_DIMENSION = 256


@dataclass(frozen=True)
class IndexPlan:
    """What an index has to reach: recall@10 of the sampled queries, and bytes of memory it may keep (None: any).

    ``queries``: sort of query → (m, d) float32, as they will be asked. Without any, rows stand for queries.
    """

    queries: Mapping[str, Floats] = field(default_factory=dict)
    target_recall: float = TARGET_RECALL
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.target_recall <= 1:
            raise ConfigError(f"the target recall must be above 0 and at most 1, not {self.target_recall}")
        if self.memory_bytes is not None and self.memory_bytes < 1:
            raise ConfigError(f"the memory for an index must be at least 1 byte, not {self.memory_bytes}")


@dataclass(frozen=True)
class BuiltIndex:
    """An index and what was measured of it: sort of query → recall@10 on queries its settings were not chosen by."""

    index: FileIndex
    recall: Mapping[str, float]

    def describe(self) -> dict[str, Any]:
        """Plain values for the manifest."""
        return {
            "kind": self.index.kind,
            "reason": self.index.reason,
            "settings": dict(self.index.settings),
            "recall_at_10": dict(self.recall),
            "resident_bytes": self.index.resident_bytes,
        }


def build_index(
    vectors: Floats,
    kind: str = "auto",
    params: HnswParams | CodedParams | None = None,
    plan: IndexPlan | None = None,
) -> BuiltIndex:
    """Index ``vectors`` (n, d) float32 as one of ``KINDS``, or "auto": what suits their number (see ``reason``).

    ``params`` of the kind's own class are taken as they are; without them they are tuned to ``plan``. ValueError for
    vectors that cannot be indexed, ConfigError for an unknown kind or another kind's params.
    """
    plan = plan or IndexPlan()
    if kind not in ("auto", *KINDS):
        raise ConfigError(f"unknown index kind {kind!r}; known are: auto, {', '.join(KINDS)}")
    _check_params(kind, params)
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise ValueError(f"vectors must have shape (n, d), neither of them 0, not {vectors.shape}")
    checked = check_numbers(vectors, "the vectors", vectors.shape)
    reason = "asked for"
    if kind == "auto":
        kind, reason = choose_kind(len(checked), checked.shape[1], plan.memory_bytes)
    if kind == ExactIndex.kind:
        return BuiltIndex(ExactIndex.build(checked, reason), {})
    samples = tuning.take_samples(checked, _queries(checked, plan))
    index = _build_tuned(checked, kind, params, samples, plan, reason)
    recall = tuning.measure_recall(index, samples)
    if params is None and min(recall.values()) < plan.target_recall:
        said = f"{kind} reaches a recall@10 of {min(recall.values()):.3f}, not {plan.target_recall:g}"
        if reason != "asked for" and kind == CodesIndex.kind:
            return BuiltIndex(ExactIndex.build(checked, f"{said}, so all vectors are compared"), {})
        _logger.warning("the index of %s vectors: %s", f"{len(checked):,}", said)
    return BuiltIndex(index, recall)


def choose_kind(rows: int, dimension: int, memory_bytes: int | None = None) -> tuple[str, str]:
    """The kind for so many vectors, and why."""
    size_bytes = 4 * rows * dimension
    size = f"{rows:,} × {dimension} vectors are {size_bytes / 2**20:,.0f} MiB"
    room_bytes = math.inf if memory_bytes is None else memory_bytes
    within = "" if memory_bytes is None else f" and {memory_bytes / 2**20:,.0f} MiB may be used"
    if size_bytes <= min(EXACT_LIMIT_BYTES, room_bytes):
        limit = f"{EXACT_LIMIT_BYTES / 2**20:,.0f} MiB"
        return ExactIndex.kind, f"{size}{within}, within the {limit} that are compared whole"
    codes_bytes = rows * min(dimension, _RABITQ_DIMENSION) // 2
    if rows <= SCANNED_ROWS and size_bytes + codes_bytes <= room_bytes:
        return CodesIndex.kind, f"{size}{within}: {rows:,} rows of codes are scanned, the best compared whole"
    if codes_bytes + 8 * rows <= room_bytes:
        return (
            IvfIndex.kind,
            f"{size}{within}: the nearest lists of codes are scanned, the best compared in float16",
        )
    return RabitqIndex.kind, f"{size}{within}: codes of one bit a number, the best compared in float16"


def open_index(path: Path, kind: str) -> FileIndex:
    """Open an index that ``write`` made; verify its SHA-256 before: FAISS misses flipped bits.

    VersionDamaged for a missing, truncated or other file; VersionFormat for an unknown kind.
    """
    if kind not in KINDS:
        raise VersionFormat(f"{path.name} is of the kind {kind!r}; this program reads: {', '.join(KINDS)}")
    return KINDS[kind].open(path, f"opened from {path.name}")


def _build_tuned(
    vectors: Floats,
    kind: str,
    params: HnswParams | CodedParams | None,
    samples: Mapping[str, tuning.Sample],
    plan: IndexPlan,
    reason: str,
) -> FileIndex:
    if kind == HnswIndex.kind:
        if isinstance(params, HnswParams):
            return HnswIndex.make(vectors, reason, params)
        return tuning.tune_beam(HnswIndex.make(vectors, reason), samples, plan.target_recall)
    made = KINDS[kind]
    if not issubclass(made, CodedIndex):
        raise ConfigError(f"{kind} cannot be tuned")
    if isinstance(params, CodedParams):
        projection = tuning.fit_projection(vectors, samples, min(params.dimension, vectors.shape[1]))
        return made.make(vectors, projection, params, reason)
    if kind == CodesIndex.kind:
        return tuning.tune_dimension(made, vectors, samples, plan.target_recall, 1, reason)[0]
    dimension = min(_RABITQ_DIMENSION, vectors.shape[1])
    if kind == IvfIndex.kind:
        some = np.ascontiguousarray(vectors[:: max(1, len(vectors) // _TUNED_ROWS)])
        near = tuning.take_samples(some, _queries(vectors, plan))
        scanned, _ = tuning.tune_dimension(
            IvfIndex, some, near, plan.target_recall, 1, reason, len(vectors) / len(some)
        )
        dimension = scanned.params.dimension
    lists = max(1, 2 ** round(np.log2(max(len(vectors) / _ROWS_A_LIST, 1))))
    projection = tuning.fit_projection(vectors, samples, dimension)
    index = made.make(vectors, projection, CodedParams(dimension=dimension, lists=lists), reason)
    return index.with_params(tuning.tune_probes(index, samples, plan.target_recall).params, reason)


def _queries(vectors: Floats, plan: IndexPlan) -> Mapping[str, Floats]:
    if plan.queries:
        return plan.queries
    return {"rows": np.ascontiguousarray(vectors[:: max(1, len(vectors) // 300)][:300])}


def _check_params(kind: str, params: HnswParams | CodedParams | None) -> None:
    if params is None:
        return
    wanted: type[Any] = HnswParams if kind == HnswIndex.kind else CodedParams
    if kind in ("auto", ExactIndex.kind):
        raise ConfigError(f"settings were given for an index of the kind {kind}, which takes none")
    if not isinstance(params, wanted):
        raise ConfigError(f"an index of the kind {kind} takes {wanted.__name__}, not {type(params).__name__}")
