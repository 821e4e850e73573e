"""Stores feedback without ever holding up a search: one thread uses the database, nobody waits for it long."""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from indexer import feedback_database as database
from indexer.errors import FeedbackUnavailable
from indexer.feedback import Judgement, hash_key

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_log = logging.getLogger(__name__)

#: What a request waits for the database at most, and how long it is left alone after a failure.
WAIT_S: Final = 2.0
PAUSE_S: Final = 5.0
#: How long a request waits for those before it.
_TURN_WAIT_S: Final = 0.25
#: Failures as quick as this are tried once more: two processes made the table at a time, or a file was taken away.
_RETRY_WITHIN_S: Final = 0.5


class _Job:
    """One use of the database; ``abandoned`` once nobody waits for it any more."""

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.done = threading.Event()
        self.abandoned = False
        self.result: Any = None
        self.error: Exception | None = None


class FeedbackStore:
    """Feedback in a database, a URL or the path of a SQLite file. Safe to use from many threads.

    Nothing is imported, opened, made or started before the first use, so that a process may be forked before. Every
    call takes ``wait_s`` seconds at most and raises ``FeedbackUnavailable`` where the database is away, full, locked
    or slow; for ``pause_s`` seconds after that calls are refused at once. At most ``turns`` calls wait at a time.
    Raises ``MissingLibrary`` without a driver and ``ConfigError`` for a URL that is none.
    """

    def __init__(
        self,
        where: str | Path,
        turns: int = 2,
        wait_s: float = WAIT_S,
        pause_s: float = PAUSE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._where = where
        self._wait_s = wait_s
        self._pause_s = pause_s
        self._clock = clock
        self._turns = threading.BoundedSemaphore(turns)
        self._opening = threading.Lock()
        self._engine: Engine | None = None
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._is_prepared = False
        self._paused_until = -math.inf
        self._trouble = ""

    def put(self, key: str, judgement: Judgement) -> None:
        """Store a judgement in place of what was said under this key before."""
        self._do(lambda connection: database.put(connection, hash_key(key), judgement))

    def drop(self, key: str) -> None:
        """Forget what was said under this key, if anything was."""
        if not self._is_empty():
            self._do(lambda connection: database.drop(connection, hash_key(key)))

    def count(self) -> dict[tuple[str, str, str], int]:
        """Count judgements by kind, method and what was said."""
        counts: dict[tuple[str, str, str], int] = {} if self._is_empty() else self._do(database.count)
        return counts

    def _is_empty(self) -> bool:
        """Whether there is no SQLite file yet; asking for what is in it makes none."""
        file = database.file_of(self._open())
        return file is not None and not file.exists()

    def _open(self) -> Engine:
        # Not in the database's thread: loading SQLAlchemy for the first time takes a while, which is nobody's failure.
        with self._opening:
            if self._engine is None:
                engine = database.open_engine(self._where)
                threading.Thread(target=self._work, name="segue-feedback", daemon=True).start()
                self._engine = engine
            return self._engine

    def _do(self, work: Callable[[Connection], Any]) -> Any:
        self._open()
        left_s = self._paused_until - self._clock()
        if left_s > 0:
            raise FeedbackUnavailable("feedback cannot be stored at the moment", math.ceil(left_s))
        if not self._turns.acquire(timeout=_TURN_WAIT_S):
            raise FeedbackUnavailable("others are giving feedback at the moment", 1)
        try:
            job = _Job(work)
            self._jobs.put(job)
            if not job.done.wait(self._wait_s):
                job.abandoned = True
                self._pause(f"no answer within {self._wait_s:g} s")
        finally:
            self._turns.release()
        if job.error is not None:
            from sqlalchemy.exc import SQLAlchemyError

            if not isinstance(job.error, SQLAlchemyError | OSError):
                raise job.error
            self._pause(database.word_trouble(job.error))
        if self._trouble:
            self._trouble = ""
            _log.info("feedback can be stored again")
        return job.result

    def _pause(self, trouble: str) -> None:
        self._paused_until = self._clock() + self._pause_s
        if trouble != self._trouble:
            self._trouble = trouble
            _log.error("feedback cannot be stored: %s", trouble)
        raise FeedbackUnavailable("feedback cannot be stored at the moment", math.ceil(self._pause_s))

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if not job.abandoned:
                try:
                    job.result = self._run(job)
                except Exception as error:  # noqa: BLE001  it is raised where the result is waited for
                    job.error = error
            job.done.set()

    def _run(self, job: _Job) -> Any:
        from sqlalchemy.exc import SQLAlchemyError

        started = self._clock()
        try:
            return self._use(job)
        except SQLAlchemyError:
            self._is_prepared = False
            if job.abandoned or self._clock() - started > _RETRY_WITHIN_S:
                raise
        return self._use(job)

    def _use(self, job: _Job) -> Any:
        assert self._engine is not None
        with self._engine.connect() as connection:
            if not self._is_prepared:
                database.prepare(connection)
                connection.commit()
                self._is_prepared = True
            result = job.work(connection)
            # Whoever sent it was told that it failed, and may have said something else since.
            if not job.abandoned:
                connection.commit()
            return result
