"""A full disk and I/O errors in the middle of a build, a publication or a rollback."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from indexer import index_folder
from tests.faults.children import Outcome, last_words, run_child
from tests.faults.commands import COMMANDS, Command, in_memory, inspect
from tests.faults.small_index import SmallIndex, start_warm
from tests.faults.steps import BROKEN, FULL, fail_at, list_steps, watch_steps
from tests.faults.verdict import Verdict

CLAIM = (
    "the old version serves (after the switch the new one), one line says why and what is served, the exit code is 1, "
    "nothing is left behind"
)
_PAGE_BYTES = 4096
_LONGEST_LINE = 400
_DELETING = ("unlink", "rmdir")
_ROOM_BYTES = 64 * 2**20


def run_disk(every: int, fills: int) -> Verdict:
    """Fail every ``every``-th step once and for good, and fill a real disk ``fills`` times at other places."""
    verdict = Verdict("disk", CLAIM)
    with tempfile.TemporaryDirectory(dir=in_memory()) as made:
        folder = Path(made)
        small = start_warm(folder)
        _inject(verdict, small, folder, every)
        _limit_files(verdict, small, folder, fills)
        with _small_disk(folder / "disk") as mounted:
            if mounted:
                _fill(verdict, small, folder / "disk", fills)
            else:
                verdict.figures["a real full disk"] = "not tried: no right to mount one"
    return verdict.finish()


def _inject(verdict: Verdict, small: SmallIndex, folder: Path, every: int) -> None:
    """Let step 1, 2, 3 … of each command fail: once with EIO, and from there on with ENOSPC."""
    for name, command in COMMANDS.items():
        indexes = small.copy(folder / "counted")
        command.prepare(indexes)
        steps = run_child(lambda: list_steps(lambda: command.run(small, indexes))).value  # noqa: B023
        shutil.rmtree(indexes)
        verdict.count(f"steps of {name}", len(steps))
        for number in range(1, len(steps) + 1, every):
            for code, lasting in ((BROKEN, False), (FULL, True)):
                if lasting and steps[number - 1] in _DELETING:
                    continue  # a full disk does not refuse to delete
                about = f"{name}, {os.strerror(code)} at step {number} of {len(steps)} ({steps[number - 1]})"
                watch = fail_at(number, code, lasting)

                def run(indexes: Path, command: Command = command, watch: Any = watch) -> int:
                    with watch_steps(watch):
                        return command.run(small, indexes)

                deleting = steps[number - 1] in _DELETING
                _try(verdict, about, small, folder / "trial", command, run, None, deleting)


def _limit_files(verdict: Verdict, small: SmallIndex, folder: Path, fills: int) -> None:
    """Let every write past a size fail, in Python and in C: RLIMIT_FSIZE."""
    version = small.indexes / index_folder.current_name(small.indexes)
    largest = max(path.stat().st_size for path in version.rglob("*") if path.is_file())
    for turn in range(fills):
        size = largest * turn // fills
        about = f"build, files of {size:,} bytes at most"
        command = COMMANDS["build"]
        limits = {resource.RLIMIT_FSIZE: size}
        _try(verdict, about, small, folder / "trial", command, lambda i: command.run(small, i), limits)  # noqa: B023
        verdict.count("limited file sizes")


def _fill(verdict: Verdict, small: SmallIndex, disk: Path, fills: int) -> None:
    """Leave a disk a little more room each time, until a build fits."""
    command = COMMANDS["build"]
    indexes = small.copy_whole(disk / "indexes")
    before = shutil.disk_usage(disk).used
    first = run_child(lambda: command.run(small, indexes))
    verdict.expect(first.code == 0, f"a build with room enough fails: {last_words(first)}")
    needed = shutil.disk_usage(disk).used - before
    shutil.rmtree(indexes)
    for turn in range(fills):
        small.copy_whole(disk / "indexes")
        ballast = disk / "ballast"
        room = needed * turn // fills // _PAGE_BYTES * _PAGE_BYTES
        with ballast.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, shutil.disk_usage(disk).free - room)
        about = f"build, {room:,} of {needed:,} bytes left on the disk"
        outcome = run_child(lambda: command.run(small, indexes))
        ballast.unlink()
        _judge(verdict, about, small, indexes, [], outcome)
        shutil.rmtree(indexes)
        verdict.count("full disks")


def _try(
    verdict: Verdict,
    about: str,
    small: SmallIndex,
    indexes: Path,
    command: Command,
    run: Callable[[Path], int],
    limits: dict[int, int] | None = None,
    deleting: bool = False,
) -> None:
    small.copy(indexes)
    others = command.prepare(indexes)
    outcome = run_child(lambda: run(indexes), limits=limits)
    _judge(verdict, about, small, indexes, others, outcome, deleting)
    shutil.rmtree(indexes)


def _judge(
    verdict: Verdict,
    about: str,
    small: SmallIndex,
    indexes: Path,
    others: list[str],
    outcome: Outcome,
    deleting: bool = False,
) -> None:
    if not verdict.expect(outcome.code in (0, 1), f"{about}: {last_words(outcome)}"):
        return
    said = _said(outcome.printed)
    looked = run_child(lambda: inspect(indexes))
    if not verdict.expect(
        looked.value is not None, f"{about}: what is left does not open: {last_words(looked)}"
    ):
        return
    found = looked.value
    if outcome.code == 0:
        verdict.count("went through all the same")
        verdict.expect(not found["leftovers"], f"{about}: left behind {found['leftovers']}")
        return
    verdict.count("refused")
    one_line = len(said) == 1 and said[0].startswith("segue: ") and len(said[0]) < _LONGEST_LINE
    if verdict.expect(one_line, f"{about}: says {said}"):
        # An error of the system leaves open what is served, so it is said; Segue's own errors come before the switch.
        told = f"; {found['served']} is " in said[0] or "cannot write" in said[0]
        verdict.expect(told, f"{about}: does not say that {found['served']} is served: {said[0]}")
        _note(verdict, said[0], indexes, found["names"])
    if found["served"] != _served_before(small, others):
        # Past the switch there is no way back that could not fail as well; what is served is whole and named.
        verdict.count("failed after the switch")
    if found["leftovers"] and deleting:
        # It is deleting that failed, so it is for the next build to do.
        again = run_child(lambda: COMMANDS["build"].run(small, indexes))
        verdict.expect(again.code == 0, f"{about}: the next build fails: {last_words(again)}")
        verdict.count("left to the next build")
        found["leftovers"] = (run_child(lambda: inspect(indexes)).value or {}).get(
            "leftovers", ["what does not open"]
        )
    verdict.expect(not found["leftovers"], f"{about}: left behind {found['leftovers']}")


def _note(verdict: Verdict, line: str, indexes: Path, names: list[str]) -> None:
    """Count a message, less what differs each time."""
    for name in sorted(names, reverse=True):
        line = line.replace(name, "VERSION")
    line = re.sub(r"partial-\d+", "partial-N", line.replace(str(indexes), "INDEXES"))
    line = re.sub(r"\d{8}T\d{6}Z(-\d+)?", "VERSION", line)
    messages = verdict.figures.setdefault("messages", {})
    messages[line] = messages.get(line, 0) + 1


def _served_before(small: SmallIndex, others: list[str]) -> str:
    return others[0] if len(others) > 1 else index_folder.current_name(small.indexes)


def _said(printed: str) -> list[str]:
    """What was printed, without progress bars."""
    lines = printed.replace("\r", "\n").split("\n")
    bars = ("row/s", "s/row", "?row")
    return [line for line in lines if line.strip() and not any(bar in line for bar in bars)]


@contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    folder.mkdir()
    options = f"size={_ROOM_BYTES}"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "faults", str(folder)], capture_output=True, check=False
    )
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", str(folder)], check=True)
