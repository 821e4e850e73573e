"""Keys of metadata services: what they are called, and the file that holds them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from indexer.errors import ConfigError

_SECRET = re.compile(r"[!-~]{1,500}")


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of services, None where there is none: the service is then not asked. They are never shown."""

    spotify_client_id: str | None = field(default=None, repr=False)
    spotify_client_secret: str | None = field(default=None, repr=False)
    omdb_key: str | None = field(default=None, repr=False)
    tmdb_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse half of what Spotify needs."""
        if (self.spotify_client_id is None) != (self.spotify_client_secret is None):
            raise ConfigError("Spotify needs both a client id and a client secret")


#: Names in a key file, which are those of the server's environment variables → fields of ``Keys``.
KEY_NAMES: Final[Mapping[str, str]] = {
    "SEGUE_SPOTIFY_CLIENT_ID": "spotify_client_id",
    "SEGUE_SPOTIFY_CLIENT_SECRET": "spotify_client_secret",
    "SEGUE_OMDB_KEY": "omdb_key",
    "SEGUE_TMDB_KEY": "tmdb_key",
}


def read_keys(path: Path) -> Keys:
    """Read a file of ``NAME=key`` lines; empty lines and those that begin with ``#`` are left out.

    Raises ``ConfigError``, which names the line but never repeats what stands in it.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the keys cannot be read ({type(error).__name__})") from error
    values: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, _, key = (part.strip() for part in line.partition("="))
        if not name or name.startswith("#"):
            continue
        if name not in KEY_NAMES or KEY_NAMES[name] in values or not _SECRET.fullmatch(key):
            raise ConfigError(f"{path}, line {number}: must be NAME=key, once each of {', '.join(KEY_NAMES)}")
        values[KEY_NAMES[name]] = key
    return Keys(**values)


def read_key(path: Path) -> str:
    """Read a file that holds one key and nothing else; raises ``ConfigError``, which never repeats it."""
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the key cannot be read ({type(error).__name__})") from error
    if not _SECRET.fullmatch(key):
        raise ConfigError(f"{path}: must hold one key of up to 500 printable characters, and nothing else")
    return key
