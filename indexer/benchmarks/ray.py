"""Encoding on Ray beside the build's own process, on one machine, in turn and on the same texts."""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer import index_folder
from indexer import index_version as versions
from indexer.benchmarks import findings
from indexer.benchmarks.findings import Findings, Table, tell
from indexer.benchmarks.surroundings import describe
from indexer.catalogue.catalogue import read_catalogue
from indexer.errors import ConfigError
from indexer.features.text import describe_tracks
from indexer.features.text_encoder import TextEncoder
from indexer.ray_encoding.cluster import LOCAL, RayCluster

LIBRARIES = ("ray", "onnxruntime", "tokenizers", "pyarrow", "numpy")

#: More than this beyond the single process's time misses the target.
_MOST_OVERHEAD = 0.25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``run`` reads."""
    parser.add_argument(
        "--indexes", type=Path, required=True, help="a folder whose served version holds the encoder"
    )
    for name in ("movies", "tracks"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="a catalogue: its songs are encoded")
    parser.add_argument("--texts", type=int, default=80_000, help="how many songs' sentences (80000)")
    parser.add_argument("--rounds", type=int, default=1, help="how often either side encodes all (1)")
    findings.add_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Measure and deliver; raises ``ConfigError`` where there are fewer songs, and as ``RayCluster`` does."""
    if options.rounds < 1:
        raise ConfigError(f"rounds must be at least 1, not {options.rounds}")
    catalogue = read_catalogue(options.movies, options.tracks)
    if not 1 <= options.texts <= len(catalogue.tracks):
        raise ConfigError(f"texts must be between 1 and {len(catalogue.tracks)}, not {options.texts}")
    texts = describe_tracks(catalogue.tracks.iloc[: options.texts])
    folder = options.indexes / index_folder.current_name(options.indexes) / versions.ENCODER
    encoder = TextEncoder.open(folder)
    # Loads both models, as a build has by then.
    encoder.encode_all(texts[:64])
    rounds = [_measure(number, encoder, folder, texts) for number in range(options.rounds)]
    overheads = [each["overhead"] for each in rounds]
    findings.deliver(
        Findings(
            "ray",
            describe(0, LIBRARIES),
            [_table(rounds)],
            {"texts": options.texts, "rounds": rounds, "most_overhead": _MOST_OVERHEAD},
            [
                f"Median overhead {statistics.median(overheads):+.1%}; wanted: at most {_MOST_OVERHEAD:.0%}.",
                f"{options.texts:,} sentences of songs, each round first in one process, then on Ray, at every core.",
                "Overhead: Ray's start, encoding and end together, beyond the single process's encoding. In CPU: the "
                "same in processor time of all processes, up to Ray's end, which tells more where others work as well.",
            ],
        ),
        options,
    )


def _measure(number: int, encoder: TextEncoder, folder: Path, texts: list[str]) -> dict[str, Any]:
    before = time.process_time()
    alone, alone_s = _time(lambda: encoder.encode_all(texts))
    alone_cpu_s = time.process_time() - before
    tell(f"round {number + 1}: one process {alone_s:.1f} s")
    before = time.process_time()
    start = time.perf_counter()
    with RayCluster(LOCAL, least_texts=1) as cluster:
        start_s = time.perf_counter() - start
        spread, encode_s = _time(lambda: cluster.encode_all(encoder, folder, texts))
        ray_cpu_s = time.process_time() - before + _children_cpu_s()
    whole_s = time.perf_counter() - start
    tell(f"round {number + 1}: Ray {whole_s:.1f} s, {encode_s:.1f} of them encoding")
    return {
        "alone_s": round(alone_s, 2),
        "ray_start_s": round(start_s, 2),
        "ray_encode_s": round(encode_s, 2),
        "ray_stop_s": round(whole_s - start_s - encode_s, 2),
        "ray_s": round(whole_s, 2),
        "overhead": round(whole_s / alone_s - 1, 4),
        "alone_cpu_s": round(alone_cpu_s, 2),
        "ray_cpu_s": round(ray_cpu_s, 2),
        "cpu_overhead": round(ray_cpu_s / alone_cpu_s - 1, 4),
        "lowest_cosine": float(np.sum(alone * spread, axis=1).min()),
        "same_bytes": alone.tobytes() == spread.tobytes(),
    }


def _table(rounds: list[dict[str, Any]]) -> Table:
    columns = (
        "round",
        "one process s",
        "Ray s",
        "start",
        "encoding",
        "end",
        "overhead",
        "in CPU",
        "cosine ≥",
        "same bytes",
    )
    rows = [
        (
            str(number),
            f"{each['alone_s']:.1f}",
            f"{each['ray_s']:.1f}",
            f"{each['ray_start_s']:.1f}",
            f"{each['ray_encode_s']:.1f}",
            f"{each['ray_stop_s']:.1f}",
            f"{each['overhead']:+.1%}",
            f"{each['cpu_overhead']:+.1%}",
            f"{each['lowest_cosine']:.6f}",
            "yes" if each["same_bytes"] else "no",
        )
        for number, each in enumerate(rounds, start=1)
    ]
    return Table("Encoding on Ray beside one process", columns, rows)


def _children_cpu_s() -> float:
    """Processor time of all that descends from this process and still runs, and of what that has waited for."""
    times: dict[int, tuple[int, int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # After the name, which may hold spaces: state, parent, …, user, system, children's user and system.
            words = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            # Ended meanwhile.
            continue
        times[int(path.parent.name)] = (int(words[1]), sum(map(int, words[11:15])))
    family, ticks = {os.getpid()}, 0
    while found := {pid for pid, (parent, _) in times.items() if parent in family} - family:
        family |= found
        ticks += sum(times[pid][1] for pid in found)
    return ticks / os.sysconf("SC_CLK_TCK")


def _time(run: Callable[[], npt.NDArray[np.float32]]) -> tuple[npt.NDArray[np.float32], float]:
    start = time.perf_counter()
    vectors = run()
    return vectors, time.perf_counter() - start
