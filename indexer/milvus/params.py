"""Where Milvus is and how it is spoken to; imports nothing of Milvus."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from indexer.errors import ConfigError

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")
_TOKEN: Final = re.compile(r"[!-~]{1,500}")


@dataclass(frozen=True, slots=True)
class MilvusParams:
    """Where Milvus is and how it is spoken to.

    ``uri``: ``http://host:port``, ``https://host:port`` for TLS, or a file that ends with ``.db`` for milvus-lite.
    ``token``: ``user:password`` or an API key; empty for none. ``ca_file``: PEM certificates to trust in place of the
    system's; ``server_name``: the name to expect in the server's certificate, where it is not the host's.
    ``prefix`` begins the names of all collections. ``timeout_s``: what one call may take. ConfigError for nonsense.
    """

    uri: str
    token: str = field(default="", repr=False)
    database: str = ""
    prefix: str = "segue"
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    server_name: str = ""
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what cannot work, without repeating what may be a secret."""
        if not self.is_lite:
            self._check_address()
        if self.token and not _TOKEN.fullmatch(self.token):
            raise ConfigError("the token for Milvus must be up to 500 printable characters without spaces")
        if not _NAME.fullmatch(self.prefix):
            raise ConfigError(
                "the prefix for Milvus must be up to 60 letters, digits or _, with no digit first"
            )
        if self.database and not _NAME.fullmatch(self.database):
            raise ConfigError(
                "the database for Milvus must be up to 60 letters, digits or _, with no digit first"
            )
        if (self.client_cert is None) != (self.client_key is None):
            raise ConfigError("a client certificate for Milvus needs both the certificate and its key")
        if not self.is_secure and (self.ca_file or self.client_cert or self.server_name):
            raise ConfigError("certificates for Milvus need an address that begins with https://")
        if not 0.05 <= self.timeout_s <= 3_600:
            raise ConfigError("the time-out for Milvus must be from 0.05 to 3600 seconds")

    @property
    def is_lite(self) -> bool:
        """Whether milvus-lite answers, from a file and within this process."""
        return self.uri.endswith(".db") and "://" not in self.uri

    @property
    def is_secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.uri.lower().startswith("https://")

    def _check_address(self) -> None:
        try:
            parts = urlsplit(self.uri)
            is_right = parts.scheme.lower() in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            is_right = False
        else:
            if "@" in parts.netloc:
                raise ConfigError("credentials for Milvus belong into the token, not into the address")
            is_right = is_right and parts.path in ("", "/") and not parts.query and not parts.fragment
        if not is_right:
            raise ConfigError(
                "the address of Milvus must be http://host:port, https://host:port or a .db file"
            )
