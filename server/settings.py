"""What the server can be told from outside: the only reader of the environment, and the limits of the API."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from indexer.errors import ConfigError

_REPOSITORY = Path(__file__).resolve().parents[1]

# Limits of the API. They are part of its published description, hence the same on every server.
MAX_TEXT: Final = 2_000
MAX_IDS: Final = 100
MAX_ID_LENGTH: Final = 200
MAX_NAMES: Final = 100
MAX_NAME_LENGTH: Final = 100
MAX_LIMIT: Final = 1_000
MAX_OFFSET: Final = 100_000


def _read_text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value.strip()


def _read_path(value: str) -> Path:
    return Path(_read_text(value)).expanduser().resolve()


def _read_number(least: int, most: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        digits = value.strip()
        if not (digits.isascii() and digits.isdigit() and len(digits) < 20 and least <= int(digits) <= most):
            raise ValueError(f"must be a whole number from {least} to {most}, not {value[:40]!r}")
        return int(digits)

    return read


#: Variable → the setting it fills and how it is read.
_VARIABLES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "SEGUE_INDEXES": ("indexes", _read_path),
    "HOST": ("host", _read_text),
    "PORT": ("port", _read_number(0, 65_535)),
    "SEGUE_MAX_BODY_BYTES": ("max_body_bytes", _read_number(1, 2**30)),
    "SEGUE_THREADS": ("threads", _read_number(1, 256)),
    "SEGUE_STOP_TIMEOUT_S": ("stop_timeout_s", _read_number(1, 3_600)),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the index versions are and how the server listens; sizes in bytes, times in seconds."""

    indexes: Path = _REPOSITORY / "indexes"
    host: str = "127.0.0.1"
    port: int = 8000
    max_body_bytes: int = 64 * 1024
    threads: int = 8
    stop_timeout_s: int = 30

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from ``environ``, or the process's own; ConfigError names a bad variable."""
        values: dict[str, Any] = {}
        source = os.environ if environ is None else environ
        for variable, (setting, read) in _VARIABLES.items():
            if variable in source:
                try:
                    values[setting] = read(source[variable])
                except ValueError as error:
                    raise ConfigError(f"{variable} {error}") from error
        return cls(**values)
