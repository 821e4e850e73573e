"""Who may ask, and how often: API keys and rate limits, both off unless set.

``python -m server.access new-key NAME`` makes a key.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import logging
import re
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from flask import Flask, Response, g, request
from flask_limiter import Limiter
from limits.errors import ConfigurationError, StorageError
from werkzeug.exceptions import Unauthorized
from werkzeug.middleware.proxy_fix import ProxyFix

from indexer.errors import ConfigError
from server.settings import Settings

_log = logging.getLogger(__name__)

#: The two ways to send a key, as OpenAPI describes them; nothing needs one unless the server has keys set.
SECURITY_SCHEMES: Final[dict[str, Any]] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "name": "X-API-Key", "in": "header"},
}

#: What answers without a key and without being counted: is the server up, and how it is used. All else is closed.
OPEN_ENDPOINTS: Final = frozenset(
    {"api.healthz", "api.readyz", "docs.description", "docs.page", "docs.static", "static"}
)
#: What monitoring asks at its own pace; it needs a key all the same where keys are set.
_UNCOUNTED: Final = OPEN_ENDPOINTS | {"metrics.show"}
_LOOK_INTERVAL_S: Final = 1.0
_MAX_FILE_BYTES: Final = 1 << 20
_read_entry = re.compile(r"(?:([A-Za-z0-9._-]{1,64}):)?([0-9a-f]{64})").fullmatch
_REDIS_WAIT_S: Final = 0.5


class ApiKey(NamedTuple):
    """A key that is let in: a name for logs and limits, and the SHA-256 of the key in hexadecimal."""

    name: str
    sha256: str


def hash_key(key: str) -> str:
    """Hash a key as it is stored: SHA-256, hexadecimal.

    A plain hash is right here: a key is 256 random bits, which nobody can guess, so there is nothing that a slow or
    salted hash would protect, and it would cost every request.
    """
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def read_keys(entries: Iterable[str]) -> tuple[ApiKey, ...]:
    """Read ``name:sha256`` or ``sha256`` entries; blank ones and comments (``#``) are passed over.

    Raises ValueError, which tells the number of an entry but not the entry: it may be a key pasted by mistake.
    """
    keys = []
    for number, line in enumerate(entries, start=1):
        entry = line.split("#", 1)[0].strip()
        if entry:
            found = _read_entry(entry)
            if found is None:
                raise ValueError(f"entry {number} is not name:sha256, with 64 digits 0-9a-f for the hash")
            keys.append(ApiKey(found[1] or f"key-{found[2][:8]}", found[2]))
    if not keys:
        raise ValueError("there is no key in it")
    return tuple(keys)


class KeyRing:
    """The keys that are let in. A file is looked at again every second, so keys rotate without a restart.

    When the file becomes unreadable or malformed, or holds no key, the keys last read go on and ``on_error`` is called
    at each look. Raises ConfigError where that is so at the start: the server does not open up by mistake.
    """

    def __init__(
        self,
        entries: Sequence[str],
        file: Path | None,
        on_error: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._on_error = on_error
        self._clock = clock
        self._looking = threading.Lock()
        self._looked_at = clock()
        self._trouble = ""
        try:
            self._fixed = read_keys(entries) if entries else ()
        except ValueError as error:
            raise ConfigError(f"SEGUE_API_KEYS: {error}") from error
        try:
            self._keys = self._fixed + (self._read(file) if file is not None else ())
        except (OSError, ValueError) as error:
            raise ConfigError(f"SEGUE_API_KEYS_FILE: {error}") from error

    def find(self, key: str) -> str | None:
        """Find the name of a key; None if it is not let in. Takes as long for a wrong key as for any right one."""
        self._look()
        given = hash_key(key)
        name = None
        for known in self._keys:
            if hmac.compare_digest(known.sha256, given):
                name = known.name
        return name

    def _look(self) -> None:
        now = self._clock()
        if self._file is None or now - self._looked_at < _LOOK_INTERVAL_S:
            return
        if not self._looking.acquire(blocking=False):
            return  # another request is at it
        try:
            self._looked_at = now
            self._keys = self._fixed + self._read(self._file)
            if self._trouble:
                _log.info("the file of API keys can be read again")
            self._trouble = ""
        except (OSError, ValueError) as error:
            self._on_error()
            if str(error) != self._trouble:
                _log.error("the keys last read go on, as the file of API keys cannot be used: %s", error)
            self._trouble = str(error)
        finally:
            self._looking.release()

    @staticmethod
    def _read(file: Path) -> tuple[ApiKey, ...]:
        with file.open("rb") as opened:
            content = opened.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            raise ValueError(f"it is larger than {_MAX_FILE_BYTES} bytes")
        return read_keys(content.decode("utf-8", "replace").splitlines())


def register_access(
    app: Flask, settings: Settings, on_key_file_error: Callable[[], None] = lambda: None
) -> None:
    """Ask every request of ``app`` for a key and hold it to the rate limit, as far as ``settings`` has them.

    Raises ConfigError for keys or a store that cannot be used.
    """
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count)  # type: ignore[method-assign]
    if settings.api_keys or settings.api_keys_file is not None:
        _ask_for_keys(app, KeyRing(settings.api_keys, settings.api_keys_file, on_key_file_error))
    if settings.rate_limit:
        _limit_rate(app, settings)


def _ask_for_keys(app: Flask, ring: KeyRing) -> None:
    @app.before_request
    def check_key() -> None:
        # A browser asks with OPTIONS, and without a key, whether it may ask at all.
        if request.endpoint in OPEN_ENDPOINTS or request.method == "OPTIONS":
            return
        key = _given_key()
        name = ring.find(key) if key else None
        if name is None:
            what = "This key is not known here." if key else "A key is needed."
            raise Unauthorized(f"{what} Send one as Authorization: Bearer KEY or X-API-Key: KEY.")
        g.client = name

    @app.after_request
    def name_scheme(response: Response) -> Response:
        if response.status_code == Unauthorized.code:
            response.headers["WWW-Authenticate"] = 'Bearer realm="Segue"'
        return response


def _given_key() -> str:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    return request.headers.get("X-API-Key", "").strip()


def _limit_rate(app: Flask, settings: Settings) -> None:
    """Count requests per key or client address, in fixed windows that begin with a client's first request."""
    shared = not settings.rate_limit_store.startswith("memory:")
    options: dict[str, float | bool] = {"wrap_exceptions": True}
    if shared:
        options |= {"socket_connect_timeout": _REDIS_WAIT_S, "socket_timeout": _REDIS_WAIT_S}
    limiter = Limiter(
        lambda: g.get("client") or request.remote_addr or "unknown",
        application_limits=[settings.rate_limit],
        storage_uri=settings.rate_limit_store,
        storage_options=options,  # type: ignore[arg-type]
        strategy="fixed-window",
        key_prefix="segue",
        # A store that fails must not stop the service: each worker then counts on its own until it is back.
        in_memory_fallback_enabled=shared,
    )
    limiter.request_filter(lambda: request.endpoint in _UNCOUNTED or request.method == "OPTIONS")

    @app.after_request
    def say_when(response: Response) -> Response:
        reached = limiter.current_limit
        if reached is not None and reached.breached:
            try:
                wait_s = int(reached.reset_at - time.time())
            except StorageError:
                wait_s = reached.limit.get_expiry()
            response.headers["Retry-After"] = str(max(1, wait_s))
        return response

    try:
        limiter.init_app(app)
    except ConfigurationError as error:
        raise ConfigError(
            "SEGUE_RATE_LIMIT_STORE asks for Redis, but its package is missing: "
            "python -m pip install -r requirements-redis.txt"
        ) from error
    if shared and not limiter.storage.check():
        _log.error("the store of rate limits cannot be reached; each worker counts on its own until it can")
    elif not shared and settings.workers > 1:
        _log.warning(
            "each of the %d workers counts rate limits on its own; Redis can share", settings.workers
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a key, print it once, and print the line that lets it in."""
    parser = argparse.ArgumentParser(prog="python -m server.access", description="Make API keys.")
    commands = parser.add_subparsers(dest="command", required=True)
    new_key = commands.add_parser("new-key", help="make a key; it is shown once and stored nowhere")
    new_key.add_argument("name", help="who it is for; letters, digits and . _ -, at most 64")
    asked = parser.parse_args(arguments)
    key = f"segue_{secrets.token_urlsafe(32)}"
    line = f"{asked.name}:{hash_key(key)}"
    if _read_entry(line) is None:
        parser.error("the name must be 1 to 64 letters, digits, dots, underscores or hyphens")
    sys.stdout.write(f"key (shown only now): {key}\nline for SEGUE_API_KEYS_FILE: {line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
