"""A stand-in for Genius on this machine: its search and its song pages, and every usual way to fail."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from indexer.fetching.addresses import HostPolicy
from indexer.fetching.download import Downloader, Limits
from indexer.fetching.genius import GeniusLyrics

KEY = "a-key-of-ones-own"

PAGE = """<html><body><div class="LyricsHeader__Container">12 Contributors Song Lyrics</div>
<div data-lyrics-container="true"><div data-exclude-from-selection="true">Read more</div>[Verse 1]<br/>Walking
 <a href="/1">in the <i>rain</i></a><br/>again</div><div data-lyrics-container="true">[Chorus]<br/>Oh &amp; oh</div>
</body></html>"""


class StandIn:
    """What the server is to answer. ``faults``: path → how it fails, once for each entry, then it answers.

    ``songs``: (title, artist, path, further fields) of the song index; ``pages``: path → HTML.
    """

    def __init__(self) -> None:
        self.songs: list[tuple[str, str, str, dict[str, object]]] = []
        self.pages: dict[str, str] = {}
        self.faults: dict[str, list[str]] = {}
        self.asked: Counter[str] = Counter()
        self.queries: list[str] = []
        self.keys: list[str | None] = []
        self.origin = ""
        self.released = threading.Event()

    def add(self, title: str, artist: str, page: str = PAGE, **more: object) -> str:
        path = f"/{artist}-{title}-lyrics".replace(" ", "-")
        self.songs.append((title, artist, path, more))
        self.pages[path] = page
        return path


def _answer(handler: BaseHTTPRequestHandler, status: int, body: str, kind: str, **headers: str) -> None:
    content = body.encode()
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(content)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)


@pytest.fixture
def genius() -> Iterator[StandIn]:
    told = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            told.asked[parts.path] += 1
            faults = told.faults.get(parts.path, [])
            if faults:
                self.fail(faults.pop(0))
            elif parts.path == "/search":
                told.keys.append(self.headers.get("Authorization"))
                told.queries.append(parse_qs(parts.query)["q"][0])
                hits = [{"type": "song", "result": self.result(*song)} for song in told.songs]
                _answer(self, 200, json.dumps({"meta": {}, "response": {"hits": hits}}), "application/json")
            elif unquote(parts.path) in told.pages:
                _answer(self, 200, told.pages[unquote(parts.path)], "text/html; charset=utf-8")
            else:
                _answer(self, 404, "no such page", "text/html")

        def result(self, title: str, artist: str, path: str, more: dict[str, object]) -> dict[str, object]:
            plain = {
                "title": title,
                "primary_artist": {"name": artist},
                "path": path,
                "lyrics_state": "complete",
            }
            return plain | more

        def fail(self, fault: str) -> None:
            if fault.isdigit():
                more = {"Retry_After": "0"} if fault == "429" else {}
                _answer(self, int(fault), "<h1>no</h1>", "text/html", **more)
            elif fault == "429 long":
                _answer(self, 429, "", "text/html", Retry_After="7200")
            elif fault == "closed":
                self.close_connection = True
            elif fault == "cut":
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"<html>")
                self.close_connection = True
            elif fault == "slow":
                # Nothing comes until the test is over.
                told.released.wait(30)
                self.close_connection = True
            elif fault == "elsewhere":
                _answer(self, 302, "", "text/html", Location="http://169.254.169.254/latest")
            elif fault == "not json":
                _answer(self, 200, "{", "application/json")
            elif fault == "no hits":
                _answer(self, 200, '{"response": null}', "application/json")
            elif fault == "huge":
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", "6000000")
                self.end_headers()
                self.close_connection = True
            else:
                raise AssertionError(fault)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.origin = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield told
    told.released.set()
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def open_source(genius: StandIn) -> Iterator[Callable[..., GeniusLyrics]]:
    """A source that asks the stand-in, with limits of one's own."""
    opened: list[Downloader] = []

    def make(**limits: float) -> GeniusLyrics:
        given = {"attempts": 2, "read_s": 5.0, "whole_s": 10.0, "backoff_s": 0.0} | limits
        policy = HostPolicy(frozenset({genius.origin}), permits=lambda _: True)
        opened.append(Downloader(policy, Limits(**given)))
        return GeniusLyrics(opened[-1], KEY, genius.origin, genius.origin)

    yield make
    for downloader in opened:
        downloader.close()
