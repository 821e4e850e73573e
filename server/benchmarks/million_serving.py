"""What a version costs to serve: start, memory, and times in process and by HTTP; for ``scripts/bench million``."""

from __future__ import annotations

import argparse
import gc
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from indexer.benchmarks.filter_cases import SHARES, find_cases, plain
from indexer.benchmarks.findings import percentiles
from indexer.benchmarks.million_milvus import read_token
from indexer.catalogue.records import Medium
from indexer.engine import FaissEngine
from indexer.environment import set_variable
from indexer.errors import SegueError
from indexer.filter_columns import FilterColumns, Filters
from indexer.index_version import filters_folder
from indexer.milvus.params import MilvusParams
from indexer.milvus.variables import make_engine
from server.benchmarks.gunicorn_process import HOST, SERVER, GunicornProcess
from server.benchmarks.process_memory import read_memory
from server.benchmarks.scenarios import Request
from server.search import Query, Search

_DEEP_OFFSET = 5_000
_TIMEOUT_S = 60
_MILVUS_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Asked:
    """One question: as a request, and as a call on a ``Search``."""

    request: Request
    call: Callable[[Search], object]


def main(arguments: list[str] | None = None) -> int:
    """Measure the published version of a folder and write what was found as JSON; 1 and a reason where it fails."""
    parser = argparse.ArgumentParser(prog="million_serving", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--indexes", type=Path, required=True, help="a folder with a published version")
    parser.add_argument("--requests", type=int, default=300, help="of each sort (300)")
    parser.add_argument("--port", type=int, default=0, help="of the server (any)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--milvus-uri", help="search there instead")
    parser.add_argument("--milvus-prefix", default="segue")
    parser.add_argument("--milvus-token-file", type=Path)
    parser.add_argument("--json", type=Path, required=True, help="where to write the figures")
    options = parser.parse_args(arguments)
    try:
        params = None
        if options.milvus_uri:
            token = read_token(options.milvus_token_file)
            params = MilvusParams(
                options.milvus_uri, token, prefix=options.milvus_prefix, timeout_s=_MILVUS_TIMEOUT_S
            )
        found = measure(options.indexes, options.requests, options.port, options.seed, params)
    except SegueError as error:
        sys.stderr.write(f"million_serving: {error}\n")
        return 1
    options.json.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return 0


def measure(
    indexes: Path, requests: int, port: int, seed: int, params: MilvusParams | None = None
) -> dict[str, Any]:
    """Times of every scenario in process and by HTTP, seconds to open and to the first answer, memory in bytes.

    ``params``: search on Milvus there.
    """
    engine = FaissEngine() if params is None else make_engine(params)
    began = time.perf_counter()
    search = Search(engine.open_version(indexes, engine.current_name(indexes)))
    seconds = {"verify and open": time.perf_counter() - began}
    columns = FilterColumns.open(indexes / search.name / filters_folder("movies"), "movies")
    scenarios = dict(make_scenarios(search, columns, requests, seed))
    first = next(iter(scenarios.values()))[0]
    began = time.perf_counter()
    first.call(search)
    seconds["first answer in process"] = time.perf_counter() - began
    inside = {name: [_time(one.call, search) for one in asked] for name, asked in scenarios.items()}
    search.close()
    engine.close()
    # What the requests hold of it goes with them.
    requests_of = {name: [one.request for one in asked] for name, asked in scenarios.items()}
    del search, scenarios, first
    gc.collect()
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        log = Path(scratch) / "server.log"
        variables: dict[str, Any] = {
            "SEGUE_INDEXES": indexes.resolve(),
            "SEGUE_WORKERS": 1,
            "SEGUE_LOG_LEVEL": "warning",
        }
        if params is not None:
            variables |= {
                "SEGUE_ENGINE": "milvus",
                "SEGUE_MILVUS_URI": params.uri,
                "SEGUE_MILVUS_PREFIX": params.prefix,
                "SEGUE_MILVUS_TIMEOUT_S": params.timeout_s,
            }
            if params.token:
                # Inherited, since what a command line says is seen by all.
                set_variable("SEGUE_MILVUS_TOKEN", params.token)
        began = time.perf_counter()
        with GunicornProcess(SERVER, "/readyz", log, port, **variables) as server:
            seconds["server ready"] = server.ready_s
            memory = {"worker, ready": vars(read_memory(server.workers(1)[0]))}
            for name, asked in requests_of.items():
                sent = time.perf_counter() - began
                times, errors = _send(server.port, asked)
                seconds.setdefault("first answer by HTTP, from the start", sent + times[0] / 1000)
                rows.append(
                    {
                        "scenario": name,
                        "in_process": percentiles(inside[name]),
                        "http": percentiles(times),
                        "http_ms": [round(ms, 3) for ms in times],
                        "errors": errors,
                    }
                )
            memory["worker, after all requests"] = vars(read_memory(server.workers(1)[0]))
    return {
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "scenarios": rows,
        "memory": memory,
        "peak_bytes": memory["worker, after all requests"]["resident"],
    }


def make_scenarios(
    search: Search, columns: FilterColumns, count: int, seed: int
) -> Iterator[tuple[str, list[Asked]]]:
    """Questions by sort, each asked once; ``columns``: the films'. The same version and seed give the same ones."""
    random = np.random.default_rng(seed)
    films, songs, others = (_draw(search, medium, count, random) for medium in ("movies", "tracks", "tracks"))
    # The first requests find nothing of the index in the process's memory yet.
    yield "films for a song, right after the start", [_find("movies", tracks=(song.id,)) for song in others]
    yield "films for a song", [_find("movies", tracks=(song.id,)) for song in songs]
    yield "songs for a film", [_find("tracks", movies=(film.id,)) for film in films]
    yield "films like a film", [_find("movies", movies=(film.id,)) for film in films]
    words = sorted({word for film in films for word in film.title.split() if word.isalpha()})
    texts = [" ".join(random.choice(words, 3).tolist()) for _ in range(count)]
    yield "films for a text", [_find("movies", text=text) for text in texts]
    cases = find_cases(columns, SHARES[1:], 3, seed)
    for share in SHARES[1:]:
        few = [case.filters for case in cases if case.wanted == share]
        asked = [
            _find("movies", tracks=(song.id,), filters=few[place % len(few)])
            for place, song in enumerate(songs)
        ]
        yield f"films for a song, {100 * share:g} % pass", asked
    yield "films for a song, with facets", [_find("movies", tracks=(s.id,), facets=True) for s in songs]
    deep = [_find("movies", tracks=(song.id,), offset=_DEEP_OFFSET) for song in songs[: max(1, count // 10)]]
    yield f"films for a song, from rank {_DEEP_OFFSET:,}", deep
    yield "song by title", [_look_up(song.title) for song in songs]
    yield "song by the beginning of its title", [_look_up(song.title[:5]) for song in songs]


def _draw(search: Search, medium: Medium, count: int, random: np.random.Generator) -> list[Any]:
    size = search.manifest["counts"][medium]
    return list(search.items_at(medium, random.permutation(size)[:count].tolist()))


def _find(target: Medium, filters: Filters | None = None, **wanted: Any) -> Asked:
    body = {"target": target, **wanted} | ({"filters": plain(filters)} if filters is not None else {})
    query = Query(target, **wanted) if filters is None else Query(target, filters=filters, **wanted)
    return Asked(Request("/v1/search", "POST", json.dumps(body)), lambda search: search.find(query))


def _look_up(text: str) -> Asked:
    return Asked(
        Request(f"/v1/tracks?q={quote(text)}&limit=8"), lambda search: search.look_up("tracks", text, 8)
    )


def _time(call: Callable[[Search], object], search: Search) -> float:
    began = time.perf_counter()
    call(search)
    return 1000 * (time.perf_counter() - began)


def _send(port: int, requests: list[Request]) -> tuple[list[float], int]:
    """Milliseconds of each request over one connection, and how many were not answered with 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_TIMEOUT_S)
    times, errors = [], 0
    try:
        for request in requests:
            headers = {"Content-Type": "application/json"} if request.body else {}
            began = time.perf_counter()
            connection.request(request.method, request.path, request.body or None, headers)
            reply = connection.getresponse()
            reply.read()
            times.append(1000 * (time.perf_counter() - began))
            errors += reply.status != 200
    finally:
        connection.close()
    return times, errors


if __name__ == "__main__":
    sys.exit(main())
