"""Publishing on Milvus: a version is loaded into collections of its own, checked, and then an alias is moved to it.

A version is visible by nothing but the alias, which names the films' collection; that of the songs follows from the
version's name. So one change of one alias moves all searches at once, and a half-loaded version is never seen.
"""

from __future__ import annotations

from pathlib import Path

from indexer import index_version as versions
from indexer import publication
from indexer.catalogue.records import Medium
from indexer.errors import EngineMismatch, EngineMissing, VersionError, VersionNotFound
from indexer.milvus.collections import name_collection, read_version
from indexer.milvus.engine import MilvusEngine
from indexer.milvus.loading import Loader, Tell
from indexer.space import MEDIA


class Publisher:
    """Publishes the versions of one folder on one Milvus. The caller holds the folder's lock throughout."""

    def __init__(self, engine: MilvusEngine, indexes: Path, tell: Tell = lambda *_: None) -> None:
        self._engine = engine
        self._indexes = indexes
        self._loader = Loader(engine, tell)
        self._call = self._loader.call

    @property
    def _history_name(self) -> str:
        return f"{self._engine.name}-{self._engine.prefix}"

    def publish(self, name: str, index_kind: str = "auto", force: bool = False) -> None:
        """Load a version, unless it is loaded already, check it, and serve it.

        What an earlier try has loaded is kept. Raises ``VersionError``, ``EngineError``, or ``VersionWorse`` where its
        relevance card is worse than the served one's beyond a tolerance, unless forced.
        """
        version = versions.open_version(self._indexes, name)
        try:
            before = self.served()
            if before and before != name and not force:
                publication.refuse_worse(self._indexes / before, version)
            for medium in MEDIA:
                self._loader.load(version, medium, index_kind, is_served=before == name)
        finally:
            version.close()
        self._switch(name, before)
        past = publication.engine_history(self._indexes, self._history_name)
        if past[-1:] != [name]:
            publication.note_served(self._indexes, self._history_name, [*past, name])

    def rollback(self) -> str:
        """Serve the version that was served before the current one, and return its name.

        Its collections are looked at first: ``EngineError`` where they are not there or not whole.
        """
        now = self._engine.current_name(self._indexes)
        past = publication.engine_history(self._indexes, self._history_name)
        while past:
            name = past.pop()
            if name != now and self._is_here(name):
                self.check(name)
                self._switch(name, now)
                publication.note_served(self._indexes, self._history_name, [*past, name])
                return name
        raise VersionError(f"there is no earlier version than {now} to go back to")

    def check(self, name: str | None = None) -> str:
        """Check that a version (default: the served one) can be served, and return its name.

        Its files but those of its indexes are verified, its collections loaded and their rows counted. Raises
        ``VersionError`` or ``EngineError``.
        """
        name = name or self._engine.current_name(self._indexes)
        for medium in MEDIA:
            held = self._engine.held(name, medium)
            if not held.is_whole:
                raise EngineMismatch(f"{held.name} on Milvus is not whole; publish the version again")
            self._loader.check(held)
        self._engine.open_version(self._indexes, name).close()
        return name

    def prune(self, keep: int) -> list[str]:
        """Drop the collections of all but the newest ``keep`` versions, the served one and the one before it.

        Those of half-loaded versions that are none of these go too. Returns the versions that went.
        """
        states = self.states()
        whole = [name for name, is_whole in states.items() if is_whole]
        kept = {
            *publication.engine_history(self._indexes, self._history_name)[-2:],
            *whole[len(whole) - keep if keep else len(whole) :],
        }
        served = self.served()
        gone = [name for name in states if name != served and (name not in kept or name not in whole)]
        for name in gone:
            for medium in MEDIA:
                self._loader.drop(name_collection(self._engine.prefix, name, medium))
        return gone

    def served(self) -> str | None:
        """The version that is served; None where there is none."""
        try:
            return self._engine.current_name(self._indexes)
        except VersionNotFound:
            return None

    def states(self) -> dict[str, bool]:
        """The versions that have collections, oldest first, and whether they are whole."""
        found: dict[str, set[Medium]] = {}
        for collection in self._call("list_collections"):
            name = read_version(self._engine.prefix, collection)
            if name is None:
                continue
            try:
                held = self._engine.read_held(collection)
            except (EngineMissing, EngineMismatch):
                continue  # dropped meanwhile, or somebody else's
            if held.prefix == self._engine.prefix and held.version == name:
                found.setdefault(name, set())
                if held.is_whole:
                    found[name].add(held.medium)
        return {name: media == set(MEDIA) for name, media in sorted(found.items())}

    def _is_here(self, name: str) -> bool:
        return name in versions.list_names(self._indexes)

    def _switch(self, name: str, before: str | None) -> None:
        collection = name_collection(self._engine.prefix, name, "movies")
        if before is None:
            self._loader.make_alias(collection, self._engine.prefix)
        elif before != name:
            self._call("alter_alias", collection, self._engine.prefix)
        if self.served() != name:
            raise EngineMismatch(
                f"Milvus took the change of the alias {self._engine.prefix} without making it"
            )
