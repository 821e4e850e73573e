"""Connections to checked addresses, kept open for the next request to the same host."""

from __future__ import annotations

import ssl
import threading
import time
from typing import Final

from indexer.errors import FetchFailed
from indexer.fetching.addresses import HostPolicy, Target
from indexer.fetching.watchdog import Watch
from indexer.fetching.wire import HTTPConnection, HTTPError, HTTPSConnection

#: How long the addresses of a host are good for once they were looked up and checked.
_ADDRESSES_KEPT_S: Final = 60.0


class Connections:
    """Opens connections to the very addresses that were checked, so that no second look-up comes in between."""

    def __init__(
        self, policy: HostPolicy, connect_s: float, read_s: float, tls: ssl.SSLContext | None = None
    ) -> None:
        self._policy = policy
        self._connect_s = connect_s
        self._read_s = read_s
        self._tls = tls
        self._idle: dict[str, list[HTTPConnection]] = {}
        self._addresses: dict[str, tuple[float, list[str]]] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    def take(self, target: Target, watch: Watch, fresh: bool = False) -> tuple[HTTPConnection, bool]:
        """An open connection, guarded by ``watch``, and whether it was in use before.

        Raises ``FetchFailed``, ``OSError`` or an error of urllib3 where none can be had.
        """
        while not fresh:
            with self._lock:
                kept = self._idle.get(target.origin)
                connection = kept.pop() if kept else None
            if connection is None:
                break
            # One with bytes to read is closed, or holds more than its last reply should have been.
            if connection.is_connected:
                return self._guard(connection, watch), True
            connection.close()
        return self._open(target, watch), False

    def give_back(self, target: Target, connection: HTTPConnection, is_whole: bool) -> None:
        """Keep a connection whose reply was read to its end; close any other."""
        with self._lock:
            if is_whole and not self._is_closed:
                self._idle.setdefault(target.origin, []).append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close all that are idle, and from now on each as it comes back."""
        with self._lock:
            self._is_closed = True
            idle = [connection for kept in self._idle.values() for connection in kept]
            self._idle.clear()
        for connection in idle:
            connection.close()

    def _open(self, target: Target, watch: Watch) -> HTTPConnection:
        addresses = self._look_up(target, watch)
        for place, address in enumerate(addresses):
            connection = self._prepare(target, address, min(self._connect_s, watch.left_s()))
            try:
                connection.connect()
            except BaseException as error:
                connection.close()
                if not isinstance(error, OSError | HTTPError) or place == len(addresses) - 1:
                    raise
                continue
            # The address that answered comes first the next time.
            with self._lock:
                first = [address, *(other for other in addresses if other != address)]
                self._addresses[target.origin] = (time.monotonic(), first)
            connection.timeout = self._read_s
            return self._guard(connection, watch)
        raise FetchFailed("no-address", f"{target.host} has no address")

    def _guard(self, connection: HTTPConnection, watch: Watch) -> HTTPConnection:
        try:
            watch.guard(connection.sock)
        except TimeoutError:
            connection.close()
            raise
        return connection

    def _prepare(self, target: Target, address: str, timeout_s: float) -> HTTPConnection:
        if target.scheme == "http":
            return HTTPConnection(address, target.port, timeout=timeout_s)
        with self._lock:
            if self._tls is None:
                self._tls = ssl.create_default_context()
        # The address is connected to; the name is what the certificate has to be for.
        return HTTPSConnection(
            address, target.port, timeout=timeout_s, server_hostname=target.host, ssl_context=self._tls
        )

    def _look_up(self, target: Target, watch: Watch) -> list[str]:
        with self._lock:
            at_s, kept = self._addresses.get(target.origin, (0.0, []))
        if kept and time.monotonic() - at_s < _ADDRESSES_KEPT_S:
            return kept
        found = self._policy.addresses(target, min(self._connect_s, watch.left_s()))
        with self._lock:
            self._addresses[target.origin] = (time.monotonic(), found)
        return found
