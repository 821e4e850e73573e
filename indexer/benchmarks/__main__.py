"""The benchmarks' command line: ``python -m indexer.benchmarks encode · ladder``."""

from __future__ import annotations

import argparse
import sys

from indexer.benchmarks import encode, ladder
from indexer.errors import SegueError


def main(arguments: list[str] | None = None) -> int:
    """Run one benchmark and print its report; 1 and a reason on standard error where it cannot run."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure what a build costs on this machine.")
    benchmarks = parser.add_subparsers(dest="benchmark", required=True)
    encoding = benchmarks.add_parser(
        "encode", help="text encoder against sentence-transformers: speed and parity"
    )
    encoding.add_argument(
        "--texts", type=int, default=1000, help="how many starter texts to encode (default 1000)"
    )
    ladder.add_arguments(
        benchmarks.add_parser("ladder", help="what each block of the space adds on known pairs")
    )
    options = parser.parse_args(arguments)
    try:
        if options.benchmark == "ladder":
            ladder.run(options)
            return 0
        report = encode.measure(options.texts)
    except SegueError as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1
    sys.stdout.write(report.as_text() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
