"""The command line of benchmarks that need a server: ``python -m server.benchmarks http · start · page``."""

from __future__ import annotations

import argparse
import sys

from indexer.errors import SegueError
from server.benchmarks import http, page, start


def main(arguments: list[str] | None = None) -> int:
    """Run one benchmark and print its report; 1 and a reason on standard error where it cannot run."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure a running server on this machine.")
    benchmarks = parser.add_subparsers(dest="benchmark", required=True)
    modules = {"http": http, "start": start, "page": page}
    for name, module in modules.items():
        purpose = (module.__doc__ or "").partition("\n")[0]
        module.add_arguments(benchmarks.add_parser(name, help=purpose, description=purpose))
    options = parser.parse_args(arguments)
    try:
        return int(modules[options.benchmark].run(options))
    except SegueError as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
