"""Publishing while the load runs: two versions by turns, and everything as it was afterwards."""

from __future__ import annotations

import math
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from indexer.catalogue.records import Medium
from indexer.catalogue_store import CatalogueStore
from indexer.errors import SegueError, UnknownItem, VersionError
from indexer.index_folder import current_name, lock
from indexer.index_version import CATALOGUE, list_names
from indexer.publication import publish, rollback
from server.load_test.measurements import Publication
from server.load_test.samples import Samples

#: A folder with this prefix is never taken for a version, and the next build removes one that was left.
_PARTIAL = ".partial-load-test"
_COPY = "-load-test"


@contextmanager
def second_version(indexes: Path) -> Iterator[str]:
    """Name of a version other than the served one: the newest there is, else a copy that is deleted afterwards.

    Raises ``VersionError`` where none is served and ``PublishLocked`` while something else publishes.
    """
    served = current_name(indexes)
    others = [name for name in list_names(indexes) if name != served]
    if others:
        yield others[-1]
        return
    copy = f"{served}{_COPY}"
    partial = indexes / _PARTIAL
    with lock(indexes):
        # A version's manifest speaks of its files, not of its name: a copy of the folder is a version.
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(indexes / served, partial)
        partial.rename(indexes / copy)
    try:
        yield copy
    finally:
        with lock(indexes):
            if current_name(indexes) == copy:
                raise VersionError(f"{copy} is still published; go back with: python -m indexer rollback")
            # Renamed first, so that a version is either whole or gone.
            (indexes / copy).rename(partial)
            shutil.rmtree(partial)


def keep_shared(samples: Samples, indexes: Path, name: str) -> Samples:
    """Leave out ids that the version ``name`` does not hold, so that every request is right whichever answers."""
    with closing(CatalogueStore.open(indexes / name / CATALOGUE)) as store:

        def held(medium: Medium, id: str) -> bool:
            try:
                store.row(medium, id)
            except UnknownItem:
                return False
            return True

        return samples.keep(held)


class Swapper:
    """Publishes ``other`` and rolls back by turns, every ``every_s`` seconds, from ``with`` to its end.

    After ``last_s`` seconds it publishes no more, so that there is time to see the last one answer.
    Rolling back instead of publishing the first one again leaves the history of publications as it was.
    """

    def __init__(self, indexes: Path, other: str, every_s: float, last_s: float = math.inf) -> None:
        self.published: list[Publication] = []
        self.failures: list[str] = []
        self._indexes = indexes
        self._served = current_name(indexes)
        self._other = other
        self._every_s = every_s
        self._last_s = last_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="swapper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if current_name(self._indexes) == self._other:
            with lock(self._indexes):
                rollback(self._indexes)

    def swap(self) -> str:
        """Publish the one that is not served, and return its name."""
        with lock(self._indexes):
            if current_name(self._indexes) == self._other:
                return rollback(self._indexes)
            # Whatever the two are worth, this ends with the one that was served.
            publish(self._indexes, self._other, force=True)
            return self._other

    def _work(self) -> None:
        due = time.monotonic() + self._every_s
        last = time.monotonic() + self._last_s
        while due <= last and not self._stop.wait(max(0.0, due - time.monotonic())):
            due += self._every_s
            began = time.monotonic()
            try:
                name = self.swap()
            except (SegueError, OSError) as error:
                self.failures.append(str(error))
                continue
            self.published.append(Publication(time.time(), name, time.monotonic() - began))
