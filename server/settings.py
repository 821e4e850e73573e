"""What the server can be told from outside: the variables of its environment, and the limits of the API.

``docs/settings.md`` shows both tables; a test holds it against them.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from indexer.environment import read_environment, set_variable
from indexer.errors import ConfigError
from indexer.fetching.keys import Keys
from indexer.playlists.reading import MAX_LINES, MAX_PLAYLIST
from server.setting_values import (
    Kind,
    decimal,
    one_of,
    read_database,
    read_link,
    read_list,
    read_name,
    read_origins,
    read_path,
    read_rate,
    read_secret,
    read_store,
    read_text,
    read_uri,
    whole,
)

_REPOSITORY = Path(__file__).resolve().parents[1]

#: What switches feedback off where its database is named.
OFF: Final = "off"

# Limits of the API. They are part of its published description, hence the same on every server.
MAX_TEXT: Final = 2_000
MAX_IDS: Final = 100
MAX_ID_LENGTH: Final = 200
MAX_NAMES: Final = 100
MAX_NAME_LENGTH: Final = 100
MAX_LIMIT: Final = 1_000
MAX_OFFSET: Final = 100_000
MAX_ITEMS: Final = 50
MAX_LONG_TEXT: Final = 10_000

#: Limit → its value, its unit and what it holds for.
API_LIMITS: dict[str, tuple[int, str, str]] = {
    "MAX_TEXT": (MAX_TEXT, "characters", "`text`, `avoid.text` and the `q` of a look-up"),
    "MAX_IDS": (MAX_IDS, "ids", "each of `tracks`, `movies`, `avoid.tracks` and `avoid.movies`"),
    "MAX_ID_LENGTH": (MAX_ID_LENGTH, "characters", "one id"),
    "MAX_NAMES": (MAX_NAMES, "names", "each of the filters `genres` and `language`"),
    "MAX_NAME_LENGTH": (MAX_NAME_LENGTH, "characters", "one name in a filter"),
    "MAX_LIMIT": (MAX_LIMIT, "results", "`limit`, the results on one page"),
    "MAX_OFFSET": (MAX_OFFSET, "results", "`offset`, the results before the page"),
    "MAX_ITEMS": (MAX_ITEMS, "items", "`items`, songs and films that the catalogue does not hold"),
    "MAX_LONG_TEXT": (MAX_LONG_TEXT, "characters", "the `overview` and the `lyrics` of one of `items`"),
    "MAX_LINES": (MAX_LINES, "songs", "one playlist, lines that are given twice included"),
    "MAX_PLAYLIST": (MAX_PLAYLIST, "characters", "one playlist as text"),
}


class Variable(NamedTuple):
    """One environment variable: the setting it fills, its values, its unit and what it means."""

    setting: str
    kind: Kind
    unit: str
    meaning: str


_FOLDER = Kind(read_path, "a folder")
_FILE = Kind(read_link, "a file")
_KEY = Kind(read_secret, "a key")

#: Every variable that the server reads.
VARIABLES: dict[str, Variable] = {
    "SEGUE_INDEXES": Variable("indexes", _FOLDER, "", "folder of index versions"),
    "SEGUE_POLL_S": Variable(
        "poll_s", decimal(0.1, 60), "seconds", "time between looks at which version is published"
    ),
    "HOST": Variable("host", Kind(read_text, "an address"), "", "address to listen on; `0.0.0.0` for all"),
    "PORT": Variable("port", whole(0, 65_535), "", "port to listen on"),
    "SEGUE_WORKERS": Variable("workers", whole(1, 64), "processes", "processes that answer"),
    "SEGUE_THREADS": Variable("threads", whole(1, 256), "threads", "requests answered at a time, per worker"),
    "SEGUE_MAX_REQUESTS": Variable(
        "max_requests", whole(0, 10**9), "requests", "a worker is replaced after about so many; 0: never"
    ),
    "SEGUE_REQUEST_TIMEOUT_S": Variable(
        "request_timeout_s",
        whole(1, 3_600),
        "seconds",
        "what a request may take to arrive, and to be answered; a worker that hangs for so long is replaced",
    ),
    "SEGUE_KEEPALIVE_S": Variable(
        "keepalive_s",
        whole(0, 3_600),
        "seconds",
        "an idle connection is kept for so long; 0: closed at once",
    ),
    "SEGUE_STOP_TIMEOUT_S": Variable(
        "stop_timeout_s", whole(1, 3_600), "seconds", "what running requests get when the server stops"
    ),
    "SEGUE_MAX_BODY_BYTES": Variable(
        "max_body_bytes", whole(1, 2**30), "bytes", "largest request body; more is answered with 413"
    ),
    "SEGUE_MAX_PLAYLIST_BYTES": Variable(
        "max_playlist_bytes",
        whole(1, 2**30),
        "bytes",
        "largest body of `POST /v1/playlist`; more is answered with 413",
    ),
    "SEGUE_LOG_LEVEL": Variable(
        "log_level",
        one_of("debug", "info", "warning", "error"),
        "",
        "least level that is logged; `warning` leaves out the line per request",
    ),
    "SEGUE_LOG_FORMAT": Variable(
        "log_format", one_of("json", "text"), "", "one JSON object a line, or lines for people"
    ),
    "SEGUE_API_KEYS": Variable(
        "api_keys",
        Kind(read_list, "`name:sha256` or `sha256`, comma-separated"),
        "",
        "hashes of the keys that are let in; unset, with no file either: no key is asked for",
    ),
    "SEGUE_API_KEYS_FILE": Variable(
        "api_keys_file", _FILE, "", "the same, one a line; read again when it changes"
    ),
    "SEGUE_RATE_LIMIT": Variable(
        "rate_limit",
        Kind(read_rate, "a number, `/`, `second`, `minute`, `hour` or `day`"),
        "requests",
        "most requests per key, or per client address without keys; empty: no limit",
    ),
    "SEGUE_RATE_LIMIT_STORE": Variable(
        "rate_limit_store",
        Kind(read_store, "`memory://`, `redis://…`, `rediss://…`, `redis+unix://…`"),
        "",
        "where requests are counted; Redis where workers or machines share one limit",
    ),
    "SEGUE_CORS_ORIGINS": Variable(
        "cors_origins",
        Kind(read_origins, "exact origins, comma-separated"),
        "",
        "other sites whose pages may call the API; unset: none",
    ),
    "SEGUE_TRUSTED_PROXIES": Variable(
        "trusted_proxies",
        whole(0, 10),
        "proxies",
        "proxies in front, each of which sets X-Forwarded-For and X-Forwarded-Proto",
    ),
    "SEGUE_FEEDBACK_URL": Variable(
        "feedback_url",
        Kind(read_database, "a database's SQLAlchemy URL, or `off`"),
        "",
        "where feedback is stored; empty: `feedback.sqlite` in the folder of index versions",
    ),
    "SEGUE_FEEDBACK_TEXT": Variable(
        "feedback_text",
        one_of("on", "off"),
        "",
        "whether the words of a search are stored with feedback on its results",
    ),
    "SEGUE_FEEDBACK_RATE": Variable(
        "feedback_rate",
        Kind(read_rate, "a number, `/`, `second`, `minute`, `hour` or `day`"),
        "requests",
        "most feedback per key, or per client address without keys; empty: no limit",
    ),
    "SEGUE_POSTERS": Variable(
        "posters",
        _FOLDER,
        "",
        "films' posters for the page, named by TMDb or IMDb id: `680.jpg`, `tt0110912.jpg`",
    ),
    "SEGUE_COVERS": Variable("covers", _FOLDER, "", "songs' covers for the page, named by track id"),
    "SEGUE_REMOTE_POSTERS": Variable(
        "remote_posters",
        one_of("on", "off"),
        "",
        "whether the page may show posters from TMDb's image host; `off`: no request leaves for another host",
    ),
    "SEGUE_SPOTIFY_CLIENT_ID": Variable(
        "spotify_client_id", _KEY, "", "looks songs up at Spotify, with the secret; unset: does not"
    ),
    "SEGUE_SPOTIFY_CLIENT_SECRET": Variable(
        "spotify_client_secret", _KEY, "", "the secret that belongs to the id"
    ),
    "SEGUE_OMDB_KEY": Variable("omdb_key", _KEY, "", "looks films up at OMDb; unset: does not"),
    "SEGUE_TMDB_KEY": Variable(
        "tmdb_key", _KEY, "", "looks films up at TMDb, by a key or a read access token; unset: does not"
    ),
    "SEGUE_ENGINE": Variable(
        "engine",
        one_of("faiss", "milvus"),
        "",
        "where vectors are searched: in this process, or on Milvus, which then says which version is served",
    ),
    "SEGUE_MILVUS_URI": Variable(
        "milvus_uri",
        Kind(read_uri, "`http://host:port`, `https://host:port`, or a file `….db` for milvus-lite"),
        "",
        "where Milvus is; `https` encrypts. The engine milvus needs it",
    ),
    "SEGUE_MILVUS_TOKEN": Variable(
        "milvus_token", _KEY, "", "`user:password` or an API key for Milvus; unset: none"
    ),
    "SEGUE_MILVUS_DATABASE": Variable(
        "milvus_database", Kind(read_name, "a name"), "", "database on Milvus; unset: its default one"
    ),
    "SEGUE_MILVUS_PREFIX": Variable(
        "milvus_prefix",
        Kind(read_name, "a name"),
        "",
        "begins the names of all collections; the alias of this name says which version is served",
    ),
    "SEGUE_MILVUS_CA_FILE": Variable(
        "milvus_ca_file", _FILE, "", "certificates (PEM) to trust for Milvus; unset: the system's"
    ),
    "SEGUE_MILVUS_CLIENT_CERT": Variable(
        "milvus_client_cert", _FILE, "", "certificate (PEM) to show to Milvus, with its key; unset: none"
    ),
    "SEGUE_MILVUS_CLIENT_KEY": Variable(
        "milvus_client_key", _FILE, "", "the key (PEM) that belongs to the certificate"
    ),
    "SEGUE_MILVUS_SERVER_NAME": Variable(
        "milvus_server_name",
        Kind(read_text, "a host name"),
        "",
        "the name that the certificate of Milvus has to bear; unset: that of the address",
    ),
    "SEGUE_MILVUS_TIMEOUT_S": Variable(
        "milvus_timeout_s",
        decimal(0.05, 3_600),
        "seconds",
        "what a search may wait for Milvus, all its calls together; what any other call may take",
    ),
    "PROMETHEUS_MULTIPROC_DIR": Variable(
        "metrics_folder",
        _FOLDER,
        "",
        "where workers share the figures of /metrics; emptied at the start. "
        "Unset with several workers: a temporary folder",
    ),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the server is told; ``VARIABLES`` says what each setting means. Sizes in bytes, times in seconds."""

    indexes: Path = _REPOSITORY / "indexes"
    host: str = "127.0.0.1"
    port: int = 8000
    max_body_bytes: int = 64 * 1024
    threads: int = 4
    stop_timeout_s: int = 30
    poll_s: float = 0.5
    workers: int = 2
    max_requests: int = 0
    request_timeout_s: int = 30
    keepalive_s: int = 5
    log_level: str = "info"
    log_format: str = "json"
    api_keys: tuple[str, ...] = ()
    api_keys_file: Path | None = None
    rate_limit: str = ""
    rate_limit_store: str = field(default="memory://", repr=False)  # may hold a password
    cors_origins: tuple[str, ...] = ()
    feedback_url: str = field(default="", repr=False)  # may hold a password
    feedback_text: str = "on"
    feedback_rate: str = "60/minute"
    trusted_proxies: int = 0
    posters: Path | None = None
    covers: Path | None = None
    remote_posters: str = "on"
    metrics_folder: Path | None = None
    max_playlist_bytes: int = 2 * 1024 * 1024
    spotify_client_id: str | None = field(default=None, repr=False)
    spotify_client_secret: str | None = field(default=None, repr=False)
    omdb_key: str | None = field(default=None, repr=False)
    tmdb_key: str | None = field(default=None, repr=False)
    engine: str = "faiss"
    milvus_uri: str | None = None
    milvus_token: str | None = field(default=None, repr=False)
    milvus_database: str | None = None
    milvus_prefix: str = "segue"
    milvus_ca_file: Path | None = None
    milvus_client_cert: Path | None = None
    milvus_client_key: Path | None = None
    milvus_server_name: str | None = None
    milvus_timeout_s: float = 5.0

    @property
    def keys(self) -> Keys:
        """Keys of metadata services; raises ``ConfigError`` on half of what Spotify needs."""
        return Keys(self.spotify_client_id, self.spotify_client_secret, self.omdb_key, self.tmdb_key)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from ``environ``, or the process's own; ConfigError names a bad variable."""
        values: dict[str, Any] = {}
        source = read_environment() if environ is None else environ
        for name, variable in VARIABLES.items():
            if name in source:
                try:
                    values[variable.setting] = variable.kind.read(source[name])
                except ValueError as error:
                    raise ConfigError(f"{name} {error}") from error
        return cls(**values)


def show_default(variable: Variable) -> str:
    """Write the default of a variable as the documentation does; empty where nothing is set."""
    value = getattr(Settings(), variable.setting)
    if isinstance(value, Path):
        return f"{value.relative_to(_REPOSITORY)}/ of the checkout"
    return "" if value is None or value == () else str(value)


_shared_folder: Path | None = None
_is_temporary = False


def share_metrics(settings: Settings) -> Path | None:
    """Prepare the folder through which workers share figures, empty; None where one worker keeps its own.

    prometheus_client looks for it when it is imported: call this before. Asked again, in the same process, it changes
    nothing, since workers write into the folder by then.
    """
    global _shared_folder, _is_temporary
    if _shared_folder is None and (settings.metrics_folder is not None or settings.workers > 1):
        _is_temporary = settings.metrics_folder is None
        folder = settings.metrics_folder or Path(tempfile.mkdtemp(prefix="segue-metrics-"))
        folder.mkdir(parents=True, exist_ok=True)
        for file in folder.glob("*.db"):
            file.unlink()
        set_variable("PROMETHEUS_MULTIPROC_DIR", str(folder))
        _shared_folder = folder
    return _shared_folder


def drop_shared_metrics() -> None:
    """Delete the folder of ``share_metrics`` if it was a temporary one; for the end of the server."""
    if _shared_folder is not None and _is_temporary:
        shutil.rmtree(_shared_folder, ignore_errors=True)
