"""Engines: where the vectors of an index version are searched, and what says which version is served there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from indexer import index_folder
from indexer import index_version as versions
from indexer.index_version import IndexVersion


class Engine(ABC):
    """Where vectors are searched; safe to use from several threads, and connected to nothing before it is asked."""

    name: ClassVar[str]

    @abstractmethod
    def current_name(self, indexes: Path) -> str:
        """The version that is served; raises ``VersionNotFound`` where there is none, or ``EngineError``."""

    @abstractmethod
    def open_version(self, indexes: Path, name: str) -> IndexVersion:
        """Verify and open the version in the folder ``indexes``, with vectors searched by this engine.

        Raises ``VersionError``, or ``EngineError`` where the engine does not answer or holds something else.
        """

    def close(self) -> None:  # noqa: B027  most engines hold nothing
        """Let go of connections."""


class FaissEngine(Engine):
    """FAISS, in this process, from the version's own files: ``CURRENT`` names the served one."""

    name = "faiss"

    def current_name(self, indexes: Path) -> str:
        return index_folder.current_name(indexes)

    def open_version(self, indexes: Path, name: str) -> IndexVersion:
        return versions.open_version(indexes, name)
