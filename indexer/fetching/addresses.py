"""Which hosts may be asked, and which addresses may be connected to."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from indexer.errors import FetchFailed

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Longest URL that is asked for, in characters; longer ones are no addresses of pictures.
MAX_URL_CHARS: Final = 2_000

_PORTS = {"http": 80, "https": 443}

#: IPv6 ranges whose addresses carry an IPv4 address that is the real target: how many bits it is shifted by.
_CARRIERS = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)

#: All that is given out on the open internet; and within it Teredo, which carries two addresses and no pictures.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_TEREDO = ipaddress.IPv6Network("2001::/32")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: ``origin`` is scheme, host and port as the policy lists it, ``path`` has the query."""

    origin: str
    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """The Host header: the port is left out where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def is_public(address: IpAddress) -> bool:
    """Tell whether an address is one of the open internet: not private, loopback, link-local or reserved.

    IPv4 addresses within IPv6 ones (mapped, NAT64, 6to4) are judged as the IPv4 address that they lead to.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        for network, shift in _CARRIERS:
            if address in network:
                return is_public(ipaddress.IPv4Address((int(address) >> shift) & 0xFFFFFFFF))
        if address not in _GLOBAL_UNICAST or address in _TEREDO:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def resolve_host(host: str, port: int, timeout_s: float) -> list[str]:
    """Addresses of a host, in the system's order; raises ``FetchFailed`` where there are none in time."""
    answers: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([str(entry[4][0]) for entry in found])
        except OSError as error:
            answers.put(error)

    # The system's resolver has no time limit of its own that could be set, so a thread waits for it.
    threading.Thread(target=ask, name="segue-resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_s)
    except queue.Empty:
        raise FetchFailed("timeout", f"no address of {host} within {timeout_s:g} s") from None
    if isinstance(answer, OSError):
        raise FetchFailed("no-address", f"{host} has no address ({answer.strerror or answer})")
    return list(dict.fromkeys(answer))


@dataclass(frozen=True)
class HostPolicy:
    """The origins (``https://host`` or ``https://host:port``) that may be asked, whoever names them.

    ``permits`` judges each address that ``resolve`` (host, port, time-out in seconds) gives.
    """

    origins: frozenset[str]
    permits: Callable[[IpAddress], bool] = is_public
    resolve: Callable[[str, int, float], Sequence[str]] = resolve_host

    def target(self, url: str) -> Target:
        """Take a URL apart; raises ``FetchFailed`` (refused) unless its origin is listed."""
        if len(url) > MAX_URL_CHARS:
            raise FetchFailed("refused", f"an address of {len(url)} characters", is_final=True)
        try:
            parts = urlsplit(url)
            scheme, host, port = parts.scheme.lower(), (parts.hostname or "").lower(), parts.port
        except ValueError:
            raise FetchFailed("refused", "not an address that can be read", is_final=True) from None
        if parts.username is not None or parts.password is not None:
            raise FetchFailed("refused", "an address with a user name", is_final=True)
        shown = f"[{host}]" if ":" in host else host
        origin = f"{scheme}://{shown}"
        if port is not None and port != _PORTS.get(scheme):
            origin += f":{port}"
        if scheme not in _PORTS or origin not in self.origins:
            raise FetchFailed("refused", f"{origin} is not among the hosts that may be asked", is_final=True)
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
        return Target(origin, scheme, host, port or _PORTS[scheme], f"{path}?{query}" if query else path)

    def addresses(self, target: Target, timeout_s: float) -> list[str]:
        """Addresses to connect to; raises ``FetchFailed`` if there are none or one of them is not permitted.

        One bad address among several refuses the host: an honest one has no private address beside public ones.
        """
        found = list(self.resolve(target.host, target.port, timeout_s))
        if not found:
            raise FetchFailed("no-address", f"{target.host} has no address")
        for address in found:
            try:
                permitted = self.permits(ipaddress.ip_address(address))
            except ValueError:
                permitted = False
            if not permitted:
                raise FetchFailed(
                    "refused", f"{target.host} is at {address}, which is not a public address", is_final=True
                )
        return found
