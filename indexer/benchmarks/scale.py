"""An index of a million films beside the real one: what it costs to build and keep, and how well it answers.

The films are made up: real film vectors, repeated, each copy with small noise of its own. That says what so many
rows cost; it says less about how hard real ones would be to tell apart, since their neighbours are their copies.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.benchmarks import findings
from indexer.benchmarks.filter_cases import SHARES, FilterCase, find_cases
from indexer.benchmarks.findings import Findings, Table, tell
from indexer.benchmarks.fresh_process import run_fresh
from indexer.benchmarks.made_films import MadeFilms
from indexer.benchmarks.million_index import build_trial, search_trial, sum_up
from indexer.benchmarks.surroundings import describe as describe_surroundings
from indexer.benchmarks.surroundings import peak_bytes
from indexer.benchmarks.workload import DEPTH, all_vectors
from indexer.catalogue.records import Medium
from indexer.errors import ConfigError
from indexer.filter_columns import FilterColumns
from indexer.index_version import open_version
from indexer.query_sample import sample_queries
from indexer.space import MEDIA
from indexer.vector_index import KINDS, open_index

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

LIBRARIES = ("faiss-cpu", "numpy")
_TARGET: Medium = "movies"
_FILE = "movies.faiss"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``run`` reads."""
    parser.add_argument("--indexes", type=Path, required=True, help="a folder with a published version")
    parser.add_argument("--rows", type=int, default=1_100_000, help="films in the larger index (1,100,000)")
    parser.add_argument(
        "--noise", type=float, default=0.1, help="of a copy, as a share of each column's deviation (0.1)"
    )
    parser.add_argument("--kind", choices=("auto", *KINDS), default="auto", help="kind of the larger index")
    parser.add_argument("--queries", type=int, default=200, help="half songs, half films (200)")
    parser.add_argument("--cases", type=int, default=4, help="filters for each selectivity (4)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", type=Path, help="where to put the index meanwhile (a temporary folder)")
    findings.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Measure and deliver."""
    if options.rows < 1 or options.noise < 0 or options.queries < 2:
        raise ConfigError("rows must be at least 1, queries at least 2, and noise not negative")
    version = open_version(options.indexes)
    real = all_vectors(version, _TARGET)
    vectors = {medium: all_vectors(version, medium) for medium in MEDIA}
    texts = np.empty((0, version.encoder.dimension), np.float32)
    # The queries that choose the settings are drawn by another seed than those that are timed.
    plan = sample_queries(version.space, vectors, _TARGET, texts, options.seed + 1)
    asked = sample_queries(version.space, vectors, _TARGET, texts, options.seed)
    half = options.queries // 2
    queries = np.ascontiguousarray(
        np.concatenate([asked["tracks"][: options.queries - half], asked["movies"][:half]])
    )
    cases = find_cases(version.filters[_TARGET], SHARES, options.cases, options.seed)
    columns, name = version.filters[_TARGET], version.name
    version.close()
    del version, vectors, asked
    made = {
        "real films": (MadeFilms(real, len(real), 0.0, options.seed), "auto"),
        "made-up films": (MadeFilms(real, options.rows, options.noise, options.seed), options.kind),
    }
    results = {}
    for label, (films, kind) in made.items():
        tell(f"{label}: building an index of {films.rows:,} rows")
        with tempfile.TemporaryDirectory(prefix="bench-", dir=options.scratch) as folder:
            results[label] = _measure(films, kind, plan, queries, cases, columns, Path(folder))
    found = Findings(
        "scale",
        describe_surroundings(options.seed, LIBRARIES) | {"version": name},
        [_table(results)],
        {"indexes": results, "cases": [case.as_dict() for case in cases], "noise": options.noise},
        [
            f"Made-up films are the {len(real):,} real film vectors repeated, every copy with normal noise of "
            f"{options.noise:g} of each column's standard deviation; filters are repeated with them.",
            "Resident: what the process grew by from before the index was opened to after 500 searches, mapped "
            "pages included. Searches run on one thread; the masks of filters are made beforehand.",
        ],
    )
    findings.deliver(found, options)
    return 0


def _measure(
    films: MadeFilms,
    kind: str,
    plan: dict[str, Floats],
    queries: Floats,
    cases: list[FilterCase],
    columns: FilterColumns,
    folder: Path,
) -> dict[str, Any]:
    built = run_fresh(_build, films, kind, plan, folder)
    tell(f"built in {built['build_s']:.1f} s, kind {built['kind']}")
    masks = [_repeat(columns.mask(case.filters), films.rows) for case in cases]
    opener = partial(open_index, folder / _FILE, built["kind"])
    searched = run_fresh(search_trial, opener, queries, masks, cases)
    return {
        **built,
        "rows": films.rows,
        "dimension": films.real.shape[1],
        **searched["memory"],
        "open_s": searched["open_s"],
        "searches": sum_up(films, queries, masks, cases, searched),
    }


def _build(films: MadeFilms, kind: str, plan: dict[str, Floats], folder: Path) -> dict[str, Any]:
    built = build_trial(films.all(), kind, plan, folder / _FILE)
    return {**built, "build_peak_bytes": peak_bytes()}


def _repeat(mask: Mask | None, rows: int) -> Mask | None:
    return None if mask is None else np.resize(mask, rows)


def _table(results: dict[str, dict[str, Any]]) -> Table:
    def line(name: str, show: Callable[[dict[str, Any]], str]) -> list[str]:
        return [name, *(show(result) for result in results.values())]

    rows = [
        line("films", lambda r: f"{r['rows']:,} × {r['dimension']}"),
        line("kind", lambda r: str(r["kind"])),
        line("build, s", lambda r: f"{r['build_s']:.1f}"),
        line("build, peak memory, MiB", lambda r: f"{r['build_peak_bytes'] / 2**20:,.0f}"),
        line("files, MiB", lambda r: f"{sum(r['files'].values()) / 2**20:,.1f}"),
        line("opening, s", lambda r: f"{r['open_s']:.2f}"),
        line("resident after opening, MiB", lambda r: f"{r['opened_bytes'] / 2**20:,.0f}"),
        line("resident after 500 searches, MiB", lambda r: f"{r['searched_bytes'] / 2**20:,.0f}"),
        line("resident bytes a vector", lambda r: f"{r['bytes_a_vector']:,.0f}"),
    ]
    for share in SHARES:
        name = "unfiltered" if share == 1 else f"{100 * share:g} % pass"
        rows.append(
            line(
                f"{name}: p50 / p99 ms · recall@{DEPTH}",
                lambda r, key=str(share): (  # type: ignore[misc]
                    f"{r['searches'][key]['p50_ms']:.2f} / {r['searches'][key]['p99_ms']:.2f}"
                    f" · {r['searches'][key][f'recall_{DEPTH}']:.3f}"
                ),
            )
        )
    return Table("An index of a million films beside the real one", ["", *results], rows)
