"""A contender's process, seen from the outside: started, asked and ended."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from indexer.benchmarks.worker import Task
from indexer.errors import SegueError

_ROOT = Path(__file__).resolve().parents[2]
_ONE_THREAD = [
    f"{name}=1"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
]


class WorkerFailed(SegueError):
    """A contender's process ended without an answer; the message has its last words."""


@dataclass
class Worker:
    """A contender's process. ``missing``: why it takes no part; ``chosen``: share → the setting it was tuned to."""

    task: Task
    folder: Path
    missing: str = ""
    chosen: dict[float, int] = field(default_factory=dict)
    _process: subprocess.Popen[str] | None = None

    @contextmanager
    def may_fail(self) -> Iterator[None]:
        """Should the worker fail inside, it takes no part any more."""
        try:
            yield
        except WorkerFailed as error:
            self.missing = self.missing or str(error)

    def __enter__(self) -> Worker:
        file = self.folder / "task.json"
        file.write_text(json.dumps(asdict(self.task)), encoding="utf-8")
        with (self.folder / "errors.log").open("w", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                ["env", *_ONE_THREAD, sys.executable, "-m", "indexer.benchmarks.worker", str(file)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=_ROOT,
            )
        self.missing = self._read().get("missing", "")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def ask(self, **order: Any) -> dict[str, Any]:
        """Give an order and wait for its answer; WorkerFailed where none comes."""
        if self.missing or self._process is None or self._process.stdin is None:
            raise WorkerFailed(self.missing or f"{self.task.contender} was not started")
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # what it said last is read next
        return self._read()

    def search(self, case: int, setting: int, queries: Sequence[int]) -> tuple[list[list[int]], list[float]]:
        """The rows found and the times in milliseconds, in the order of ``queries``."""
        answer = self.ask(do="search", case=case, setting=setting, queries=list(queries))
        return answer["rows"], answer["ms"]

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process and self._process.stdout else ""
        if not line:
            said = (self.folder / "errors.log").read_text(encoding="utf-8").strip().splitlines()
            raise WorkerFailed(f"{self.task.contender} stopped: {said[-1] if said else 'it said nothing'}")
        answer: dict[str, Any] = json.loads(line)
        return answer
