"""What the browser tests walk with: a server in a thread, and pages that remember what went wrong on them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from server.app import create_app
from server.search import Search
from server.settings import Settings

PATIENCE_MS = 15_000


@dataclass(frozen=True)
class World:
    """A served version, and what is known to be in it: the id of a film and of a song, and their titles."""

    address: str
    film: tuple[str, str]
    song: tuple[str, str]


@dataclass
class Seen:
    """What a page did that it should not: errors on its console, requests to other hosts."""

    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    #: Parts of messages that a test brings about itself.
    expected: tuple[str, ...] = ()

    def check(self) -> None:
        assert [error for error in self.errors if not any(part in error for part in self.expected)] == []
        assert self.elsewhere == []


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Write nothing."""


class _Server(ThreadedWSGIServer):
    # Threads that answer must not outlive the version that they read.
    daemon_threads = False


@contextmanager
def serving(indexes: Path, **settings: Any) -> Iterator[str]:
    """Serve ``indexes`` from a thread on a free port; gives the address. Posters of other hosts are off."""
    search = Search.open(indexes)
    app = create_app(Settings(indexes=indexes, remote_posters="off", **settings), search)
    server = _Server("127.0.0.1", 0, app, _Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        search.close()


def best_known_of(address: str, indexes: Path) -> World:
    """The best known film and song of a version."""
    search = Search.open(indexes)
    try:
        film, song = (search.pick(medium, 0, 1)[1][0] for medium in ("movies", "tracks"))
    finally:
        search.close()
    return World(address, (film.id, film.title), (song.id, song.title))


@contextmanager
def watched(browser: Browser, **options: Any) -> Iterator[tuple[Page, Seen]]:
    """A page in a context of its own; at its end nothing may have gone wrong on it."""
    context = browser.new_context(accept_downloads=True, **options)
    try:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        seen = Seen()
        page.on("console", lambda message: _note_message(seen, message.type, message.text, message.location))
        page.on("pageerror", lambda error: seen.errors.append(f"uncaught: {error}"))
        page.on("request", lambda request: _note_request(seen, request.url))
        yield page, seen
        seen.check()
    finally:
        context.close()


def _note_message(seen: Seen, type: str, text: str, location: Any) -> None:
    if type == "error":
        seen.errors.append(f"{text} ({location.get('url', '')})")


def _note_request(seen: Seen, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != "127.0.0.1":
        seen.elsewhere.append(url)


def open_page(page: Page, world: World, query: str = "") -> None:
    """Open the page and wait until its view is drawn."""
    page.goto(f"{world.address}/{query}")
    expect(page.locator("body")).to_have_attribute("data-ready", "yes")
