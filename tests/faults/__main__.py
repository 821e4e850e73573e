"""The command line: ``python -m tests.faults kill · damage · disk · swaps · api · limits · memory · soak · all``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.faults.table import write_table
from tests.faults.verdict import Verdict


def main(arguments: Sequence[str] | None = None) -> int:
    """Run rows; returns 0 where all hold and 1 where one does not."""
    options = _parser().parse_args(arguments)
    # Before numpy and the like load: children are forked from this process, and threads do not survive that.
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
    verdicts = []
    for row in _ROWS if options.row == "all" else [options.row]:
        verdict = _ROWS[row](options)
        verdicts.append(verdict)
        sys.stdout.write(f"{verdict.line()}\n")
        if not verdict.held:
            sys.stdout.write(f"{verdict.details()}\n")
        sys.stdout.flush()
    if options.json is not None:
        text = json.dumps([verdict.to_dict() for verdict in verdicts], indent=2, ensure_ascii=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    if options.table is not None:
        write_table(options.table, verdicts)
    return 0 if all(verdict.held for verdict in verdicts) else 1


# Rows import what they need when they run: an import of the one must not start threads in the other.
def _kill(options: argparse.Namespace) -> Verdict:
    from tests.faults.kill import run_kill

    return run_kill(options.trials, options.seed)


def _damage(options: argparse.Namespace) -> Verdict:
    from tests.faults.damage import run_damage

    return run_damage(options.cases, options.seed, options.indexes)


def _disk(options: argparse.Namespace) -> Verdict:
    from tests.faults.disk import run_disk

    return run_disk(options.every, options.fills)


def _swaps(options: argparse.Namespace) -> Verdict:
    from tests.faults.swaps import run_swaps

    return run_swaps(options.indexes, options.port, options.count, options.steady, options.clients)


def _api(options: argparse.Namespace) -> Verdict:
    from tests.faults.api import run_api

    return run_api(options.indexes, options.examples, options.seed)


def _limits(options: argparse.Namespace) -> Verdict:
    from tests.faults.limits import run_limits

    return run_limits(options.indexes, options.port, options.seconds, options.slow_clients)


def _memory(options: argparse.Namespace) -> Verdict:
    from tests.faults.memory import run_memory

    return run_memory(options.indexes, options.port, options.ceilings)


def _soak(options: argparse.Namespace) -> Verdict:
    from tests.faults.soak import run_soak

    return run_soak(
        options.indexes, options.port, options.minutes, options.sample, options.swap_every, options.clients
    )


#: In the order that ``all`` runs them; those that fork from a warm process come before those that search in it.
_ROWS: dict[str, Callable[[argparse.Namespace], Verdict]] = {
    "kill": _kill,
    "damage": _damage,
    "disk": _disk,
    "memory": _memory,
    "limits": _limits,
    "swaps": _swaps,
    "soak": _soak,
    "api": _api,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description="Put faults to Segue and count what holds."
    )
    parser.add_argument("row", choices=[*_ROWS, "all"])
    parser.add_argument("--json", type=Path, help="write all counts and figures here")
    parser.add_argument("--table", type=Path, help="write the figures into this document's table")
    parser.add_argument("--seed", type=int, default=0, help="seed of every random choice (0)")
    parser.add_argument(
        "--indexes",
        type=Path,
        help="damage, memory, limits, swaps, soak, api: serve this instead of a small one",
    )
    parser.add_argument("--port", type=int, default=8180, help="port of the servers started (8180)")
    parser.add_argument("--clients", type=int, default=4, help="swaps, soak: clients at once (4)")
    for row, name, kind, default, about in (
        ("kill", "--trials", int, 1000, "processes killed"),
        ("damage", "--cases", int, 500, "damaged files, at least"),
        ("disk", "--every", int, 1, "fail every n-th step of a command"),
        ("disk", "--fills", int, 40, "places to run out of room at"),
        ("swaps", "--count", int, 100, "swaps"),
        ("swaps", "--steady", float, 20.0, "seconds of load before them, to compare with"),
        (
            "api",
            "--examples",
            int,
            200,
            "requests of each kind for each operation; odd bodies are five times that",
        ),
        ("limits", "--seconds", float, 20.0, "seconds for each kind of slow client"),
        ("limits", "--slow-clients", int, 20, "slow clients at once"),
        ("memory", "--ceilings", int, 20, "limits tried"),
        ("soak", "--minutes", float, 30.0, "how long"),
        ("soak", "--sample", float, 10.0, "seconds between two looks at the memory"),
        ("soak", "--swap-every", float, None, "seconds between two swaps; without it there are none"),
    ):
        default_text = "none" if default is None else f"{default:g}"
        parser.add_argument(name, type=kind, default=default, help=f"{row}: {about} ({default_text})")
    return parser


if __name__ == "__main__":
    sys.exit(main())
