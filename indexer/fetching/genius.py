"""Lyrics from Genius, with a key of the user's: found through its API, read from its pages.

The API gives no lyrics; lyricsgenius knows how its pages hold them. Requests go through the guarded downloads, one
at a time and with a pause in between.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus

from indexer.errors import ConfigError, FetchFailed, MissingLibrary
from indexer.fetching.download import Downloader, Request
from indexer.fetching.failure_log import FailureLog
from indexer.fetching.json_values import fetch_json
from indexer.title_lookup import make_key

API: Final = "https://api.genius.com"
PAGES: Final = "https://genius.com"
ORIGINS: Final = frozenset({API, PAGES})
FAILURES: Final = "failures.csv"

#: Shown before anything is fetched.
TERMS: Final = (
    "Lyrics are the property of their writers and publishers. What you fetch is for your own use under Genius' terms "
    "of service (https://genius.com/static/terms) and the law where you live; do not publish it or pass it on. It "
    "goes to your folder alone: an index version keeps numbers of it, never the text."
)

_HTML_TYPES: Final = frozenset({"text/html"})
_MOST_PAGE_BYTES: Final = 5_000_000
#: In failures of any kind but "there is no such song": then it is not the songs that are at fault.
_GIVE_UP_AFTER: Final = 10
_PART: Final = ".part"
_SAFE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
#: What stands behind a title without being part of it.
_SUFFIX: Final = re.compile(
    r"\s*(?:[\(\[]\s*(?:feat|ft|with|from|remaster|live|bonus|deluxe|radio)\b.*|"
    r"-\s+(?:.*\bremaster|.*\bversion|.*\bmix|.*\bedit|live|mono|stereo|from)\b.*)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Song:
    """A song to find: its id in the catalogue, its title and its artists."""

    id: str
    title: str
    artists: tuple[str, ...]


@dataclass
class LyricsTally:
    """What became of the songs; ``reasons``: failures by kind, ``gave_up``: why the run ended early."""

    wanted: int = 0
    fetched: int = 0
    present: int = 0
    skipped: int = 0
    failed: int = 0
    gave_up: str = ""
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """Songs that are done with, one way or another."""
        return self.fetched + self.present + self.skipped + self.failed


class GeniusLyrics:
    """Finds the lyrics of songs at Genius; ``api`` and ``pages`` are its two hosts."""

    def __init__(self, downloader: Downloader, key: str, api: str = API, pages: str = PAGES) -> None:
        """Raises ``MissingLibrary`` where lyricsgenius is not installed."""
        self._downloader = downloader
        self._key = key
        self._api = api
        self._reader = _open_page_reader(downloader, pages)

    def find(self, song: Song) -> str:
        """The lyrics of a song by that title and one of those artists, sections' headings left out.

        Raises ``FetchFailed``: "key" where the key is refused, "not-found" where Genius has no such song, or none
        with lyrics that are complete.
        """
        words = " ".join([_bare(song.title), *song.artists[:1]])
        hits = self._search(f"{self._api}/search?q={quote_plus(words)}")
        found = next((hit for hit in hits if _is_same(hit, song)), None)
        if found is None:
            raise FetchFailed("not-found", "Genius has no song of this title and artist", is_final=True)
        path = found.get("path")
        if found.get("lyrics_state", "complete") != "complete" or found.get("instrumental"):
            raise FetchFailed("not-found", "Genius has no complete lyrics of it", is_final=True)
        if not isinstance(path, str) or not re.fullmatch(r"/[^/\\\s?#][^\\\s?#]{0,300}", path):
            raise FetchFailed("bad-reply", "the song's page has no path that can be read", is_final=True)
        lyrics = self._reader(path)
        if not lyrics.strip():
            raise FetchFailed("not-found", "the song's page holds no lyrics", is_final=True)
        return lyrics

    def _search(self, url: str) -> list[dict[str, Any]]:
        try:
            reply = fetch_json(self._downloader, url, headers={"Authorization": f"Bearer {self._key}"})
        except FetchFailed as failure:
            if failure.kind in ("status-401", "status-403"):
                raise FetchFailed(
                    "key", "Genius does not accept the key", attempts=failure.attempts
                ) from None
            raise
        response = reply.get("response") if isinstance(reply, dict) else None
        hits = response.get("hits") if isinstance(response, dict) else None
        if not isinstance(hits, list):
            raise FetchFailed("bad-reply", "the reply to a search holds no hits")
        results = [hit.get("result") for hit in hits if isinstance(hit, dict)]
        return [result for result in results if isinstance(result, dict)]


def fetch_lyrics(
    songs: Iterable[Song],
    folder: Path,
    source: GeniusLyrics,
    pause_s: float = 1.0,
    retry_failed: bool = False,
    advance: Callable[[LyricsTally], None] = lambda _: None,
    stop: threading.Event | None = None,
) -> LyricsTally:
    """Fetch what is not in the folder yet, as ``<id>.txt`` in UTF-8; failures go to ``failures.csv`` there.

    What failed for good in an earlier run is skipped unless ``retry_failed``. Ends early where the key is refused,
    Genius asks for a long pause, or ten songs in a row fail for another reason than not being there; or when
    ``stop`` is set. Raises ``OSError`` if the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(f".*{_PART}"):
        leftover.unlink(missing_ok=True)
    present = {path.stem for path in folder.glob("*.txt") if path.stat().st_size}
    tally, stop = LyricsTally(), stop or threading.Event()
    with FailureLog(folder / FAILURES) as log:
        hopeless = set() if retry_failed else log.final_ids
        try:
            _run(songs, folder, source, pause_s, hopeless, present, log, tally, advance, stop)
        finally:
            log.settle(present)
    return tally


def _run(
    songs: Iterable[Song],
    folder: Path,
    source: GeniusLyrics,
    pause_s: float,
    hopeless: set[str],
    present: set[str],
    log: FailureLog,
    tally: LyricsTally,
    advance: Callable[[LyricsTally], None],
    stop: threading.Event,
) -> None:
    seen: set[str] = set()
    in_a_row = 0
    next_at_s = 0.0
    for song in songs:
        if song.id in seen:
            continue
        seen.add(song.id)
        tally.wanted += 1
        if song.id in present:
            tally.present += 1
        elif song.id in hopeless:
            tally.skipped += 1
        else:
            if stop.wait(max(0.0, next_at_s - time.monotonic())):
                return
            next_at_s = time.monotonic() + pause_s
            try:
                _keep(folder, song, source.find(song) if _SAFE_ID.fullmatch(song.id) else None)
            except FetchFailed as failure:
                log.add(song.id, f"{PAGES}/search?q={quote_plus(song.title)}", failure)
                tally.failed += 1
                tally.reasons[failure.kind] += 1
                in_a_row = 0 if failure.kind in ("not-found", "bad-id") else in_a_row + 1
                if failure.kind in ("key", "pause", "stopped"):
                    tally.gave_up = str(failure)
                elif in_a_row >= _GIVE_UP_AFTER:
                    tally.gave_up = f"{in_a_row} failures in a row, the last: {failure}"
            else:
                in_a_row = 0
                tally.fetched += 1
                present.add(song.id)
        advance(tally)
        if tally.gave_up:
            return


def _keep(folder: Path, song: Song, lyrics: str | None) -> None:
    if lyrics is None:
        raise FetchFailed("bad-id", "the id cannot be a file's name", is_final=True, attempts=0)
    part = folder / f".{song.id}{_PART}"
    part.write_text(lyrics.strip() + "\n", encoding="utf-8")
    part.replace(folder / f"{song.id}.txt")


def refuse_folder(folder: Path) -> None:
    """Raise ``ConfigError`` for a folder within a checkout of a repository or an index version: no place for lyrics."""
    whole = folder.expanduser().absolute().resolve()
    for place in (whole, *whole.parents):
        if (place / ".git").exists():
            raise ConfigError(f"{folder} lies in the repository {place}: lyrics go to a folder of your own")
        if (place / "manifest.json").exists() or (place / "CURRENT").exists():
            raise ConfigError(
                f"{folder} lies among index versions, in {place}: lyrics go to a folder of your own"
            )


def _bare(title: str) -> str:
    return _SUFFIX.sub("", title) or title


def _is_same(hit: dict[str, Any], song: Song) -> bool:
    """Whether a hit is this song: the title but for its suffix, and one of the artists. A cover is not taken."""
    artist = hit.get("primary_artist")
    names = [hit.get("artist_names"), artist.get("name") if isinstance(artist, dict) else None]
    by = {make_key(name) for name in names if isinstance(name, str)}
    if not any(_within(make_key(wanted), by) for wanted in song.artists):
        return False
    title = hit.get("title")
    return isinstance(title, str) and make_key(_bare(title)) == make_key(_bare(song.title))


def _within(wanted: str, names: Sequence[str] | set[str]) -> bool:
    """Whether a name is one of these, or a part of one that lists several ("A & B")."""
    return bool(wanted) and any(f" {wanted} " in f" {name} " for name in names)


def _open_page_reader(downloader: Downloader, pages: str) -> Callable[[str], str]:
    """Gives the lyrics on a page by its path, through lyricsgenius with the guarded downloads underneath."""
    try:
        from lyricsgenius import Genius
    except ImportError as error:
        raise MissingLibrary(
            "fetching lyrics needs lyricsgenius: python -m pip install -r requirements.txt"
        ) from error

    class Pages(Genius):  # type: ignore[misc, unused-ignore]
        """Its own requests know neither limits nor Retry-After, and take an error's page for a song's."""

        def _make_request(self, path: str, *_: Any, **__: Any) -> dict[str, Any]:
            reply = downloader.fetch(Request(f"{pages}/{path.lstrip('/')}", _HTML_TYPES, _MOST_PAGE_BYTES))
            return {"html": reply.body.decode("utf-8", errors="replace")}

    reader = Pages(access_token="unused", remove_section_headers=True)

    def read(path: str) -> str:
        try:
            return reader.lyrics(song_url=path) or ""
        except (RecursionError, AssertionError, ValueError, AttributeError) as error:
            raise FetchFailed(
                "bad-reply", f"the page cannot be read ({type(error).__name__})", is_final=True
            ) from error

    return read
