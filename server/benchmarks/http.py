"""Rates and times over HTTP, beside a bare Flask application on the same gunicorn settings."""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from indexer.benchmarks import findings
from indexer.benchmarks.findings import Findings, Table, tell
from indexer.benchmarks.surroundings import describe as describe_surroundings
from indexer.index_version import open_version
from server.benchmarks.gunicorn_process import HOST, SERVER, GunicornProcess
from server.benchmarks.scenarios import Scenario, make_scenarios
from server.benchmarks.wrk import Load, find_wrk, run_wrk

LIBRARIES = ("gunicorn", "flask", "faiss-cpu", "onnxruntime", "numpy")
_WARM_UP_S = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``run`` reads."""
    parser.add_argument("--indexes", type=Path, required=True, help="a folder with a published version")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8], help="clients at a time (1 8)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of load in each round (5)")
    parser.add_argument("--workers", type=int, default=1, help="gunicorn workers, on both sides (1)")
    parser.add_argument(
        "--log-level", default="info", help="of the server; info writes a line a request (info)"
    )
    parser.add_argument("--port", type=int, default=0, help="first of two free ports (any)")
    parser.add_argument("--seed", type=int, default=0)
    findings.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Measure and deliver."""
    find_wrk()
    version = open_version(options.indexes)
    scenarios = make_scenarios(version, options.seed)
    name = version.name
    version.close()
    variables: dict[str, Any] = {
        "SEGUE_INDEXES": options.indexes.resolve(),
        "SEGUE_WORKERS": options.workers,
        "SEGUE_LOG_LEVEL": options.log_level,
    }
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        for number, scenario in enumerate(scenarios):
            lines = "".join(f"{request.as_line()}\n" for request in scenario.requests)
            (folder / f"{number}.requests").write_text(lines, encoding="utf-8")
        with GunicornProcess(SERVER, "/readyz", folder / "server.log", options.port, **variables) as server:
            example = next(s.requests[0] for s in scenarios if s.name == "films for a song")
            size = len(server.get(example.path)[1])
            bare = f"server.benchmarks.bare_app:create_app({size})"
            port = options.port + 1 if options.port else 0
            with GunicornProcess(bare, "/small", folder / "bare.log", port, **variables) as other:
                for scenario in scenarios:
                    first = scenario.requests[0]
                    (other if scenario.bare else server).get_json(first.path, first.method, first.body)
                loads = _load(options, scenarios, server, other, folder)
    measured = sum_up(scenarios, loads)
    found = Findings(
        "http",
        describe_surroundings(options.seed, LIBRARIES)
        | {"version": name, "workers": str(options.workers), "log level": options.log_level},
        [_table(measured, clients) for clients in options.clients],
        {"scenarios": measured, "reply_bytes": size},
        [
            f"wrk, one thread, on the same machine; {options.rounds} rounds of {options.seconds} s each, in an order "
            "that moves on by one; medians of the rounds. Both servers run on the same gunicorn.conf.py.",
            f"The large bare reply has {size:,} bytes, as a search's. Requests of a scenario differ from each other "
            "unless it says that they come again.",
            *_wrapped(scenarios, loads),
        ],
    )
    findings.deliver(found, options)
    return 0


def _load(
    options: argparse.Namespace,
    scenarios: list[Scenario],
    server: GunicornProcess,
    bare: GunicornProcess,
    folder: Path,
) -> dict[tuple[str, int], list[Load]]:
    loads: dict[tuple[str, int], list[Load]] = {}
    sent = dict.fromkeys((scenario.name for scenario in scenarios), 1)
    numbered = list(enumerate(scenarios))
    for turn in range(-1, options.rounds):
        tell("warming up" if turn < 0 else f"round {turn + 1} of {options.rounds}")
        shift = max(turn, 0) % len(numbered)
        for clients in options.clients:
            for number, scenario in numbered[shift:] + numbered[:shift]:
                port = bare.port if scenario.bare else server.port
                load = run_wrk(
                    f"http://{HOST}:{port}",
                    folder / f"{number}.requests",
                    sent[scenario.name],
                    clients,
                    _WARM_UP_S if turn < 0 else options.seconds,
                )
                # Those under way at the end were sent as well.
                sent[scenario.name] += load.requests + clients
                if turn >= 0:
                    loads.setdefault((scenario.name, clients), []).append(load)
    return loads


def sum_up(scenarios: list[Scenario], loads: Mapping[tuple[str, int], list[Load]]) -> list[dict[str, Any]]:
    """A row for each scenario and number of clients, with its share of both bare rates."""
    small, large = (scenario.name for scenario in scenarios if scenario.bare)

    def rate(name: str, clients: int) -> float:
        return statistics.median(load.rate for load in loads[name, clients])

    return [
        {
            "scenario": name,
            "clients": clients,
            "requests": sum(load.requests for load in rounds),
            "rate": rate(name, clients),
            "p50_ms": statistics.median(load.p50_ms for load in rounds),
            "p99_ms": statistics.median(load.p99_ms for load in rounds),
            "errors": sum(load.refused + load.broken for load in rounds),
            "share_of_bare_small": rate(name, clients) / max(rate(small, clients), 1e-9),
            "share_of_bare_large": rate(name, clients) / max(rate(large, clients), 1e-9),
        }
        for (name, clients), rounds in loads.items()
    ]


def _wrapped(scenarios: list[Scenario], loads: Mapping[tuple[str, int], list[Load]]) -> list[str]:
    """Say which lists of distinct requests were not long enough to be so."""
    notes = []
    for scenario in scenarios:
        total = sum(
            load.requests for (name, _), rounds in loads.items() if name == scenario.name for load in rounds
        )
        if len(scenario.requests) > 50 and total > len(scenario.requests):
            notes.append(
                f"{scenario.name}: {total:,} requests from a list of {len(scenario.requests):,}, so some came again."
            )
    return notes


def _table(measured: list[dict[str, Any]], clients: int) -> Table:
    rows = [
        [
            row["scenario"],
            f"{row['rate']:,.0f}",
            f"{row['p50_ms']:.2f}",
            f"{row['p99_ms']:.2f}",
            f"{100 * row['share_of_bare_small']:.0f}",
            f"{100 * row['share_of_bare_large']:.0f}",
            str(row["errors"]),
        ]
        for row in measured
        if row["clients"] == clients
    ]
    heads = ["", "a second", "p50 ms", "p99 ms", "% of bare, small", "% of bare, large", "errors"]
    return Table(f"{clients} client{'s' if clients > 1 else ''}", heads, rows)
