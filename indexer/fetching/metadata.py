"""Songs and films looked up at live services, for those who have a key: partial records of unseen items.

Without keys there are no sources and nothing is asked. Spotify gives metadata alone: its audio features have been
closed to new applications since 27 November 2024.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from types import TracebackType
from typing import Final, Generic, Literal, Protocol, TypeVar

from indexer.catalogue.records import Movie, Track
from indexer.fetching.addresses import HostPolicy
from indexer.fetching.download import Downloader, Limits
from indexer.fetching.film_sources import OMDB_API, TMDB_API, OmdbFilms, TmdbFilms
from indexer.fetching.keys import Keys
from indexer.fetching.spotify import SPOTIFY_ACCOUNTS, SPOTIFY_API, SpotifySongs
from indexer.fetching.wish import Wish

Record = TypeVar("Record", bound=Movie | Track, covariant=True)

#: Somebody waits for a look-up, so it gives up sooner than a download of pictures would.
LOOK_UP_LIMITS: Final = Limits(
    attempts=3, connect_s=3.0, read_s=5.0, whole_s=8.0, backoff_s=0.3, pause_most_s=5.0
)

#: Answers that are kept, of each source, and for how long; that nothing was found is kept for a shorter time.
KEPT_ANSWERS: Final = 1_024
KEPT_S: Final = 24 * 3600.0
NOTHING_KEPT_S: Final = 600.0


class MetadataSource(Protocol[Record]):
    """A service that knows songs or films. Both calls give None for what it does not know.

    They raise ``FetchFailed``: of kind ``key`` where the key is refused or used up.
    """

    name: str

    def by_id(self, id: str) -> Record | None:
        """Look an item up by its id at the service (films: an IMDb id is taken by all)."""
        ...

    def by_title(self, wish: Wish) -> Record | None:
        """Look an item up by its title and what else is known."""
        ...


class CachedSource(Generic[Record]):
    """A source that remembers the last answers; failures are not remembered. Safe to use from many threads."""

    def __init__(
        self,
        source: MetadataSource[Record],
        kept: int = KEPT_ANSWERS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = source.name
        self._source = source
        self._most = kept
        self._clock = clock
        self._kept: OrderedDict[Hashable, tuple[float, Record | None]] = OrderedDict()
        self._lock = threading.Lock()

    def by_id(self, id: str) -> Record | None:
        """As the source answers, or answered within a day."""
        return self._answer(("id", id), lambda: self._source.by_id(id))

    def by_title(self, wish: Wish) -> Record | None:
        """As the source answers, or answered within a day; capitals and spaces make no difference."""
        return self._answer(wish.key, lambda: self._source.by_title(wish))

    def _answer(self, key: Hashable, ask: Callable[[], Record | None]) -> Record | None:
        with self._lock:
            until_s, answer = self._kept.get(key, (float("-inf"), None))
            if self._clock() < until_s:
                self._kept.move_to_end(key)
                return answer
        answer = ask()
        with self._lock:
            self._kept[key] = (self._clock() + (NOTHING_KEPT_S if answer is None else KEPT_S), answer)
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return answer


class Metadata:
    """The sources that there are keys for, in the order in which they are worth asking. Close it after use."""

    def __init__(
        self, keys: Keys, downloader: Downloader | None = None, limits: Limits = LOOK_UP_LIMITS
    ) -> None:
        """``downloader``: for tests; by default one that may ask these services and nobody else, within ``limits``.

        Raises ``MissingLibrary`` where spotipy is needed and not installed.
        """
        self._downloader = downloader or Downloader(
            HostPolicy(frozenset({TMDB_API, OMDB_API, SPOTIFY_API, SPOTIFY_ACCOUNTS})), limits
        )
        self.films: tuple[MetadataSource[Movie], ...] = ()
        self.songs: tuple[MetadataSource[Track], ...] = ()
        if keys.tmdb_key is not None:
            self.films += (CachedSource(TmdbFilms(self._downloader, keys.tmdb_key)),)
        if keys.omdb_key is not None:
            self.films += (CachedSource(OmdbFilms(self._downloader, keys.omdb_key)),)
        if keys.spotify_client_id is not None and keys.spotify_client_secret is not None:
            spotify = SpotifySongs(self._downloader, keys.spotify_client_id, keys.spotify_client_secret)
            self.songs += (CachedSource(spotify),)

    def __enter__(self) -> Metadata:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Cut off look-ups that are under way and close all connections."""
        self._downloader.close()

    @property
    def media(self) -> tuple[Literal["movies", "tracks"], ...]:
        """The media that can be looked up."""
        films: tuple[Literal["movies", "tracks"], ...] = ("movies",) if self.films else ()
        return (*films, "tracks") if self.songs else films
