"""The load test's command line: ``python -m server.load_test``. Exit codes: 0 held, 1 broken or failed, 2 misuse."""

from __future__ import annotations

import argparse
import importlib.util
import math
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from indexer.errors import ConfigError, SegueError
from indexer.index_folder import current_name
from indexer.index_version import read_manifest
from server.benchmarks.gunicorn_process import ROOT
from server.load_test.limits import Limits
from server.load_test.measurements import Publication, read_measured
from server.load_test.report import as_table, make_report, write_docs, write_report
from server.load_test.samples import MEDIA, Get, LoadTestFailed, Samples, gather, over_http
from server.load_test.serving import describe_server, serve
from server.load_test.swapping import Swapper, keep_shared, second_version

_LOCUSTFILE = Path(__file__).with_name("locustfile.py")
_DOCS = ROOT / "docs" / "load-test.md"
#: How long requests under way may take to end once the time is up.
_STOP_TIMEOUT_S = 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the load test, write its report and say how it went."""
    parser = _make_parser()
    options = parser.parse_args(arguments)
    try:
        limits = Limits.parse(options.limits)
        _check(options, limits)
    except ConfigError as error:
        parser.error(str(error))
    try:
        report = run(options, limits)
        if options.write_docs:
            write_docs(report, _DOCS)
    except SegueError as error:
        sys.stderr.write(f"load_test: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("load_test: stopped; there is no report\n")
        return 128 + signal.SIGINT
    sys.stdout.write(f"{as_table(report)}\n\nreport: {options.report}\n")
    for line in report["broken"]:
        sys.stderr.write(f"load_test: limit broken: {line}\n")
    return 1 if report["broken"] else 0


def run(options: argparse.Namespace, limits: Limits) -> dict[str, Any]:
    """Serve, sample, load and swap as asked; returns the report, which it also writes. Raises ``SegueError``."""
    folder: Path = options.report
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LoadTestFailed(f"the report cannot be written to {folder}: {error.strerror}") from error
    published: list[Publication] = []
    failures: list[str] = []
    with ExitStack() as stack:
        other = stack.enter_context(second_version(options.indexes)) if options.swap_every else ""
        host = options.host or stack.enter_context(serve(options.indexes, folder / "server.log"))
        get = over_http(host, _read_key(options.key_file))
        samples = gather(get, options.seed)
        served = _describe_served(options, get)
        if other:
            samples = keep_shared(samples, options.indexes, other)
            last_s = options.seconds - options.swap_every
            swapper = stack.enter_context(Swapper(options.indexes, other, options.swap_every, last_s))
            published, failures = swapper.published, swapper.failures
        client_cpu_s = _load(options, host, samples)
    rows = read_measured(folder / "requests.csv")
    asked = {
        name: getattr(options, name) for name in ("users", "spawn_rate", "seconds", "seed", "swap_every")
    }
    # What was published after the last request can have met none.
    published = [event for event in published if event.at < rows[-1].started_at]
    report = make_report(rows, published, failures, limits, asked, served, client_cpu_s)
    write_report(report, folder / "report.json")
    return report


def _load(options: argparse.Namespace, host: str, samples: Samples) -> float:
    """Run locust in its own process, since it patches sockets and threads; returns the processor seconds it took."""
    folder: Path = options.report
    samples.write(folder / "samples.json")
    measured, log = folder / "requests.csv", folder / "locust.log"
    measured.unlink(missing_ok=True)
    command = [sys.executable, "-m", "locust", "-f", _LOCUSTFILE, "--headless", "--host", host]
    command += [
        "--users",
        options.users,
        "--spawn-rate",
        options.spawn_rate,
        "--run-time",
        f"{options.seconds}s",
    ]
    command += ["--stop-timeout", _STOP_TIMEOUT_S, "--html", folder / "locust.html", "--only-summary"]
    command += ["--exit-code-on-error", 0, "--loglevel", "WARNING", "--seed", options.seed]
    command += ["--samples", folder / "samples.json", "--measured", measured]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    if options.key_file is not None:
        command += ["--key-file", options.key_file]
    with log.open("wb") as stream:
        done = subprocess.run(
            [str(word) for word in command], cwd=ROOT, stdout=stream, stderr=stream, check=False
        )
    if done.returncode != 0:
        raise LoadTestFailed(f"locust ended with code {done.returncode}; see {log}")
    # The server is a child too, but counts only once it has ended.
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _describe_served(options: argparse.Namespace, get: Get) -> dict[str, Any]:
    found: dict[str, Any] = {"version": str(get("/readyz")["index_version"])}
    if options.indexes is not None:
        manifest = read_manifest(options.indexes / found["version"])
        found["counts"] = {medium: manifest["counts"][medium] for medium in MEDIA}
    if options.host is None:
        found["server"] = describe_server()
    return found


def _read_key(path: Path | None) -> str:
    try:
        return path.read_text(encoding="ascii").strip() if path is not None else ""
    except (OSError, UnicodeDecodeError) as error:
        raise LoadTestFailed(f"the key cannot be read from {path}: {error}") from error


def _check(options: argparse.Namespace, limits: Limits) -> None:
    if importlib.util.find_spec("locust") is None:
        raise ConfigError("locust is not installed; it comes with requirements-dev.txt")
    if options.host is not None and not options.host.startswith(("http://", "https://")):
        raise ConfigError("--host must be an address such as http://127.0.0.1:8000")
    if options.host is None and options.indexes is None:
        raise ConfigError("give --indexes to have a server started, or --host for one that runs")
    if options.swap_every and options.indexes is None:
        raise ConfigError("--swap-every needs --indexes: the folder that the server serves")
    if options.swap_every and options.swap_every <= limits.swap_s:
        raise ConfigError(
            f"--swap-every must be longer than the limit swap_s ({limits.swap_s:g} s), or a missed swap would not show"
        )
    if options.swap_every and options.seconds < 2 * options.swap_every:
        raise ConfigError("--seconds must be twice --swap-every at least, so that a swap can be seen")
    if options.indexes is not None:
        try:
            current_name(options.indexes)
        except SegueError as error:
            raise ConfigError(str(error)) from error


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="load_test",
        description="Load a server with a seeded mix of requests, check every reply, and judge by limits.",
    )
    defaults = ", ".join(f"{name}={value:g}" for name, value in asdict(Limits()).items())
    parser.add_argument(
        "--indexes", type=_path, help="index versions to serve on a free port (no --host needed)"
    )
    parser.add_argument("--host", help="address of a running server; by default one is started")
    parser.add_argument("--key-file", type=_path, help="file with the API key that --host wants")
    parser.add_argument("--users", type=_count, default=4, help="users at once (default 4)")
    parser.add_argument("--spawn-rate", type=_positive, default=2.0, help="users added a second (default 2)")
    parser.add_argument("--seconds", type=_count, default=30, help="how long, the ramp included (default 30)")
    parser.add_argument("--seed", type=int, default=0, help="of all choices made (default 0)")
    parser.add_argument(
        "--swap-every", type=_positive, default=0.0, help="publish another version every so many seconds"
    )
    parser.add_argument("--limits", default="", help=f"what must hold (default {defaults})")
    parser.add_argument(
        "--report", type=_path, required=True, help="folder for report.json, locust.html and logs"
    )
    parser.add_argument("--write-docs", action="store_true", help="put the figures into docs/load-test.md")
    return parser


def _path(text: str) -> Path:
    return Path(text).expanduser().resolve()


def _count(text: str) -> int:
    number = int(text) if text.strip().isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError("must be a whole number from 1")
    return number


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError("must be a number above 0")
    return number


def _end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    # As an exception, so that the server is stopped and the version served before is published again.
    raise SystemExit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main())
