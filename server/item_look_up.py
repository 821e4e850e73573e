"""Completes songs and films that a search brings from live services, where the server has keys and a request asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from indexer.catalogue.records import Movie, Track
from indexer.errors import FetchFailed, MissingLibrary, QueryError
from indexer.fetching.keys import Keys
from indexer.fetching.wish import Wish
from indexer.unseen_items import UnseenItem, UnseenTrack, given_parts, record_of

if TYPE_CHECKING:
    from indexer.fetching.metadata import Metadata

#: A request waits for so long in all; what has not come by then is searched for as it was given.
WAIT_S: Final = 8.0
#: Look-ups that go on at a time, of all requests together.
_THREADS: Final = 4
#: Parts that a service may fill in, where the request gives none. What the catalogue's own scale decides is not taken.
_TAKEN: Final = {
    Track: ("artists", "album", "year", "duration_ms"),
    Movie: ("year", "genres", "keywords", "overview", "tagline", "language"),
}
_NEEDED: Final = {
    Track: "SEGUE_SPOTIFY_CLIENT_ID and SEGUE_SPOTIFY_CLIENT_SECRET",
    Movie: "SEGUE_TMDB_KEY or SEGUE_OMDB_KEY",
}


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What came of a look-up: the service that knew the item, the parts it added, or why there are none."""

    source: str | None = None
    added: tuple[str, ...] = ()
    problem: str | None = None

    def show(self) -> dict[str, Any]:
        """As the reply spells it out."""
        return {"source": self.source, "added": list(self.added), "problem": self.problem}


class ItemLookUp:
    """Asks the services that ``keys`` open; safe to use from many threads. Nothing is opened before the first use.

    ``open_metadata``: for tests; by default the real services, asked once each, without second attempts.
    """

    def __init__(self, keys: Keys, open_metadata: Callable[[Keys], Metadata] | None = None) -> None:
        self._keys = keys
        self._open_metadata = open_metadata or _open_metadata
        self._lock = threading.Lock()
        self._opened: tuple[Metadata, ThreadPoolExecutor] | None = None

    def complete(
        self, items: Sequence[UnseenItem], wanted: Sequence[bool], wait_s: float = WAIT_S
    ) -> tuple[tuple[UnseenItem, ...], tuple[LookedUp | None, ...]]:
        """Fill in what the items lack, where ``wanted``; what is given is never changed.

        A service that fails is told of, and stops no search. Raises ``QueryError``, naming the item, where there is no
        key for its medium, and ``MissingLibrary`` where the libraries that fetch are not installed.
        """
        asked = [place for place, is_wanted in enumerate(wanted) if is_wanted]
        for place in asked:
            self._check_key(items[place], f"items.{place}.look_up")
        if not asked:
            return tuple(items), (None,) * len(items)
        metadata, pool = self._open()
        jobs = {place: pool.submit(_look_up, metadata, items[place]) for place in asked}
        wait(jobs.values(), timeout=wait_s)
        completed, outcomes = list(items), [None] * len(items)  # type: list[UnseenItem], list[LookedUp | None]
        for place, job in jobs.items():
            completed[place], outcomes[place] = _read(job, items[place], wait_s)
        return tuple(completed), tuple(outcomes)

    def _check_key(self, item: UnseenItem, field: str) -> None:
        keys, kind = self._keys, type(record_of(item))
        if (keys.spotify_client_id if kind is Track else keys.tmdb_key or keys.omdb_key) is None:
            songs = "songs" if kind is Track else "films"
            raise QueryError(f"this server looks no {songs} up: {_NEEDED[kind]} is not set", field)

    def _open(self) -> tuple[Metadata, ThreadPoolExecutor]:
        with self._lock:
            if self._opened is None:
                pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="look-up")
                self._opened = (self._open_metadata(self._keys), pool)
            return self._opened


def _open_metadata(keys: Keys) -> Metadata:
    try:
        from indexer.fetching.metadata import LOOK_UP_LIMITS, Metadata
    except ModuleNotFoundError as error:
        raise MissingLibrary(f"looking items up needs {error.name}; install requirements.txt") from error
    return Metadata(keys, limits=replace(LOOK_UP_LIMITS, attempts=1, whole_s=WAIT_S / 2))


def _look_up(metadata: Metadata, item: UnseenItem) -> tuple[UnseenItem, LookedUp]:
    record = record_of(item)
    artist = record.artists[0] if isinstance(record, Track) and record.artists else None
    wish = Wish(record.title, artist, record.year)
    problems = []
    for source in metadata.songs if isinstance(record, Track) else metadata.films:
        try:
            found = source.by_title(wish)
        except FetchFailed as error:
            problems.append(f"{source.name} could not be asked ({error.kind})")
            continue
        if found is not None:
            return _fill(item, found, source.name)
    return item, LookedUp(problem="; ".join(problems) or "no service knows it")


def _fill(item: UnseenItem, found: Movie | Track, source: str) -> tuple[UnseenItem, LookedUp]:
    given = given_parts(item).keys()
    values = {name: getattr(found, name) for name in _TAKEN[type(found)] if name not in given}
    added = {name: value for name, value in values.items() if value not in (None, "", ())}
    filled: UnseenItem
    if isinstance(item, UnseenTrack):
        filled = replace(item, track=replace(item.track, **added))
    else:
        filled = replace(item, movie=replace(item.movie, **added))
    return filled, LookedUp(source, tuple(added), None if added else "it adds nothing to what is given")


def _read(
    job: Future[tuple[UnseenItem, LookedUp]], item: UnseenItem, wait_s: float
) -> tuple[UnseenItem, LookedUp]:
    if not job.done():
        job.cancel()
        return item, LookedUp(problem=f"no answer within {wait_s:g} s")
    return job.result()
