"""One index over made-up vectors: what building, keeping and searching it costs, and what it finds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.benchmarks.filter_cases import SHARES, FilterCase
from indexer.benchmarks.findings import percentiles
from indexer.benchmarks.made_films import Chunked, take_recall
from indexer.benchmarks.surroundings import resident_bytes
from indexer.benchmarks.workload import DEPTH
from indexer.vector_index import Allowed, IndexPlan, VectorIndex, build_index, set_threads

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

#: Searches after which the memory that an index takes is read.
_WARM_SEARCHES = 500


def build_trial(vectors: Floats, kind: str, plan: Mapping[str, Floats], file: Path) -> dict[str, Any]:
    """Build and write an index, tuned to the ``plan``'s queries: seconds, sizes, and how it describes itself."""
    began = time.perf_counter()
    built = build_index(vectors, kind, plan=IndexPlan(plan))
    build_s = time.perf_counter() - began
    began = time.perf_counter()
    built.index.write(file)
    files = sorted(file.parent.glob(f"{file.stem}.*"))
    return {
        "build_s": round(build_s, 2),
        "write_s": round(time.perf_counter() - began, 2),
        "vectors_bytes": vectors.nbytes,
        **built.describe(),
        "files": {path.name: path.stat().st_size for path in files},
    }


def search_trial(
    open_it: Callable[[], VectorIndex],
    queries: Floats,
    allowed: Sequence[Allowed | Mask | None],
    cases: Sequence[FilterCase],
    warm_searches: int = _WARM_SEARCHES,
) -> dict[str, Any]:
    """Open an index and search it on one thread: memory by rows, and ``turns`` with what they ``found`` and took.

    Unfiltered searches come first, as many as there are, so that memory is that of plain searches. The queries of a
    share are dealt to its cases in turn. Only a fresh process tells the memory: one that has freed some uses it first.
    """
    set_threads(1)
    before = resident_bytes()
    began = time.perf_counter()
    index = open_it()
    open_s = time.perf_counter() - began
    opened = resident_bytes()
    for n in range(warm_searches):
        index.search(queries[n % len(queries)], DEPTH)
    searched = resident_bytes()
    turns, found, times = [], [], []
    for number, some in enumerate(allowed):
        share = [n for n, case in enumerate(cases) if case.wanted == cases[number].wanted]
        for query in range(share.index(number), len(queries), len(share)):
            began = time.perf_counter()
            neighbours = index.search(queries[query], DEPTH, allowed=some)
            times.append(1000 * (time.perf_counter() - began))
            turns.append((query, number))
            found.append(neighbours.rows.tolist())
    memory = {
        "opened_bytes": opened - before,
        "searched_bytes": searched - before,
        "bytes_a_vector": (searched - before) / index.size,
    }
    return {"open_s": open_s, "memory": memory, "turns": turns, "found": found, "times_ms": times}


def sum_up(
    films: Chunked,
    queries: Floats,
    masks: list[Mask | None],
    cases: Sequence[FilterCase],
    searched: Mapping[str, Any],
) -> dict[str, dict[str, float]]:
    """Share of rows that pass → recall against an exact scan of ``films``, p50 and p99 of the searches."""
    recalls = take_recall(films, queries, masks, searched["turns"], searched["found"])
    by_share = {}
    for share in SHARES:
        places = [n for n, (_, case) in enumerate(searched["turns"]) if cases[case].wanted == share]
        by_share[str(share)] = {
            f"recall_{DEPTH}": float(np.mean([recalls[n] for n in places])),
            **percentiles([searched["times_ms"][n] for n in places]),
        }
    return by_share
