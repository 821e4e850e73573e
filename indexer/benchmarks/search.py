"""Our vector search beside its peers: one run, one machine, one core, the same vectors, queries and filters.

Every contender works in a process of its own, so that its memory can be told, and they take turns: in each round all
of them answer the same queries, in an order that moves on by one from round to round, so that other work on the
machine falls on all alike. Each is tuned for every selectivity to the same recall, or to the most it reaches.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from indexer.benchmarks import findings, plots
from indexer.benchmarks.filter_cases import SHARES, describe, plain
from indexer.benchmarks.findings import Findings, Table, percentiles, tell
from indexer.benchmarks.surroundings import describe as describe_surroundings
from indexer.benchmarks.worker import CONTENDERS, Task
from indexer.benchmarks.worker_process import Worker
from indexer.benchmarks.workload import DEPTH, Truth, Workload, sample
from indexer.catalogue.records import Medium
from indexer.errors import ConfigError
from indexer.index_version import open_version
from indexer.space import MEDIA


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``run`` reads."""
    parser.add_argument("--indexes", type=Path, required=True, help="a folder with a published version")
    parser.add_argument("--queries", type=int, default=300, help="queries for each medium (300)")
    parser.add_argument("--tuning-queries", type=int, default=100, help="how many of them tune (100)")
    parser.add_argument("--cases", type=int, default=6, help="filters for each selectivity (6)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recall", type=float, default=0.99, help="what contenders are tuned to (0.99)")
    parser.add_argument("--rows", type=int, help="search the first rows of each medium only")
    parser.add_argument("--media", nargs="+", choices=MEDIA, default=list(MEDIA))
    parser.add_argument("--contenders", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="draw figures into this folder")
    findings.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Measure and deliver."""
    measured: dict[str, Any] = {}
    for medium in options.media:
        tell(f"{medium}: drawing queries and filters")
        with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
            measured[medium] = _measure(options, medium, Path(scratch))
    libraries = dict.fromkeys([*(kind.distribution for kind in CONTENDERS.values()), "numpy"])
    notes = [
        f"Each contender is bound to one core. Recall@{DEPTH} is taken against an exact scan; ties count for either.",
        "A filtered search is timed from the condition to the rows. Contenders without metadata (Segue, FAISS, "
        "hnswlib, USearch) are given the rows that pass by this project's filter columns, within that time; Qdrant "
        "and Chroma evaluate the same condition on their own.",
        "Memory is what the process grew by over the same process with its library loaded, before the vectors came.",
        *(
            f"{name} ({medium}): {entry['note']}."
            for medium, part in measured.items()
            for name, entry in part["contenders"].items()
            if entry.get("note")
        ),
    ]
    found = Findings(
        "search",
        describe_surroundings(options.seed, libraries),
        [table for medium, part in measured.items() for table in tables(medium, part)],
        {"media": measured},
        notes,
    )
    findings.deliver(found, options)
    if options.plots is not None:
        plots.draw(json.loads(found.as_json()), options.plots)
    return 0


def _measure(options: argparse.Namespace, medium: Medium, scratch: Path) -> dict[str, Any]:
    version = open_version(options.indexes)
    load = sample(version, medium, options.queries, SHARES, options.cases, options.seed, options.rows)
    whole = len(load.vectors) == version.indexes[medium].size
    version.close()
    if options.tuning_queries < options.cases or options.rounds < 1:
        raise ConfigError("there must be a round, and at least as many tuning queries as cases")
    np.save(scratch / "vectors.npy", load.vectors, allow_pickle=False)
    np.save(scratch / "queries.npy", load.queries, allow_pickle=False)
    workers = [
        Worker(_task(name, number, options, load, scratch, whole), scratch / str(number))
        for number, name in enumerate(options.contenders)
    ]
    return {
        "rows": len(load.vectors),
        "dimension": load.vectors.shape[1],
        "cases": [case.as_dict() | {"words": describe(case.filters)} for case in load.cases],
        "contenders": _compete(workers, load, options),
    }


def _task(
    name: str, number: int, options: argparse.Namespace, load: Workload, scratch: Path, whole: bool
) -> Task:
    data = scratch / str(number) / "data"
    data.mkdir(parents=True)
    return Task(
        contender=name,
        indexes=str(options.indexes.resolve()),
        medium=load.medium,
        vectors_file=str(scratch / "vectors.npy"),
        queries_file=str(scratch / "queries.npy"),
        scratch=str(data),
        size=len(load.vectors),
        whole=whole,
        cases=[plain(case.filters) for case in load.cases],
    )


def _compete(workers: list[Worker], load: Workload, options: argparse.Namespace) -> dict[str, Any]:
    judge = _Judge(load, options.tuning_queries)
    results: dict[str, dict[str, Any]] = {}
    with ExitStack() as running:
        for worker in workers:
            results[worker.task.contender] = _start(worker, running)
        for worker in workers:
            with worker.may_fail():
                for share in judge.shares:
                    worker.chosen[share] = judge.tune(worker, share, options.recall)
                tell(f"{load.medium}: {worker.task.contender} tuned: {worker.chosen}")
        answers = _take_turns(workers, judge, options.rounds)
        for worker in workers:
            name = worker.task.contender
            resident = 0
            with worker.may_fail():
                resident = worker.ask(do="resident")["resident_bytes"]
            if worker.missing:
                results[name] = {"missing": worker.missing}
                continue
            grown = resident - results[name].pop("base_bytes")
            results[name] |= {
                "resident_bytes": grown,
                "resident_bytes_a_vector": grown / len(load.vectors),
                "searches": {str(share): answers[name][share] for share in judge.shares},
            }
    return results


def _start(worker: Worker, running: ExitStack) -> dict[str, Any]:
    """Start a worker and let it build."""
    result: dict[str, Any] = {}
    with worker.may_fail():
        running.enter_context(worker)
        if not worker.missing:
            built = worker.ask(do="build")
            result = {"build_s": built["seconds"], "note": built["note"], "base_bytes": built["base_bytes"]}
    said = worker.missing or f"built in {result['build_s']:.1f} s"
    tell(f"{worker.task.medium}: {worker.task.contender}: {said}")
    return result


def _take_turns(workers: list[Worker], judge: _Judge, rounds: int) -> dict[str, dict[float, dict[str, Any]]]:
    times: dict[tuple[str, float], list[float]] = {}
    recalls: dict[tuple[str, float], float] = {}
    for number in range(rounds):
        tell(f"round {number + 1} of {rounds}")
        turn = number % len(workers)
        for share in judge.shares:
            for worker in workers[turn:] + workers[:turn]:
                if worker.missing:
                    continue
                key = worker.task.contender, share
                with worker.may_fail():
                    recalls[key], spent = judge.hear(worker, share, worker.chosen[share], tuning=False)
                    times.setdefault(key, []).extend(spent)
    return {
        worker.task.contender: {
            share: {
                "setting": worker.chosen[share],
                f"recall_{DEPTH}": recalls[worker.task.contender, share],
                **percentiles(times[worker.task.contender, share]),
            }
            for share in judge.shares
        }
        for worker in workers
        if not worker.missing
    }


class _Judge:
    """Asks the queries of a selectivity and says how well they were answered."""

    def __init__(self, load: Workload, tuning: int) -> None:
        self._load = load
        self._tuning = tuning
        self._truth = Truth(load.vectors, load.queries)
        self.shares = tuple(dict.fromkeys(case.wanted for case in load.cases))

    def hear(self, worker: Worker, share: float, setting: int, tuning: bool) -> tuple[float, list[float]]:
        """Mean recall and all times."""
        recalls, times = [], []
        for number, case in enumerate(self._load.cases):
            if case.wanted != share:
                continue
            queries = self._load.queries_of(number)
            if tuning:
                queries = queries[queries < self._tuning]
            rows, spent = worker.search(number, setting, queries.tolist())
            times += spent
            mask = self._load.mask(case)
            recalls += [
                self._truth.recall(q, found, mask) for q, found in zip(queries.tolist(), rows, strict=True)
            ]
            if not tuning and not any(rows):
                tell(f"{worker.task.contender} found nothing at all for {describe(case.filters)}")
        return float(np.mean(recalls)), times

    def tune(self, worker: Worker, share: float, wanted: float) -> int:
        """The first setting that reaches the wanted recall, or the one that comes nearest."""
        best, best_recall = 0, -1.0
        for setting in CONTENDERS[worker.task.contender].settings:
            recall, _ = self.hear(worker, share, setting, tuning=True)
            if recall > best_recall + 0.001:
                best, best_recall = setting, recall
            if recall >= wanted:
                break
        return best


def tables(medium: str, part: dict[str, Any]) -> list[Table]:
    """Times and recall for every selectivity, and what each contender costs."""
    entries: dict[str, dict[str, Any]] = part["contenders"]
    shares = sorted({case["wanted"] for case in part["cases"]}, reverse=True)
    real = {
        share: [100 * case["share"] for case in part["cases"] if case["wanted"] == share] for share in shares
    }
    heads = [
        "unfiltered" if share == 1 else f"{100 * share:g} % ({min(real[share]):.2g}–{max(real[share]):.2g})"
        for share in shares
    ]
    size = f"{part['rows']:,} {medium} × {part['dimension']}"
    times, costs = [], []
    for name, entry in entries.items():
        if "missing" in entry:
            times.append([name, entry["missing"], *["–"] * (len(shares) - 1)])
            costs.append([name, "–", "–", "–"])
            continue
        cells = [entry["searches"][str(share)] for share in shares]
        times.append(
            [
                name,
                *(f"{c['p50_ms']:.2f} / {c['p99_ms']:.2f} · {c[f'recall_{DEPTH}']:.3f}" for c in cells),
            ]
        )
        costs.append(
            [
                name,
                f"{entry['build_s']:.1f}",
                f"{entry['resident_bytes'] / 2**20:.0f}",
                f"{entry['resident_bytes_a_vector']:.0f}",
            ]
        )
    return [
        Table(f"{size}: p50 / p99 in ms · recall@{DEPTH}, by share of rows that pass", ["", *heads], times),
        Table(f"{size}: cost", ["", "build s", "memory MiB", "bytes a vector"], costs),
    ]
