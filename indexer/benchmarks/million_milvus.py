"""The same million on Milvus: loading a version, the memory of its server, and searches beside an exact scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from indexer.benchmarks.million_index import search_trial
from indexer.benchmarks.million_stages import Clock, Million, ask, compare
from indexer.catalogue.records import Medium
from indexer.errors import UnreadableFile
from indexer.milvus.params import MilvusParams
from indexer.milvus.variables import make_engine
from indexer.space import MEDIA
from indexer.vector_index import Allowed

_PROCESSES = Path("/proc")
#: Searches before any is timed; the memory is the server's, so none are needed to tell it.
_WARM_SEARCHES = 20


def read_token(path: Path | None) -> str:
    """The token in a file, empty without one; never given on a command line, which others can read."""
    try:
        return path.read_text(encoding="utf-8").strip() if path is not None else ""
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror}") from error


def publish(indexes: Path, name: str, params: MilvusParams, kind: str, group: int | None) -> dict[str, Any]:
    """Load a version into collections, and serve it there; the caller holds the folder's lock.

    ``group``: process group of the server, whose memory is told afterwards.
    """
    from indexer.milvus.publishing import Publisher  # loads pymilvus

    clock, engine = Clock(), make_engine(params)
    stages: dict[str, int] = {}
    with clock.part("publish"):
        Publisher(engine, indexes, lambda stage, done, _: stages.update({stage: done})).publish(
            name, kind, force=True
        )
    held = {medium: engine.held(name, medium) for medium in MEDIA}
    engine.close()
    return {
        "seconds": clock.seconds,
        "rows": {medium: held[medium].rows for medium in MEDIA},
        "index": {medium: str(held[medium].index) for medium in MEDIA},
        "loaded": stages,
        "server_bytes": group_bytes(group) if group is not None else 0,
    }


def search(
    million: Million, indexes: Path, name: str, params: MilvusParams, medium: Medium, group: int | None
) -> dict[str, Any]:
    """Search one medium's collection by one client, with the questions that other indexes were asked."""
    engine = make_engine(params)
    version = engine.open_version(indexes, name)
    asked = ask(million, medium, version.filters[medium])
    allowed = [
        None if mask is None else Allowed(mask, case.filters)
        for mask, case in zip(asked.masks, asked.cases, strict=True)
    ]
    searched = search_trial(
        lambda: version.indexes[medium], asked.queries, allowed, asked.cases, _WARM_SEARCHES
    )
    version.close()
    engine.close()
    # What this process grew by says nothing of an engine elsewhere.
    return {
        **compare(million, medium, asked, searched | {"memory": {}}),
        "server_bytes": group_bytes(group) if group is not None else 0,
    }


def drop(indexes: Path, name: str, params: MilvusParams) -> dict[str, Any]:
    """Remove the alias and the collections of a version."""
    from indexer.milvus.collections import name_collection  # loads pymilvus

    clock, engine = Clock(), make_engine(params)
    with clock.part("drop"):
        if engine.current_name(indexes) == name:
            engine.connection.call("drop_alias", engine.prefix)
        for medium in MEDIA:
            engine.connection.call("drop_collection", name_collection(engine.prefix, name, medium))
    engine.close()
    return {"seconds": clock.seconds}


def group_bytes(group: int) -> int:
    """Bytes that the processes of a group have in memory, a page shared by several counted in parts (PSS)."""
    total = 0
    for stat in _PROCESSES.glob("[0-9]*/stat"):
        try:
            # The name, in brackets, may hold anything; state, parent and group follow it.
            fields = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            if int(fields[2]) != group:
                continue
            lines = (stat.parent / "smaps_rollup").read_text(encoding="ascii").splitlines()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # ended meanwhile, or another's
        total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total
