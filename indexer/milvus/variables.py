"""The environment variables that say where Milvus is: the same for the server and for the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from indexer.errors import ConfigError, MissingLibrary
from indexer.milvus.params import MilvusParams

if TYPE_CHECKING:
    from indexer.milvus.engine import MilvusEngine

#: Variable → field of ``MilvusParams``.
MILVUS_VARIABLES: Final[Mapping[str, str]] = {
    "SEGUE_MILVUS_URI": "uri",
    "SEGUE_MILVUS_TOKEN": "token",
    "SEGUE_MILVUS_DATABASE": "database",
    "SEGUE_MILVUS_PREFIX": "prefix",
    "SEGUE_MILVUS_CA_FILE": "ca_file",
    "SEGUE_MILVUS_CLIENT_CERT": "client_cert",
    "SEGUE_MILVUS_CLIENT_KEY": "client_key",
    "SEGUE_MILVUS_SERVER_NAME": "server_name",
    "SEGUE_MILVUS_TIMEOUT_S": "timeout_s",
}
_FILES: Final = ("ca_file", "client_cert", "client_key")


def read_params(environ: Mapping[str, str], uri: str | None = None) -> MilvusParams:
    """The parameters that ``environ`` gives, with another ``uri`` where one is given.

    Raises ``ConfigError``, which says what is wrong but repeats no secret.
    """
    values: dict[str, Any] = {
        field: environ[name].strip()
        for name, field in MILVUS_VARIABLES.items()
        if environ.get(name, "").strip()
    }
    if uri is not None:
        values["uri"] = uri
    for name in _FILES:
        if name in values:
            values[name] = Path(values[name]).expanduser().absolute()
    if "timeout_s" in values:
        try:
            values["timeout_s"] = float(values["timeout_s"])
        except ValueError as error:
            raise ConfigError("SEGUE_MILVUS_TIMEOUT_S must be a number of seconds") from error
    return make_params(values)


def make_params(values: Mapping[str, Any]) -> MilvusParams:
    """Parameters of these fields; raises ``ConfigError``."""
    if not values.get("uri"):
        raise ConfigError("the engine milvus needs SEGUE_MILVUS_URI, as in http://host:19530")
    return MilvusParams(**values)


def make_engine(params: MilvusParams) -> MilvusEngine:
    """The engine there, connected to nothing yet; raises ``MissingLibrary`` without pymilvus."""
    try:
        from indexer.milvus.engine import MilvusEngine  # loads pymilvus, which FAISS does without
    except ImportError as error:
        raise MissingLibrary(
            "the engine milvus needs pymilvus: pip install -r requirements-milvus.txt"
        ) from error
    return MilvusEngine(params)
