"""One contender in a process of its own: reads orders from standard input, one JSON object a line, and answers.

    {"do": "build"}                                                  → seconds, base_bytes, resident_bytes, note
    {"do": "search", "case": n, "setting": s, "queries": [numbers]}  → rows, ms: a list each, in the queries' order
    {"do": "resident"}                                               → resident_bytes

It ends when its input does. A line ``{"missing": …}`` comes first where its library is not installed, and
``{"ready": true}`` otherwise.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from indexer.benchmarks import contenders, databases
from indexer.benchmarks.contenders import Contender, Floats, Material
from indexer.benchmarks.surroundings import resident_bytes
from indexer.benchmarks.workload import DEPTH
from indexer.catalogue.records import Medium
from indexer.filter_columns import Filters

CONTENDERS: dict[str, type[Contender]] = {
    kind.name: kind
    for kind in (
        contenders.Segue,
        contenders.FaissFlat,
        contenders.FaissHnsw,
        contenders.Hnswlib,
        contenders.Usearch,
        databases.QdrantEdge,
        databases.Chroma,
    )
}


@dataclass(frozen=True)
class Task:
    """What a worker is started with; written as JSON. Paths as texts, ``cases`` as conditions by name."""

    contender: str
    indexes: str
    medium: Medium
    vectors_file: str
    queries_file: str
    scratch: str
    size: int
    whole: bool
    cases: list[dict[str, Any]]

    def material(self) -> Material:
        """The task as a contender wants it."""
        return Material(
            Path(self.indexes),
            self.medium,
            Path(self.vectors_file),
            Path(self.scratch),
            self.size,
            self.whole,
        )


def read_filters(plain: dict[str, Any]) -> Filters:
    """A filter from its conditions by name."""
    conditions: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()
    }
    return Filters(**conditions)


def main(arguments: list[str]) -> int:
    """Work through the orders for the task in the file named by the one argument."""
    # What libraries print must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    contenders.use_one_core()
    task = Task(**json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    kind = CONTENDERS[task.contender]
    try:
        contender = contenders.load(kind, task.material())
    except ImportError as error:
        _answer(answers, {"missing": f"{kind.distribution} is not installed ({error})"})
        return 0
    _answer(answers, {"ready": True})
    work_through(contender, task, sys.stdin, answers)
    return 0


def work_through(contender: Contender, task: Task, orders: TextIO, answers: TextIO) -> None:
    """Carry out orders until there are no more. KeyError for one that is not known."""
    queries: Floats = np.load(task.queries_file, allow_pickle=False)
    conditions = [contender.prepare(read_filters(case)) for case in task.cases]
    for line in orders:
        order = json.loads(line)
        _answer(answers, _DO[order["do"]](contender, queries, conditions, order))


def _build(contender: Contender, _queries: Floats, _conditions: list[Any], _order: Any) -> dict[str, Any]:
    contender.ready()
    base = _resident()["resident_bytes"]
    began = time.perf_counter()
    contender.build()
    seconds = time.perf_counter() - began
    contender.settle()
    return {"seconds": seconds, "base_bytes": base, "note": contender.note, **_resident()}


def _search(contender: Contender, queries: Floats, conditions: list[Any], order: Any) -> dict[str, Any]:
    contender.tune(order["setting"])
    condition = conditions[order["case"]]
    # Once untimed: an index that was just opened or switched reads its files then.
    contender.search(queries[order["queries"][0]], DEPTH, condition)
    rows, times = [], []
    for number in order["queries"]:
        query = queries[number]
        began = time.perf_counter()
        found = contender.search(query, DEPTH, condition)
        times.append(1000 * (time.perf_counter() - began))
        rows.append(np.asarray(found, np.int64).tolist())
    return {"rows": rows, "ms": times}


def _read_resident(
    _contender: Contender, _queries: Floats, _conditions: list[Any], _order: Any
) -> dict[str, Any]:
    return _resident()


def _resident() -> dict[str, int]:
    gc.collect()
    # Freed memory that the allocator keeps for later is nobody's index. Only glibc has this call.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return {"resident_bytes": resident_bytes()}


def _answer(answers: TextIO, reply: dict[str, Any]) -> None:
    answers.write(json.dumps(reply) + "\n")
    answers.flush()


_DO = {"build": _build, "search": _search, "resident": _read_resident}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
