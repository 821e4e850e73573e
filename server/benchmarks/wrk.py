"""Load by wrk, which takes little of the machine it shares with the server."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import SegueError

_SCRIPT = Path(__file__).with_name("wrk_requests.lua")


class WrkMissing(SegueError):
    """wrk is not on the path."""


class WrkFailed(SegueError):
    """wrk did not measure; the message has what it said."""


@dataclass(frozen=True)
class Load:
    """What a run of wrk measured: replies, their rate a second, latencies in milliseconds, and failures.

    ``refused``: replies with a status of 400 or more; ``broken``: connections that failed or timed out.
    """

    requests: int
    rate: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int


def find_wrk() -> str:
    """Path of wrk; WrkMissing where it is not installed."""
    found = shutil.which("wrk")
    if found is None:
        raise WrkMissing("wrk is not on the path; it makes the load (on Debian: apt-get install wrk)")
    return found


def run_wrk(url: str, requests: Path, skip: int, clients: int, seconds: int) -> Load:
    """Send the requests of a file (see wrk_requests.lua) for some seconds, from line ``skip`` on."""
    command = [
        find_wrk(),
        "-t1",
        f"-c{clients}",
        f"-d{seconds}s",
        "--timeout",
        "30s",
        "-s",
        str(_SCRIPT),
        url,
    ]
    done = subprocess.run(
        [*command, "--", str(requests), str(skip)], capture_output=True, text=True, timeout=seconds + 60
    )
    return read_output(done.stdout, done.stderr)


def read_output(printed: str, errors: str = "") -> Load:
    """The figures from what wrk printed; WrkFailed where they are not there."""
    for line in printed.splitlines():
        if line.startswith("measured "):
            requests, duration_us, p50_us, p99_us, refused, broken = map(int, line.split()[1:])
            rate = 1e6 * requests / duration_us if duration_us else 0.0
            return Load(requests, rate, p50_us / 1000, p99_us / 1000, refused, broken)
    raise WrkFailed(f"wrk measured nothing: {(errors or printed).strip()[-300:]}")
