"""The benchmarks' command line: ``python -m indexer.benchmarks encode · search · scale · filters``."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from indexer.errors import SegueError

#: Name → (module with ``add_arguments`` and ``run``, help). Imported when asked for: each needs other libraries.
_BENCHMARKS = {
    "encode": ("indexer.benchmarks.encode", "text encoder against sentence-transformers: speed and parity"),
    "search": (
        "indexer.benchmarks.search",
        "vector search beside FAISS, hnswlib, Qdrant, Chroma and USearch",
    ),
    "scale": ("indexer.benchmarks.scale", "a film index of a million rows beside the real one"),
    "million": (
        "indexer.benchmarks.million",
        "a million films and songs through build, publication and serving",
    ),
    "simulate": ("indexer.benchmarks.simulate", "the slowest of many shards, from measured latencies"),
    "read": ("indexer.benchmarks.read", "reading a million rows: rows a second, peak memory, the report"),
    "filters": ("indexer.benchmarks.filters", "recall of filtered searches against exact ones"),
    "playlists": ("indexer.benchmarks.playlists", "lines of playlists found, and taken for another song"),
    "mel": ("indexer.benchmarks.mel", "the mel CNN on clips made by code: variance explained"),
    "sound": ("indexer.benchmarks.sound", "audio features estimated of clips whose answer is known"),
    "map": ("indexer.benchmarks.map", "the map of a built version: seconds, and what of the space it keeps"),
    "fetch": ("indexer.benchmarks.fetch", "fetching data sets from loopback: MB a second, CPU, memory"),
    "ray": ("indexer.benchmarks.ray", "encoding on Ray beside the build's own process: overhead, same bytes"),
    "plots": ("indexer.benchmarks.plots", "figures from the JSON that search wrote"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one benchmark and print its report; 1 and a reason on standard error where it cannot run."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="bench", description="Measure what builds and searches cost here.")
    benchmarks = parser.add_subparsers(dest="benchmark", required=True)
    for name, (module, purpose) in _BENCHMARKS.items():
        added = benchmarks.add_parser(name, help=purpose, description=purpose)
        if name in arguments[:1]:
            import_module(module).add_arguments(added)
    options = parser.parse_args(arguments)
    try:
        return int(import_module(_BENCHMARKS[options.benchmark][0]).run(options) or 0)
    except SegueError as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
