"""The command line of ``scripts/milvus_dev``: ``python -m tests.milvus start · stop · status · test``."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from indexer.errors import EngineError, SegueError
from indexer.milvus.connection import Connection
from tests.milvus.standalone import Standalone
from tests.milvus.standalone_files import find_package

_ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one thing with the server; returns 0 where that went well, 3 where ``status`` finds none, else 1."""
    options, rest = _parser().parse_known_args(arguments)
    try:
        if options.action == "test":
            return _test(options, rest)
        if rest:
            raise SegueError(f"unknown arguments: {' '.join(rest)}")
        server = Standalone(options.folder, options.environment)
        return {"start": _start, "stop": _stop, "status": _status}[options.action](server, options)
    except (SegueError, OSError) as error:
        sys.stderr.write(f"segue: {error}\n")
        return 1


def _start(server: Standalone, options: argparse.Namespace) -> int:
    server.start(options.port)
    sys.stdout.write(
        f"Milvus 2.3.5 answers at {server.uri} (process group {server.group}).\n"
        f"  export SEGUE_ENGINE=milvus SEGUE_MILVUS_URI={server.uri}\n"
        f"  export SEGUE_MILVUS_TOKEN=root:$(cat {server.folder / 'password'})\n"
    )
    return 0


def _stop(server: Standalone, options: argparse.Namespace) -> int:
    was_running = server.is_running
    server.stop()
    sys.stdout.write("stopped; its port is closed\n" if was_running else "it does not run\n")
    return 0


def _status(server: Standalone, options: argparse.Namespace) -> int:
    if not server.is_running:
        sys.stdout.write(f"no server runs in {server.folder}\n")
        return 3
    connection = Connection(server.params(timeout_s=3.0))
    try:
        names = connection.call("list_collections")
    except EngineError as error:
        sys.stdout.write(f"process group {server.group} runs at {server.uri}, but: {error}\n")
        return 1
    finally:
        connection.close()
    sys.stdout.write(f"answers at {server.uri} (process group {server.group}); {len(names)} collections\n")
    return 0


def _test(options: argparse.Namespace, rest: Sequence[str]) -> int:
    find_package(options.environment)
    environ = os.environ | {"SEGUE_TEST_MILVUS": str(options.environment.resolve())}
    command = [sys.executable, "-m", "pytest", "tests/milvus", *rest]
    return subprocess.run(command, cwd=_ROOT, env=environ, check=False).returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/milvus_dev",
        description="Milvus' standalone server, for developing and for the tests that need one.",
        epilog="Further arguments of test go to pytest.",
    )
    parser.add_argument("action", choices=["start", "stop", "status", "test"])
    parser.add_argument(
        "--folder", type=Path, default=_ROOT / ".milvus-dev", help="data, logs and the password (.milvus-dev)"
    )
    parser.add_argument(
        "--port", type=int, default=0, help="start: loopback port (that of last time, or a free one)"
    )
    parser.add_argument(
        "--environment",
        type=Path,
        default=_ROOT / ".venv-milvus",
        help="where milvus is installed (.venv-milvus)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
