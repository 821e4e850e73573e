"""pymilvus, imported without what it does to the process: the only place that imports it.

When it is imported it sets logging up anew, which closes the handlers of everyone else and with some of them the
streams they write to, and reads variables from whatever ``.env`` file lies above it.
"""

from __future__ import annotations

import logging.config
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import dotenv


@contextmanager
def _doing_nothing(module: ModuleType, name: str) -> Iterator[None]:
    function = getattr(module, name)
    setattr(module, name, lambda *_, **__: None)
    try:
        yield
    finally:
        setattr(module, name, function)


with _doing_nothing(logging.config, "dictConfig"), _doing_nothing(dotenv, "load_dotenv"):
    from pymilvus import CollectionSchema, DataType, MilvusClient
    from pymilvus.exceptions import DataNotMatchException, MilvusException, ParamError

# It logs whole stacks of each failed call; the errors raised here say what matters.
for _name in ("pymilvus", "pymilvus.milvus_client", "pymilvus.bulk_writer"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

__all__ = [
    "CollectionSchema",
    "DataNotMatchException",
    "DataType",
    "MilvusClient",
    "MilvusException",
    "ParamError",
]
