"""Guarded downloads: listed hosts, checked addresses, limits of time and size, retries with back-off."""

from __future__ import annotations

import http.client
import random
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

from indexer.errors import FetchFailed
from indexer.fetching.addresses import HostPolicy
from indexer.fetching.connections import Connections
from indexer.fetching.replies import Reply, failure_of_status, plain, read_body
from indexer.fetching.watchdog import Watch, Watchdog
from indexer.fetching.wire import HTTPError, IncompleteRead, ReadTimeoutError, TlsError

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

_AGENT: Final = "segue/0.1"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a download may take. ``whole_s`` covers all of one attempt, redirects and the last byte included.

    ``pause_most_s``: the longest Retry-After that is waited for; a host that asks for more is not asked again.
    """

    attempts: int = 3
    connect_s: float = 10.0
    read_s: float = 10.0
    whole_s: float = 30.0
    redirects: int = 3
    backoff_s: float = 1.0
    backoff_most_s: float = 30.0
    pause_most_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for, which content types are taken (all if empty), and how large a body may be.

    ``statuses``: those that are replies rather than failures. ``shown_url``: the URL without what is secret in it.
    """

    url: str
    types: frozenset[str]
    size_most_bytes: int
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    statuses: frozenset[int] = frozenset({200})


class Downloader:
    """Fetches from the hosts that its policy lists; safe to use from many threads. Close it after use."""

    def __init__(
        self, policy: HostPolicy, limits: Limits | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.policy = policy
        self.limits = limits or Limits()
        self._watchdog = Watchdog()
        self._connections = Connections(policy, self.limits.connect_s, self.limits.read_s, tls)
        self._stopping = threading.Event()
        self._pauses: dict[str, float] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Downloader:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Cut off what is under way, end every wait and close all connections; later calls fail as stopped."""
        self._stopping.set()
        self._watchdog.close()
        self._connections.close()

    def fetch(self, request: Request) -> Reply:
        """Ask, again after failures that may pass; raises ``FetchFailed`` with the number of attempts."""
        origin = self.policy.target(request.url).origin
        for attempt in range(1, self.limits.attempts + 1):
            self._wait_for(origin)
            try:
                with self._watchdog.watch(self.limits.whole_s) as watch:
                    return replace(self._follow(request, watch), attempts=attempt)
            except FetchFailed as failure:
                failure.attempts = attempt
                if self._stopping.is_set():
                    raise _stopped(attempt) from failure
                wait_s = self._choose_wait(origin, failure, attempt)
                if wait_s is None:
                    raise
                if self._stopping.wait(wait_s):
                    raise _stopped(attempt) from failure
        raise AssertionError("the last attempt returns or raises")

    def _choose_wait(self, origin: str, failure: FetchFailed, attempt: int) -> float | None:
        """Seconds until the next attempt, None if there is to be none. A host's own wish holds for all threads."""
        if failure.wait_s is not None:
            with self._lock:
                until_s = time.monotonic() + failure.wait_s
                self._pauses[origin] = max(until_s, self._pauses.get(origin, 0.0))
        if failure.is_final or attempt == self.limits.attempts:
            return None
        if failure.wait_s is not None:
            return 0.0 if failure.wait_s <= self.limits.pause_most_s else None
        # Half of it by chance, so that many threads do not come back at the same moment.
        longest_s = min(self.limits.backoff_s * 2.0 ** (attempt - 1), self.limits.backoff_most_s)
        return longest_s * random.uniform(0.5, 1.0)

    def _wait_for(self, origin: str) -> None:
        """Wait as long as this host asked to; raises ``FetchFailed`` where that is too long."""
        with self._lock:
            wait_s = self._pauses.get(origin, 0.0) - time.monotonic()
        if wait_s > self.limits.pause_most_s:
            raise FetchFailed("pause", f"{origin} asks to be left alone for {wait_s:.0f} s", attempts=0)
        if self._stopping.wait(max(wait_s, 0.0)):
            raise _stopped(0)

    def _follow(self, request: Request, watch: Watch) -> Reply:
        """One attempt: follow redirects, each checked as the first address was."""
        url = request.url
        for _hop in range(self.limits.redirects + 1):
            reply = self._ask(replace(request, url=url), watch)
            if reply.location is None:
                return reply
            if request.method != "GET" or not reply.location:
                raise FetchFailed("redirect", f"status {reply.status} where none is expected", is_final=True)
            url = urljoin(url, reply.location)
            try:
                there = self.policy.target(url).origin
            except FetchFailed as failure:
                raise FetchFailed("refused", f"redirected: {failure.detail}", is_final=True) from None
            if there != self.policy.target(request.url).origin:
                # What lets us in at one host is no other's business.
                request = replace(request, headers={})
        raise FetchFailed("redirect", f"more than {self.limits.redirects} redirects", is_final=True)

    def _ask(self, request: Request, watch: Watch) -> Reply:
        """One request on one connection; every way to fail becomes a ``FetchFailed``."""
        try:
            try:
                return self._exchange(request, watch)
            except _Stale:
                return self._exchange(request, watch, fresh=True)
        except FetchFailed:
            if watch.is_over:
                raise FetchFailed("timeout", self._time_up()) from None
            raise
        except (HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            if watch.is_over:
                raise FetchFailed("timeout", self._time_up()) from error
            raise _explain(error, self.limits) from error

    def _time_up(self) -> str:
        return f"not whole after {self.limits.whole_s:g} s"

    def _exchange(self, request: Request, watch: Watch, fresh: bool = False) -> Reply:
        target = self.policy.target(request.url)
        connection, is_kept = self._connections.take(target, watch, fresh)
        sock = connection.sock
        response: BaseHTTPResponse | None = None
        is_whole = False
        try:
            headers = {
                "Host": target.host_header,
                "User-Agent": _AGENT,
                "Accept": ", ".join(sorted(request.types)) or "*/*",
                # Nothing packed: a small body could unpack to any size.
                "Accept-Encoding": "identity",
                **request.headers,
            }
            try:
                connection.request(
                    request.method,
                    target.path,
                    body=request.body,
                    headers=headers,
                    preload_content=False,
                    decode_content=False,
                )
                response = connection.getresponse()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                # A host may close a kept connection at any time; that is no failure of its.
                if is_kept and not watch.is_over:
                    raise _Stale from None
                raise
            status = response.status
            if status in _REDIRECTS:
                return Reply(url=request.url, status=status, location=response.headers.get("Location", ""))
            if status not in request.statuses:
                raise failure_of_status(status, response.headers.get("Retry-After"))
            reply = read_body(response, request.url, request.types, request.size_most_bytes)
            watch.left_s()
            is_whole = connection.sock is not None
            return reply
        finally:
            watch.release()
            if response is not None:
                response.close()
            self._connections.give_back(target, connection, is_whole)
            if response is None:
                _cut(sock)


def _cut(sock: socket.socket) -> None:
    """Close for good: a reply that could not be read still holds its file, and that would keep the socket open."""
    descriptor = sock.detach()
    if descriptor >= 0:
        socket.close(descriptor)


class _Stale(Exception):
    """A kept connection turned out to be closed."""


def _stopped(attempts: int) -> FetchFailed:
    return FetchFailed("stopped", "fetching was stopped", attempts=attempts)


def _explain(error: Exception, limits: Limits) -> FetchFailed:
    """Say in a word and a line what went wrong on the way."""
    if isinstance(error, ReadTimeoutError | TimeoutError):
        return FetchFailed("timeout", f"nothing came for {limits.read_s:g} s")
    certificate = isinstance(error, ssl.SSLCertVerificationError)
    if certificate or isinstance(error, ssl.SSLError | TlsError):
        return FetchFailed("tls", plain(str(error)), is_final=certificate)
    if any(isinstance(cause, IncompleteRead) for cause in (error, *error.args)):
        return FetchFailed("truncated", "the connection ended before the body did")
    return FetchFailed("connection", plain(str(error) or type(error).__name__))
