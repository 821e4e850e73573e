"""The engine that the settings ask for."""

from __future__ import annotations

from indexer.engine import Engine, FaissEngine
from server.settings import Settings


def make_engine(settings: Settings) -> Engine:
    """Make the engine, connected to nothing yet; raises ``ConfigError``, or ``MissingLibrary`` without its client."""
    if settings.engine != "milvus":
        return FaissEngine()
    from indexer.milvus import variables  # what only Milvus needs stays out of other servers

    fields = {name: getattr(settings, f"milvus_{name}") for name in variables.MILVUS_VARIABLES.values()}
    return variables.make_engine(
        variables.make_params({name: value for name, value in fields.items() if value is not None})
    )
