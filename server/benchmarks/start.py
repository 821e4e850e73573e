"""Cold start, what a second worker costs in memory, and the time from publishing a version to serving it."""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from indexer import index_folder, publication
from indexer import index_version as versions
from indexer.benchmarks import findings
from indexer.benchmarks.findings import Findings, Table, tell
from indexer.benchmarks.surroundings import describe as describe_surroundings
from indexer.errors import ConfigError
from server.benchmarks import page_cache
from server.benchmarks.gunicorn_process import SERVER, GunicornProcess, ServerFailed
from server.benchmarks.process_memory import read_cpu_s, read_memory
from server.benchmarks.scenarios import Request, make_scenarios

LIBRARIES = ("gunicorn", "flask", "faiss-cpu", "onnxruntime", "numpy")
_SWAP_TIMEOUT_S = 60.0
_POLL_S = 0.01
#: Clients and requests that warm the workers up before their memory is read.
_CLIENTS, _REQUESTS = 8, 600
#: The requests are sent once more where a worker did less than this, since it may have started later.
_LEAST_WORK_S, _MOST_PASSES = 0.5, 5
_SEARCHES = ("films for a song", "songs for a film", "films for a text", "look-up of a title")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``run`` reads."""
    parser.add_argument("--indexes", type=Path, required=True, help="a folder with a published version")
    parser.add_argument("--trials", type=int, default=5, help="starts of either sort, and swaps (5)")
    parser.add_argument(
        "--keep-cache", action="store_true", help="leave the machine's page cache alone; warm starts only"
    )
    parser.add_argument("--port", type=int, default=0, help="a free port (any)")
    parser.add_argument(
        "--scratch", type=Path, help="where to publish in; linked, not copied, on one file system"
    )
    parser.add_argument("--seed", type=int, default=0)
    findings.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Measure and deliver."""
    if options.trials < 1:
        raise ConfigError("there must be at least one trial")
    version = versions.open_version(options.indexes)
    scenarios = {scenario.name: scenario.requests for scenario in make_scenarios(version, options.seed)}
    name, folder = version.name, version.folder
    version.close()
    requests = [
        request for group in zip(*(scenarios[s] for s in _SEARCHES), strict=False) for request in group
    ]
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.scratch) as made:
        scratch = Path(made)
        starts = {"warm": _measure_starts(options, scratch, requests, folder, cold=False)}
        if not options.keep_cache:
            # Last of the two: it leaves the machine slow for a while.
            starts["cold"] = _measure_starts(options, scratch, requests, folder, cold=True)
        memory = [_measure_memory(options, scratch, requests, workers) for workers in (1, 2)]
        swaps = _measure_swaps(options, scratch, name)
    found = Findings(
        "start",
        describe_surroundings(options.seed, LIBRARIES) | {"version": name},
        [_starts_table(starts), memory_table(memory), _swaps_table(swaps)],
        {"starts": starts, "memory": memory, "swaps": swaps},
        [
            *(_say_cold(starts) if "cold" in starts else ["The page cache was left alone: no cold starts."]),
            f"Memory is read after {_REQUESTS} searches of four sorts by {_CLIENTS} clients. PSS counts a page by its "
            "number of users, so that processes add up.",
            f"A swap is timed from the end of publishing (CURRENT is replaced) to the first reply that names the new "
            f"version, asked for every {1000 * _POLL_S:.0f} ms.",
        ],
    )
    findings.deliver(found, options)
    return 0


def _measure_starts(
    options: argparse.Namespace, scratch: Path, requests: list[Request], version: Path, cold: bool
) -> dict[str, Any]:
    """Seconds from starting the process to the first 200 of /readyz, and of one search after it."""
    ready, searched, cached = [], [], []
    dropped = cold
    for number in range(options.trials):
        if cold:
            dropped = page_cache.drop() and dropped
        cached.append(page_cache.cached_share(path for path in version.rglob("*") if path.is_file()))
        with _serve(options, scratch, options.indexes) as server:
            began = time.perf_counter()
            first = requests[number]
            server.get_json(first.path, first.method, first.body)
            ready.append(server.ready_s)
            searched.append(server.ready_s + time.perf_counter() - began)
        tell(f"{'cold' if cold else 'warm'} start {number + 1}: ready after {ready[-1]:.2f} s")
    return {"dropped": dropped, "cached_share": cached, "ready_s": ready, "first_search_s": searched}


def _measure_memory(
    options: argparse.Namespace, scratch: Path, requests: list[Request], workers: int
) -> dict[str, Any]:
    """Memory of the master and every worker after all of them have answered searches."""
    with _serve(options, scratch, options.indexes, SEGUE_WORKERS=workers) as server:
        pids = server.workers(workers)
        before = [read_cpu_s(pid) for pid in pids]
        for _ in range(_MOST_PASSES):
            with ThreadPoolExecutor(_CLIENTS) as pool:
                asked = islice(cycle(requests), _REQUESTS)
                for _ in pool.map(lambda r: server.get_json(r.path, r.method, r.body), asked):
                    pass
            worked = [read_cpu_s(pid) - spent for pid, spent in zip(pids, before, strict=True)]
            if min(worked) >= _LEAST_WORK_S:
                break
        else:
            raise ServerFailed(f"the work did not reach all workers: they used {worked} s of processor time")
        parts = {"master": server.pid, **{f"worker {n}": pid for n, pid in enumerate(pids, start=1)}}
        memory = {name: read_memory(pid) for name, pid in parts.items()}
    tell(f"memory of {workers} worker{'s' if workers > 1 else ''} read")
    return {
        "workers": workers,
        "worker_cpu_s": worked,
        "processes": {name: asdict(entry) for name, entry in memory.items()},
        "total_pss": sum(entry.pss for entry in memory.values()),
    }


def _measure_swaps(options: argparse.Namespace, scratch: Path, name: str) -> dict[str, Any]:
    """Seconds from publishing to serving, publishing two names of the same version in turn."""
    indexes = scratch / "indexes"
    names = [name, f"{name}-again"]
    for made in names:
        shutil.copytree(options.indexes / name, indexes / made, copy_function=_link)
    with index_folder.lock(indexes):
        publication.publish(indexes, name)
    seconds: list[float] = []
    failed = 0
    with _serve(options, scratch, indexes) as server:
        for wanted in islice(cycle(reversed(names)), options.trials):
            with index_folder.lock(indexes):
                publication.publish(indexes, wanted, force=True)
            began = time.perf_counter()
            for served in _watch(server, began + _SWAP_TIMEOUT_S):
                failed += served is None
                if served == wanted:
                    seconds.append(time.perf_counter() - began)
                    break
            else:
                tell(f"{wanted} was published and not served within {_SWAP_TIMEOUT_S:.0f} s")
                break
    return {"published": options.trials, "seconds": seconds, "failed_requests": failed}


def _watch(server: GunicornProcess, deadline: float) -> Iterator[str | None]:
    """The version that the server names, again and again; None for a reply other than 200."""
    while time.perf_counter() < deadline:
        try:
            yield str(server.get_json("/readyz")["index_version"])
        except (OSError, ServerFailed):
            yield None
        time.sleep(_POLL_S)


def _serve(options: argparse.Namespace, scratch: Path, indexes: Path, **variables: int) -> GunicornProcess:
    return GunicornProcess(
        SERVER,
        "/readyz",
        scratch / "server.log",
        options.port,
        (),
        SEGUE_INDEXES=indexes.resolve(),
        SEGUE_LOG_LEVEL="warning",
        **variables,
    )


def _link(source: str, target: str) -> None:
    """Link a file, or copy it to another file system."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM):
            raise
        shutil.copy2(source, target)


def _say_cold(starts: dict[str, Any]) -> list[str]:
    entry = starts["cold"]
    if not entry["dropped"]:
        return ["The page cache could not be emptied here, so what is called cold was warm as well."]
    held = 100 * max(entry["cached_share"])
    return [
        f"Before a cold start the page cache was emptied; at most {held:.1f} % of the version's pages were left in it."
    ]


def _starts_table(starts: dict[str, Any]) -> Table:
    rows = [
        [
            f"{name} start",
            *(
                figure
                for key in ("ready_s", "first_search_s")
                for figure in (f"{statistics.median(entry[key]):.2f}", f"{max(entry[key]):.2f}")
            ),
        ]
        for name, entry in starts.items()
    ]
    heads = ["", "ready, median s", "slowest", "first search answered, median s", "slowest"]
    return Table("From starting the process", heads, rows)


def memory_table(memory: list[dict[str, Any]]) -> Table:
    """The memory of every process with one worker and with two, and what the second one costs."""
    rows = [
        [
            f"{entry['workers']}: {name}",
            *(f"{part[key] / 2**20:.0f}" for key in ("pss", "private", "resident")),
        ]
        for entry in memory
        for name, part in entry["processes"].items()
    ]
    one, two = (entry["total_pss"] for entry in memory)
    rows += [[f"{n} in all", f"{total / 2**20:.0f}", "", ""] for n, total in ((1, one), (2, two))]
    first = memory[0]["processes"]["worker 1"]["pss"]
    share = 100 * (two - one) / first
    rows.append(
        [f"the second worker adds ({share:.0f} % of the first)", f"{(two - one) / 2**20:.0f}", "", ""]
    )
    return Table("Memory by number of workers, MiB", ["workers: process", "PSS", "private", "resident"], rows)


def _swaps_table(swaps: dict[str, Any]) -> Table:
    seconds = swaps["seconds"]
    figures = [f"{statistics.median(seconds):.2f}", f"{max(seconds):.2f}"] if seconds else ["–", "–"]
    row = [f"{len(seconds)} of {swaps['published']} swaps", *figures, str(swaps["failed_requests"])]
    return Table("From publishing to serving", ["", "median s", "slowest s", "failed requests"], [row])
