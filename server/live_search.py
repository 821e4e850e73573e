"""The ``Search`` over the published version: swapped while requests run, each on the one it began with."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from indexer.catalogue.records import other_medium
from indexer.engine import Engine, FaissEngine
from indexer.errors import EngineError, EngineRefused, EngineUnavailable, VersionError
from indexer.space import MEDIA
from server.leases import Lease, LeasedSearch
from server.memory_room import check_room
from server.refusals import Attempt, Refusal, Signature, may_pass, sign_files, word_refusal
from server.search import OnStage, Query, Search

_log = logging.getLogger(__name__)

#: Opens the named version in a folder of versions; any Exception refuses it.
Opener = Callable[[Path, str], Search]


#: Between tries to open a version on an engine that does not answer: each hashes the version's files.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 15.0
_FAISS = FaissEngine()


def open_search(indexes: Path, name: str, on_stage: OnStage | None = None, engine: Engine = _FAISS) -> Search:
    """Verify and open a version; ``on_stage`` is for ``Search``. Raises ``VersionError`` or ``EngineError``."""
    return Search(engine.open_version(indexes, name), on_stage)


def warm(search: Search) -> None:
    """Search both ways, by words and by id, so that what is loaded on first use is loaded."""
    for target in MEDIA:
        for hit in search.find(Query(target, text="a quiet night by the sea", limit=1)).hits:
            by_id = (hit.id,)
            movies, tracks = (by_id, ()) if target == "movies" else ((), by_id)
            search.find(Query(other_medium(target), tracks, movies))
            search.find(Query(target, tracks, movies))
        search.look_up(target, "night", 1)


class LiveSearch:
    """Serves the version that the ``engine`` says is published, and follows it. Safe to use from many threads.

    A version that cannot be opened is refused, and the one before it goes on answering. Nothing is opened, and no
    thread runs, before ``look`` or ``start`` is called, so that a process may be forked before.

    ``on_swap(name, before)`` is called when a version answers (``before`` is None for the first one), and
    ``on_refusal(name, reason)`` when one is refused, both from the thread that looked.
    """

    def __init__(
        self,
        indexes: Path,
        poll_s: float = 1.0,
        opener: Opener = open_search,
        on_swap: Callable[[str, str | None], None] = lambda name, before: None,  # noqa: ARG005
        on_refusal: Callable[[str, str], None] = lambda name, reason: None,  # noqa: ARG005
        engine: Engine = _FAISS,
    ) -> None:
        self._indexes = indexes
        self._poll_s = poll_s
        self._opener = opener
        self._on_swap = on_swap
        self._on_refusal = on_refusal
        self._engine = engine
        self._engine_error: EngineError | None = None
        self._pause_s = _FIRST_PAUSE_S
        self._open_at = 0.0
        self._held: LeasedSearch | None = None
        self._wasted = False
        self._attempt: Attempt | None = None
        self._swapping = threading.Lock()
        self._looking = threading.Lock()
        self._starting = threading.Lock()
        self._stopping = threading.Event()
        self._looked = threading.Event()
        self._watcher: threading.Thread | None = None

    @classmethod
    def over(cls, search: Search) -> LiveSearch:
        """Serve one ``Search`` that the caller opened and closes; follows nothing."""
        live = cls(Path())
        live._held = LeasedSearch(search)
        live._stopping.set()
        live._looked.set()
        return live

    @property
    def name(self) -> str | None:
        """The version that answers, None where there is none."""
        held = self._held
        return held.search.name if held is not None else None

    @property
    def refused(self) -> Refusal | None:
        """The published version, where it is not served, and why."""
        attempt = self._attempt
        return attempt.refusal if attempt is not None else None

    @property
    def engine_error(self) -> EngineError | None:
        """Why the engine could not be used when it was last asked; None where it could."""
        return self._engine_error

    def note(self, error: EngineError) -> None:
        """Note that a search met this; held against the engine until a look finds it well."""
        if isinstance(error, EngineUnavailable | EngineRefused):
            self._lose_engine(error)

    def take(self) -> Lease:
        """Hold the ``Search`` that answers now until the lease ends.

        Where there is none, ``EngineError`` if that is why, else ``VersionError``.
        """
        with self._swapping:
            if self._held is None:
                if self._engine_error is not None:
                    raise type(self._engine_error)(str(self._engine_error))
                raise VersionError(f"no index version in {self._indexes} can be served")
            return self._held.take()

    @contextmanager
    def lease(self) -> Iterator[Search]:
        """Hold the ``Search`` that answers now for a block; ``VersionError`` where there is none."""
        lease = self.take()
        try:
            yield lease.search
        finally:
            lease.end()

    def start(self) -> None:
        """Begin to follow ``CURRENT`` in a thread of its own, unless that is done or over; returns at once."""
        if self._watcher is not None or self._stopping.is_set():
            return
        with self._starting:
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="segue-watcher", daemon=True)
                self._watcher.start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the published version was looked at once: opened, refused, or not there."""
        return self._looked.wait(timeout_s)

    def stop(self, timeout_s: float = 10.0) -> None:
        """Follow no longer, and close what is open as soon as nobody uses it."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join(timeout_s)
        with self._swapping:
            held, self._held = self._held, None
        if held is not None:
            held.drop()
        self._engine.close()

    def look(self) -> None:
        """Serve the version that is published now, if it is another one and can be opened; else nothing changes."""
        with self._looking:
            try:
                self._follow()
            finally:
                self._looked.set()

    def _watch(self) -> None:
        while True:
            try:
                self.look()
                self._give_back()
            except Exception:  # noqa: BLE001  without the watcher no later version would ever be served
                _log.exception("looking for a new index version failed")
            if self._stopping.wait(self._poll_s):
                return

    def _follow(self) -> None:
        try:
            name = self._engine.current_name(self._indexes)
            if self._engine_error is not None and self._held is not None:
                self._held.search.probe()
        except EngineError as error:
            self._lose_engine(error)
            return
        except (VersionError, OSError, UnicodeDecodeError) as error:
            if not self._looked.is_set():
                _log.error("no index version is served: %s", error)
            return
        if name == self.name:
            self._attempt = None
            self._find_engine()
            return
        before = self._attempt
        if before is not None and before.refusal.version != name:
            before = None
        if before is not None and not before.is_due(self._indexes / name):
            return
        if time.monotonic() < self._open_at:
            return
        signature = sign_files(self._indexes / name)
        try:
            search = self._open(name)
        except (EngineUnavailable, EngineRefused) as error:
            # Says nothing about the version: it is tried again for as long as that takes.
            self._open_at = time.monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            self._wasted = True
            self._lose_engine(error)
            return
        except Exception as error:  # noqa: BLE001  whatever is wrong with a new version, the old one goes on
            self._find_engine()
            self._refuse(name, error, signature, before)
            return
        self._find_engine()
        self._swap(search)

    def _lose_engine(self, error: EngineError) -> None:
        if self._engine_error is None and not self._stopping.is_set():
            _log.error("the engine cannot be used: %s", error)
        # Without its frames, which hold what the search under way had in its hands.
        self._engine_error = error.with_traceback(None)

    def _find_engine(self) -> None:
        if self._engine_error is not None:
            _log.info("the engine answers again")
        self._engine_error = None
        self._pause_s = _FIRST_PAUSE_S

    def _open(self, name: str) -> Search:
        if self._held is not None and (self._indexes / name).is_dir():
            check_room(self._indexes / name)
        search = self._opener(self._indexes, name)
        try:
            warm(search)
        except BaseException:
            search.close()
            raise
        return search

    def _swap(self, search: Search) -> None:
        new = LeasedSearch(search)
        with self._swapping:
            if self._stopping.is_set():
                new.drop()
                return
            old, self._held = self._held, new
            self._attempt = None
        _log.info("index version %s answers now, before it %s", search.name, old and old.search.name)
        if old is not None:
            old.drop()
        self._on_swap(search.name, old.search.name if old is not None else None)

    def _refuse(self, name: str, error: Exception, signature: Signature, before: Attempt | None) -> None:
        if self._stopping.is_set():
            return  # what a process that ends cannot open any more says nothing about the version
        reason = word_refusal(error, self._indexes)
        self._attempt = Attempt(Refusal(name, reason), signature, may_pass(error), before)
        self._wasted = True
        unforeseen = not isinstance(error, VersionError | EngineError | MemoryError | OSError)
        _log.error(
            "index version %s is refused, %s goes on answering: %s",
            name,
            self.name or "nothing",
            error,
            exc_info=error if unforeseen else None,
        )
        self._on_refusal(name, reason)

    def _give_back(self) -> None:
        """Free what a refused version left: an error and its frames hold each other."""
        if self._wasted:
            self._wasted = False
            gc.collect()
