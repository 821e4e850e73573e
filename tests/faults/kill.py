"""kill -9 at any moment of a build, a publication, a rollback or a prune."""

from __future__ import annotations

import random
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from indexer import build as building
from indexer import index_folder, publication
from indexer import index_version as versions
from indexer.__main__ import main
from tests.faults.children import Marks, last_words, run_child
from tests.faults.commands import COMMANDS, Command, in_memory, inspect
from tests.faults.small_index import SmallIndex, start_warm
from tests.faults.steps import Watch, kill_at, list_steps, watch_steps
from tests.faults.verdict import Verdict

CLAIM = "every state opens, what is served is the old version or the new one, the next build leaves nothing behind"


def run_kill(trials: int, seed: int, home: Path | None = None) -> Verdict:
    """Kill ``trials`` processes: right before and after each step of the commands, and at random moments of a build.

    Done in memory where the system has a place for it: killing a process loses nothing that it wrote, wherever.
    """
    verdict = Verdict("kill", CLAIM)
    with tempfile.TemporaryDirectory(dir=home or in_memory()) as made:
        folder = Path(made)
        small = start_warm(folder)
        marks = Marks()
        length_s = _measure(small, folder / "measured")
        chance = random.Random(seed)
        stages: dict[str, int] = {}
        rounds = trials
        while verdict.counts.get("killed", 0) < trials and rounds:
            # Some builds end before their moment comes; they are judged too, and others killed in their place.
            for kind, command, watch, kill_after_s in _plan(small, folder, rounds, chance, length_s):
                number = sum(stages.values())
                indexes = small.copy(folder / f"trial-{number}")
                others = command.prepare(indexes)
                marks.set("start")
                with _marked(marks):
                    outcome = run_child(lambda: _run(command, watch, small, indexes), kill_after_s)  # noqa: B023
                killed = outcome.code == -signal.SIGKILL and not outcome.hung
                verdict.count("killed" if killed else "ended before the kill")
                stage = f"{kind}: {marks.get() if killed else 'over'}"
                stages[stage] = stages.get(stage, 0) + 1
                about = f"trial {number} (seed {seed}), {stage}"
                if not killed:
                    verdict.expect(outcome.code == 0, f"{about}: {last_words(outcome)}")
                _judge(verdict, about, small, indexes, others)
                shutil.rmtree(indexes)
            rounds = min(trials - verdict.counts.get("killed", 0), rounds - 1)
        verdict.figures["build s"] = round(length_s, 3)
        whole = sum(stages.values())
        shares = {stage: round(100 * number / whole, 1) for stage, number in stages.items()}
        verdict.figures["stages"] = dict(sorted(shares.items(), key=lambda entry: -entry[1]))
    return verdict.finish()


def _measure(small: SmallIndex, indexes: Path) -> float:
    small.copy(indexes)
    outcomes = [run_child(lambda: main(small.arguments(indexes))) for _ in range(3)]
    shutil.rmtree(indexes)
    return sorted(outcome.seconds for outcome in outcomes)[1]


Plan = tuple[str, Command, Watch | None, float | None]


def _plan(
    small: SmallIndex, folder: Path, trials: int, chance: random.Random, length_s: float
) -> Iterator[Plan]:
    """Every moment right before and after a step of each command (up to 3/4 of the trials); the rest by the clock."""
    moments: dict[str, list[tuple[str, int, bool]]] = {}
    for name, command in COMMANDS.items():
        indexes = small.copy(folder / f"steps-{name}")
        command.prepare(indexes)
        steps = run_child(lambda: list_steps(lambda: command.run(small, indexes))).value  # noqa: B023
        shutil.rmtree(indexes)
        moments[name] = [
            (name, number, after) for number in range(1, len(steps) + 1) for after in (False, True)
        ]
    # Where there are too few trials for all, publishing is what must not be missed.
    others = [moment for name in COMMANDS if name != "publish" for moment in moments[name]]
    chance.shuffle(others)
    by_step = [*moments["publish"], *others][: trials - trials // 4]
    for name, number, after in by_step:
        yield f"step of {name}", COMMANDS[name], kill_at(number, after), None
    timed = trials - len(by_step)
    for slot in range(timed):
        # Slots of equal length with one random moment in each: random, yet no part of a build goes untried.
        yield "timed build", COMMANDS["build"], None, (slot + chance.random()) / timed * length_s


def _run(command: Command, watch: Watch | None, small: SmallIndex, indexes: Path) -> int:
    if watch is None:
        return command.run(small, indexes)
    with watch_steps(watch):
        return command.run(small, indexes)


@contextmanager
def _marked(marks: Marks) -> Iterator[None]:
    """Let children note which part of the work they are in."""

    def noted(target: Any, name: str, label: str) -> Any:
        real = getattr(target, name)

        def call(*args: Any, **named: Any) -> Any:
            marks.set(label)
            return real(*args, **named)

        return mock.patch.object(target, name, call)

    real_stage = building._Log.stage

    @contextmanager
    def stage(log: Any, name: str) -> Iterator[None]:
        marks.set(name)
        with real_stage(log, name):
            yield

    with (
        mock.patch.object(building._Log, "stage", stage),
        noted(versions, "seal", "seal"),
        noted(publication, "publish", "verify before publishing"),
        noted(publication, "replace_text", "HISTORY and CURRENT"),
    ):
        yield


def _judge(verdict: Verdict, about: str, small: SmallIndex, indexes: Path, others: list[str]) -> None:
    """Open what is left, then build again and see that nothing but versions remains."""
    old = index_folder.current_name(small.indexes)

    def look() -> dict[str, Any]:
        found = inspect(indexes)
        return {"found": found, "code": main(small.arguments(indexes)), "after": inspect(indexes)}

    outcome = run_child(look)
    if outcome.value is None:
        verdict.fail(f"{about}: the state left or the next build does not open: {last_words(outcome)}")
        return
    found, after = outcome.value["found"], outcome.value["after"]
    names, served = found["names"], found["served"]
    verdict.expect(served in {old, *others, *(set(names) - {old})}, f"{about}: {served} is served")
    verdict.count("old version served" if served == old else "new version served")
    if found["leftovers"]:
        verdict.count("left something to clean")
    verdict.expect(outcome.value["code"] == 0, f"{about}: the next build fails: {last_words(outcome)}")
    verdict.expect(after["served"] not in names, f"{about}: the next build is not served")
    verdict.expect(not after["leftovers"], f"{about}: left by the next build: {after['leftovers']}")
