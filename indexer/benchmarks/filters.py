"""Recall of filtered searches against exact ones, over real filters and real queries."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from indexer.benchmarks import findings
from indexer.benchmarks.filter_cases import SHARES, describe
from indexer.benchmarks.findings import Findings, Table, percentiles
from indexer.benchmarks.surroundings import describe as describe_surroundings
from indexer.benchmarks.workload import DEPTH, Rows, Truth, Workload, sample
from indexer.catalogue.records import Medium
from indexer.index_version import IndexVersion, open_version
from indexer.space import MEDIA
from indexer.vector_index import VectorIndex, set_threads

LIBRARIES = ("faiss-cpu", "numpy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``run`` reads."""
    parser.add_argument("--indexes", type=Path, required=True, help="a folder with a published version")
    parser.add_argument("--queries", type=int, default=400, help="queries for each medium (400)")
    parser.add_argument("--cases", type=int, default=12, help="filters for each selectivity (12)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--least", type=float, help="exit 1 where the mean recall of a row is below this")
    findings.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Measure and deliver; 1 where ``--least`` is not reached."""
    set_threads(1)
    version = open_version(options.indexes)
    try:
        measured = [
            measured
            for medium in MEDIA
            for measured in measure(version, medium, options.queries, options.cases, options.seed)
        ]
    finally:
        version.close()
    found = Findings(
        "filters",
        describe_surroundings(options.seed, LIBRARIES) | {"version": version.name},
        [table(measured)],
        {"rows": measured},
        [
            f"Recall@{DEPTH}: of the {DEPTH} best rows that pass (fewer where fewer pass), the share that was "
            "found; ties count for either. Queries are real items, half from either medium; an item is not among "
            "its own answers.",
            "The time is that of the vector search alone, on one thread; making the mask of a filter is told apart.",
        ],
    )
    findings.deliver(found, options)
    worst = min(row["recall_mean"] for row in measured)
    if options.least is not None and worst < options.least:
        findings.tell(f"the lowest mean recall is {worst:.4f}, below {options.least}")
        return 1
    return 0


def measure(
    version: IndexVersion, medium: Medium, queries: int, cases: int, seed: int
) -> list[dict[str, Any]]:
    """One row for each share, across media and within: recalls, times and the filters used."""
    load = sample(version, medium, queries, SHARES, cases, seed)
    return measure_index(version.indexes[medium], load)


class _Seen(NamedTuple):
    recalls: list[float]
    search_ms: list[float]
    mask_ms: list[float]
    shares: list[float]


def measure_index(index: VectorIndex, load: Workload) -> list[dict[str, Any]]:
    """Search ``index``, which holds the rows of ``load``, under all its cases: a row for each share and way."""
    turns = sorted((int(query), n) for n in range(len(load.cases)) for query in load.queries_of(n))
    searched = [_search(index, load, query, number) for query, number in turns]
    # The exact scores are taken afterwards: between searches they would push the index out of the caches.
    truth = Truth(load.vectors, load.queries)
    seen: dict[tuple[float, str], _Seen] = {}
    for (query, number), (rows, search_ms, mask_ms) in zip(turns, searched, strict=True):
        case, own = load.cases[number], int(load.own[query])
        way = "within" if own >= 0 else "across"
        entry = seen.setdefault((case.wanted, way), _Seen([], [], [], []))
        entry.recalls.append(truth.recall(query, rows, load.mask(case), own))
        entry.search_ms.append(search_ms)
        entry.mask_ms.append(mask_ms)
        entry.shares.append(case.share)
    return [
        {
            "medium": load.medium,
            "kind": index.kind,
            "way": way,
            "wanted_share": wanted,
            "least_share": min(entry.shares),
            "largest_share": max(entry.shares),
            "searches": len(entry.recalls),
            "recall_mean": float(np.mean(entry.recalls)),
            "recall_least": min(entry.recalls),
            "perfect_share": float(np.mean(np.array(entry.recalls) == 1.0)),
            "search": percentiles(entry.search_ms),
            "mask": percentiles(entry.mask_ms),
            "filters": [describe(case.filters) for case in load.cases if case.wanted == wanted],
        }
        for (wanted, way), entry in sorted(seen.items(), key=lambda item: (-item[0][0], item[0][1]))
    ]


def _search(index: VectorIndex, load: Workload, query: int, number: int) -> tuple[Rows, float, float]:
    own = int(load.own[query])
    began = time.perf_counter()
    allowed = load.mask(load.cases[number])
    masked = time.perf_counter()
    if own >= 0:
        allowed = np.ones(index.size, np.bool_) if allowed is None else allowed.copy()
        allowed[own] = False
    started = time.perf_counter()
    rows = index.search(load.queries[query], DEPTH, allowed=allowed).rows
    return rows, 1000 * (time.perf_counter() - started), 1000 * (masked - began)


def table(measured: list[dict[str, Any]]) -> Table:
    """The rows of ``measure_index`` to read."""
    rows = [
        [
            f"{row['medium']}, {row['way']} ({row['kind']})",
            f"{100 * row['wanted_share']:g}",
            f"{100 * row['least_share']:.3g}–{100 * row['largest_share']:.3g}",
            str(len(row["filters"])),
            str(row["searches"]),
            f"{row['recall_mean']:.4f}",
            f"{row['recall_least']:.2f}",
            f"{100 * row['perfect_share']:.1f}",
            f"{row['search']['p50_ms']:.2f}",
            f"{row['search']['p99_ms']:.2f}",
            f"{row['mask']['p50_ms']:.2f}",
        ]
        for row in measured
    ]
    heads = (
        "searched",
        "wanted %",
        "real %",
        "filters",
        "searches",
        "mean recall",
        "least",
        "perfect %",
        "p50 ms",
        "p99 ms",
        "mask ms",
    )
    return Table(f"Recall@{DEPTH} of filtered searches against exact", heads, rows)
