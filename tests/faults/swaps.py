"""Versions swapped under load: no request fails, and each is answered by one version, whole."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from indexer import index_folder
from indexer.build import build
from tests.faults.children import run_child
from tests.faults.commands import link_twin
from tests.faults.server_process import Load, Reply, ServerProcess, percentile_ms, start_server
from tests.faults.small_index import start_warm
from tests.faults.verdict import Verdict
from tests.faults.workload import mixed_requests

CLAIM = "0 failed requests, every answer is wholly of one version, the p99 is at most twice the steady one"
_SLOWER = 2.0
_NOTICED_S = 60.0
_KEPT_REPLIES = 40
#: Requests that each sort of client makes before any is timed.
_WARM_UP = 50


def run_swaps(indexes: Path | None, port: int, count: int, steady_s: float, clients: int) -> Verdict:
    """Publish one of two versions ``count`` times while ``clients`` keep asking, half of them on fresh connections.

    Without ``indexes``, two small versions that answer differently; else the served one and a twin of it.
    """
    verdict = Verdict("swaps", CLAIM)
    with tempfile.TemporaryDirectory() as made:
        copy = Path(made) / "served"
        names = _two_versions(Path(made), copy, indexes)
        requests = mixed_requests(copy, _KEPT_REPLIES)
        with start_server(copy, port, {"SEGUE_POLL_S": "0.2"}) as server:
            expected = {name: _replies(server, copy, name, requests) for name in names}
            differ = sum(expected[names[0]][key] != expected[names[1]][key] for key in expected[names[0]])
            verdict.figures["requests that the versions answer differently"] = differ

            def judge(path: str, body: Any, reply: Reply) -> str | None:
                name, answer = _split(reply)
                if name not in expected or answer != expected[name][_key(path, body)]:
                    return f"not what {name} answers"
                return None

            _publish(server, copy, names[0])
            half = max(clients // 2, 1)
            with (
                Load(server, requests, half, judge=judge) as kept,
                Load(server, requests, half, fresh_connections=True, judge=judge) as fresh,
            ):
                server.wait_for(lambda: min(len(kept.seconds), len(fresh.seconds)) >= _WARM_UP, _NOTICED_S)
                began = time.perf_counter()
                time.sleep(steady_s)
                swapping = time.perf_counter()
                delays = [_publish(server, copy, names[(turn + 1) % 2]) for turn in range(count)]
                ended = time.perf_counter()
        failures = kept.failures + fresh.failures
        steady = [*kept.between(began, swapping), *fresh.between(began, swapping)]
        during = [*kept.between(swapping, ended), *fresh.between(swapping, ended)]
        verdict.count("swaps", sum(delay is not None for delay in delays))
        verdict.count("requests", len(steady) + len(during))
        verdict.count("failed", len(failures))
        verdict.expect(
            None not in delays, f"{delays.count(None)} swaps were not noticed in {_NOTICED_S:.0f} s"
        )
        verdict.expect(not failures, f"{len(failures)} requests failed, first {failures[:1]}")
        steady_ms, during_ms = percentile_ms(steady, 0.99), percentile_ms(during, 0.99)
        verdict.figures |= {
            "steady p50 ms": percentile_ms(steady, 0.5),
            "steady p99 ms": steady_ms,
            "p50 ms while swapping": percentile_ms(during, 0.5),
            "p99 ms while swapping": during_ms,
            "slowest ms while swapping": percentile_ms(during, 1.0),
            "slowest swap s, from publishing to answering": max(
                (delay or 0.0 for delay in delays), default=0.0
            ),
        }
        verdict.expect(during_ms <= _SLOWER * steady_ms, f"p99 {during_ms:.1f} ms, steady {steady_ms:.1f} ms")
    return verdict.finish()


def _two_versions(made: Path, copy: Path, indexes: Path | None) -> list[str]:
    if indexes is None:
        small = start_warm(made)
        small.copy_whole(copy)
        first = index_folder.current_name(copy)
        other = replace(small.config(copy), moods_weight=0.5, music_weight=0.5, publish=False)
        return [first, str(run_child(lambda: {"name": build(other)}).value["name"])]
    name = index_folder.current_name(indexes)
    link_twin(indexes, name, copy)
    (copy / "CURRENT").write_text(f"{name}\n", encoding="utf-8")
    return [name, link_twin(copy, "newer")]


def _publish(server: ServerProcess, indexes: Path, name: str) -> float | None:
    """Publish and wait until it answers; gives the seconds from one to the other, None if it does not."""
    # The last step of a publication alone: both versions were verified when they were made, and verifying them again in
    # this process would hold up the clients that run in it.
    fresh = indexes / "CURRENT.fresh"
    fresh.write_text(f"{name}\n", encoding="utf-8")
    fresh.replace(indexes / "CURRENT")
    begun = time.perf_counter()
    noticed = server.wait_for(lambda: server.ready()["index_version"] == name, _NOTICED_S)
    return time.perf_counter() - begun if noticed else None


def _replies(
    server: ServerProcess, indexes: Path, name: str, requests: list[tuple[str, Any]]
) -> dict[str, Any]:
    _publish(server, indexes, name)
    return {_key(path, body): _answer_of(server, name, path, body) for path, body in requests}


def _answer_of(server: ServerProcess, name: str, path: str, body: Any) -> Any:
    """What a version answers; for a moment after a publication another worker may answer from the one before."""
    found: list[Any] = []

    def ask() -> bool:
        answered_by, answer = _split(server.ask(path, body))
        found.append(answer)
        return answered_by == name

    if not server.wait_for(ask, _NOTICED_S):
        raise TimeoutError(f"{name} was published and did not answer in {_NOTICED_S:.0f} s")
    return found[-1]


def _key(path: str, body: Any) -> str:
    return f"{path} {json.dumps(body)}"


def _split(reply: Reply) -> tuple[str, Any]:
    answer = reply.json()
    return answer.pop("index_version", ""), answer
