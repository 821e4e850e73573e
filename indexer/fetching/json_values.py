"""JSON replies of services that may hold anything: values of the wrong type count as unknown."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from rapidfuzz import fuzz

from indexer.errors import FetchFailed
from indexer.fetching.download import Downloader, Request

JSON_TYPES: Final = frozenset({"application/json", "text/json", "text/javascript"})
MOST_JSON_BYTES: Final = 1024 * 1024

_MOST_CHARS = 5_000
_YEAR = re.compile(r"(1[89]|20)\d\d")

#: Least likeness of a found name to the one asked for, of 100; below it, it is another song or film.
_LEAST_LIKENESS: Final = 85.0


def fetch_json(downloader: Downloader, url: str, **request: Any) -> dict[str, Any]:
    """Fetch a JSON object; raises ``FetchFailed``. ``request``: further parts of the ``Request``."""
    reply = downloader.fetch(Request(url, JSON_TYPES, MOST_JSON_BYTES, **request))
    try:
        value = json.loads(reply.body)
    except (ValueError, RecursionError):
        raise FetchFailed("bad-reply", "the reply is not JSON", attempts=reply.attempts) from None
    if not isinstance(value, dict):
        raise FetchFailed("bad-reply", "the reply is no JSON object", attempts=reply.attempts)
    return value


def text_of(value: object) -> str | None:
    """Text that says something, else None; at most 5,000 characters of it."""
    text = " ".join(value.split())[:_MOST_CHARS] if isinstance(value, str) else ""
    return None if text in ("", "N/A") else text


def number_of(value: object, low: float = 0.0) -> float | None:
    """A finite number above ``low``, also one written with a unit or thousands' commas, else None."""
    if isinstance(value, str):
        found = re.match(r"\$?([0-9][0-9,]{0,20}(?:\.[0-9]{1,10})?)", value)
        value = float(found[1].replace(",", "")) if found else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low < value < 1e15:
        return None
    return float(value)


def year_of(value: object) -> int | None:
    """The year that a date or a year begins with, else None."""
    found = _YEAR.match(value) if isinstance(value, str) else None
    return int(found[0]) if found else None


def list_of(value: object) -> list[dict[str, Any]]:
    """The objects of a list; none if it is no list."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def names_of(value: object, field: str = "name") -> tuple[str, ...]:
    """One field of each object of a list, empty ones left out."""
    found = (text_of(entry.get(field)) for entry in list_of(value))
    return tuple(name.replace("|", "/") for name in found if name)


def parts_of(value: object) -> tuple[str, ...]:
    """What stands between the commas of a text."""
    return tuple(part.strip().replace("|", "/") for part in (text_of(value) or "").split(",") if part.strip())


def title_likeness(asked: str, found: str) -> float:
    """How like two titles are, 0 to 100, whatever their capitals and the order of their words."""
    return float(fuzz.token_sort_ratio(asked.casefold(), found.casefold()))


def is_title_like(asked: str, found: Sequence[str | None]) -> bool:
    """Tell whether one of these titles may be the one asked for."""
    return any(title_likeness(asked, title) >= _LEAST_LIKENESS for title in found if title)


def is_artist_like(asked: str | None, found: Sequence[str]) -> bool:
    """Tell whether one of these artists may be the one asked for, with or without a "The"; yes if none was."""
    return asked is None or any(
        fuzz.token_set_ratio(asked.casefold(), artist.casefold()) >= _LEAST_LIKENESS for artist in found
    )
