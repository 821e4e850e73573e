"""Replies of hosts: their status, content type and body, none of it believed."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from indexer.errors import FetchFailed

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

_READ_BYTES: Final = 64 * 1024
_SHOWN_CHARS: Final = 120

#: Failures that may pass: request time-out, too early, too many requests, and what is the server's own fault.
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Reply:
    """What a host sent. ``url`` is the last after redirects; ``location`` is set for a redirect alone.

    ``content_range``: that header, where only a part of the file was asked for.
    """

    url: str
    status: int
    content_type: str = ""
    body: bytes = b""
    location: str | None = None
    attempts: int = 1
    content_range: str = ""


def plain(text: str) -> str:
    """Text from outside on one short line, with nothing in it that moves a terminal's cursor."""
    flat = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return flat if len(flat) <= _SHOWN_CHARS else flat[: _SHOWN_CHARS - 1] + "…"


def read_retry_after(value: str | None) -> float | None:
    """Seconds to wait by a Retry-After header (seconds or a date); None where it says nothing readable."""
    if value is None:
        return None
    digits = value.strip()
    if digits.isascii() and digits.isdigit():
        # More digits than these are no wish but an attack on whoever computes with them.
        return float(digits[:9])
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return None


def failure_of_status(status: int, retry_after: str | None) -> FetchFailed:
    """The failure that an unexpected status means."""
    is_final = status not in _PASSING
    wait_s = read_retry_after(retry_after) if status in (429, 503) else None
    asked = "" if wait_s is None else f", asks to wait {wait_s:.0f} s"
    return FetchFailed(
        f"status-{status}", f"the host answered {status}{asked}", is_final=is_final, wait_s=wait_s
    )


def read_body(response: BaseHTTPResponse, url: str, types: Collection[str], size_most_bytes: int) -> Reply:
    """Read a body piece by piece; raises ``FetchFailed`` at the first thing that is wrong with it."""
    headers = response.headers
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if types and kind not in types:
        raise FetchFailed("content-type", f"{plain(kind) or 'none'} is not what was asked for", is_final=True)
    packed = headers.get("Content-Encoding", "identity").strip().lower()
    if packed not in ("", "identity"):
        raise FetchFailed("content-type", f"packed as {plain(packed)}, unasked", is_final=True)
    announced = headers.get("Content-Length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:18]) > size_most_bytes:
        raise FetchFailed(
            "too-large", f"{announced[:18]} bytes announced, at most {size_most_bytes}", is_final=True
        )
    parts, size_bytes = [], 0
    # read1 gives what has come; read would wait until a whole block is there.
    while part := response.read1(_READ_BYTES):
        size_bytes += len(part)
        if size_bytes > size_most_bytes:
            raise FetchFailed("too-large", f"more than {size_most_bytes} bytes", is_final=True)
        parts.append(part)
    content_range = headers.get("Content-Range", "")
    return Reply(url, response.status, kind, b"".join(parts), content_range=content_range)
