"""What an evaluation finds, and how it is written down (see ``docs/evaluation.md``).

``Evaluation.to_dict()`` is what ``--json`` writes::

    {"format": 1, "settings": {…}, "galleries": {"movies": n, "tracks": n},
     "pairs": {"pairs": n, "movies": n, "tracks": n, …counts of the pairs file},
     "directions": [{"method", "source", "target", "gallery", "supported": true, "pairs", "queries",
                     "recall": {"1": I, "10": I, "100": I}, "mrr": I, "ndcg10": I,
                     "median_percentile": I, "median_peer_percentile": I,
                     "lists": {"lists", "length", "gallery", "distinct_per_slot": I, "distinct_if_random": x,
                               "distinct_by_position": I, "largest_hub": I, "gini": I, "skewness": I,
                               "diversity": I or null, "most_common": [x, …]},
                     "calibration": {"true_pairs", "random_pairs", "ece15": I, "ece10": I,
                                     "curve": [{"mean", "rate", "count", "weight"}, …]} or null},
                    {"method", "source", "target", "gallery", "supported": false, "reason"}, …],
     "comparisons": [{"method", "reference", "source", "target", "gallery", "measure": "recall@10", "pairs",
                      "difference": I, "ratio": I, "p", "p_holm"}, …],
     "labels": [{"task", "method", "measure", "figure": I, "gallery", "queries", "examples"}, …],
     "facts": {method: {name: value, …}, …}}

with ``I`` = ``{"value", "low", "high"}``, a 95 % interval, and null for what is not finite (a ratio to nothing).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np

from indexer.catalogue.records import Medium
from indexer.metrics import Interval, ReliabilityBin


@dataclass(frozen=True)
class Settings:
    """How an evaluation is run. ``reference``: every other method is tested against it (else the first method)."""

    seed: int = 0
    draws: int = 1000
    flips: int = 10_000
    random_queries: int = 1000
    list_length: int = 10
    peer_share: float = 0.05
    reference: str = "segue"
    #: Scores held at a time; 16 million float32 are 64 MB.
    cells: int = 16_000_000


@dataclass(frozen=True)
class ListFigures:
    """Top lists of random queries: how many, how long, over how many items, and how varied. ``docs/evaluation.md``."""

    lists: int
    length: int
    gallery: int
    distinct_per_slot: Interval
    distinct_if_random: float
    distinct_by_position: Interval
    largest_hub: Interval
    gini: Interval
    skewness: Interval
    diversity: Interval | None
    most_common: tuple[float, ...]


@dataclass(frozen=True)
class Calibration:
    """Match scores against what is so, true and random pairs at equal priors, in 15 and in 10 bins of equal width."""

    true_pairs: int
    random_pairs: int
    ece15: Interval
    ece10: Interval
    curve: tuple[ReliabilityBin, ...]


@dataclass(frozen=True)
class Direction:
    """One method in one direction."""

    method: str
    source: Medium
    target: Medium
    gallery: int
    pairs: int
    queries: int
    recall: Mapping[str, Interval]
    mrr: Interval
    ndcg10: Interval
    median_percentile: Interval
    median_peer_percentile: Interval
    lists: ListFigures
    calibration: Calibration | None
    supported: bool = True


@dataclass(frozen=True)
class Unsupported:
    """A direction that a method does not have, and why."""

    method: str
    source: Medium
    target: Medium
    gallery: int
    reason: str
    supported: bool = False


@dataclass(frozen=True)
class Comparison:
    """The reference against another method on the same pairs: difference and ratio are reference to method."""

    method: str
    reference: str
    source: Medium
    target: Medium
    gallery: int
    measure: str
    pairs: int
    difference: Interval
    ratio: Interval
    p: float
    p_holm: float


@dataclass(frozen=True)
class LabelFigure:
    """One figure of an evaluation against people's labels."""

    task: str
    method: str
    measure: str
    figure: Interval
    gallery: int
    queries: int
    examples: int


@dataclass(frozen=True)
class Evaluation:
    """All that one run found; ``labels`` and methods' ``facts`` are added with ``dataclasses.replace``."""

    settings: Settings
    galleries: Mapping[Medium, int]
    pairs: Mapping[str, int]
    directions: tuple[Direction | Unsupported, ...]
    comparisons: tuple[Comparison, ...]
    labels: tuple[LabelFigure, ...] = ()
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, in the shape at the top of this module."""
        return {"format": 1, **{f.name: _plain(getattr(self, f.name)) for f in fields(self)}}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
