"""Leases on an open ``Search``: it stays open until its last user has let go."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from server.search import Search

_log = logging.getLogger(__name__)

#: Gives the ``Search`` that the request under way holds; VersionError where there is none.
Current = Callable[[], Search]


class Lease:
    """One user's hold on a ``Search``."""

    def __init__(self, leased: LeasedSearch) -> None:
        self._leased: LeasedSearch | None = leased
        self.search = leased.search

    def end(self) -> None:
        """Let go; further calls do nothing."""
        leased, self._leased = self._leased, None
        if leased is not None:
            leased.drop()


class LeasedSearch:
    """A ``Search`` and the number of its users; closed when the last one lets go. Safe to use from many threads.

    Whoever makes it is the first user, and calls ``drop`` to retire it; from then on nobody may ``take`` it.
    """

    def __init__(self, search: Search) -> None:
        self.search = search
        self.closed = threading.Event()
        self._users = 1
        self._lock = threading.Lock()

    def take(self) -> Lease:
        """Count one user more, until its lease ends."""
        with self._lock:
            self._users += 1
        return Lease(self)

    def drop(self) -> None:
        """Count one user less."""
        with self._lock:
            self._users -= 1
            last = self._users == 0
        if last:
            self.search.close()
            self.closed.set()
            _log.info("index version %s is closed", self.search.name)
