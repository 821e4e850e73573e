"""How the values of environment variables are read, and which there are."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Kind(NamedTuple):
    """How a value is read (ValueError says what is wrong) and which values there are, in words."""

    read: Callable[[str], Any]
    range: str


def read_text(value: str) -> str:
    """Read any text but an empty one."""
    if not value.strip():
        raise ValueError("must not be empty")
    return value.strip()


def read_path(value: str) -> Path:
    """Read a path, which is taken from the folder that the process started in."""
    return Path(read_text(value)).expanduser().resolve()


def read_link(value: str) -> Path:
    """Read a path and follow no links: where a link points may change, as it does where secrets are mounted."""
    return Path(read_text(value)).expanduser().absolute()


def whole(least: int, most: int) -> Kind:
    """Whole numbers from ``least`` to ``most``."""

    def read(value: str) -> int:
        digits = value.strip()
        if not (digits.isascii() and digits.isdigit() and len(digits) < 20 and least <= int(digits) <= most):
            raise ValueError(f"must be a whole number from {least} to {most}, not {value[:40]!r}")
        return int(digits)

    return Kind(read, f"{least} … {most}")


def decimal(least: float, most: float) -> Kind:
    """Numbers from ``least`` to ``most``, in digits with a point."""

    def read(value: str) -> float:
        written = value.strip()
        if not (re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", written) and least <= float(written) <= most):
            raise ValueError(f"must be a number from {least:g} to {most:g}, not {value[:40]!r}")
        return float(written)

    return Kind(read, f"{least:g} … {most:g}")


def one_of(*names: str) -> Kind:
    """One of some names, in capitals or not."""

    def read(value: str) -> str:
        if value.strip().lower() not in names:
            raise ValueError(f"must be one of {', '.join(names)}, not {value[:40]!r}")
        return value.strip().lower()

    return Kind(read, ", ".join(f"`{name}`" for name in names))


def read_list(value: str) -> tuple[str, ...]:
    """Read what stands between commas; none of it may be empty."""
    parts = tuple(part.strip() for part in value.split(","))
    if not all(parts):
        raise ValueError("must not be empty, and no part between its commas; unset it to switch it off")
    return parts


def read_rate(value: str) -> str:
    """Read a number per second, minute, hour or day; empty for none."""
    rate = value.strip().lower()
    if rate and not re.fullmatch(r"[1-9][0-9]{0,8}/(second|minute|hour|day)", rate):
        raise ValueError(f"must be like 600/minute (second, minute, hour or day), not {value[:40]!r}")
    return rate


def read_secret(value: str) -> str:
    """Read a key of another service; what is wrong with it is said without repeating it."""
    if not re.fullmatch(r"[!-~]{1,500}", value.strip()):
        raise ValueError("must be a key of up to 500 printable characters; unset it to switch it off")
    return value.strip()


def read_name(value: str) -> str:
    """Read a name of letters, digits and ``_`` that begins with no digit."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,59}", value.strip()):
        raise ValueError(f"must be up to 60 letters, digits or _, with no digit first, not {value[:80]!r}")
    return value.strip()


def read_uri(value: str) -> str:
    """Read where Milvus is; credentials have no place in it."""
    given = value.strip()
    # It may hold a password all the same, hence is not repeated.
    if "@" in given or not re.fullmatch(r"https?://[^\s/?#]+/?|[^\s:]+\.db", given, re.IGNORECASE):
        raise ValueError(
            "must be http://host:port, https://host:port, or a file that ends with .db, without credentials"
        )
    return given


def read_store(value: str) -> str:
    """Read where requests are counted."""
    # What follows may hold a password, hence is not repeated.
    if not re.fullmatch(r"memory://|(redis|rediss|redis\+unix)://\S+", value.strip()):
        raise ValueError(
            "must be memory:// or an address that begins with redis://, rediss:// or redis+unix://"
        )
    return value.strip()


def read_origins(value: str) -> tuple[str, ...]:
    """Read exact origins: a scheme, a host and perhaps a port."""
    origins = tuple(origin.lower() for origin in read_list(value))
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or f"{parts.scheme}://{parts.netloc}" != origin:
            raise ValueError(f"must hold exact origins like https://example.org, not {origin[:80]!r}")
    return origins


def read_database(value: str) -> str:
    """Read a database as SQLAlchemy names it, "off" for none; empty for the one that needs no name."""
    given = value.strip()
    # It may hold a password, hence is not repeated.
    if given.lower() in ("", "off"):
        return given.lower()
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_+]*://\S*", given):
        raise ValueError(
            "must be off, or a URL like postgresql://user@host/name or sqlite:////folder/file.sqlite"
        )
    if re.fullmatch(r"sqlite[A-Za-z0-9_+]*:///?(:memory:)?", given):
        raise ValueError("must name a file for SQLite: sqlite:////folder/feedback.sqlite")
    return given
