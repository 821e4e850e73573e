"""The commands that change a folder of versions, what each needs beforehand, and a look at what one left."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer import index_folder
from indexer import index_version as versions
from indexer.__main__ import main
from server.search import Query, Search
from tests.faults.small_index import SmallIndex

_NEWER = "newer"


@dataclass(frozen=True)
class Command:
    """``prepare`` readies a fresh copy and names the versions it added; ``run`` gives the exit code."""

    prepare: Callable[[Path], list[str]]
    run: Callable[[SmallIndex, Path], int]


def _nothing(_indexes: Path) -> list[str]:
    return []


def link_twin(indexes: Path, name: str, target: Path | None = None) -> str:
    """Put hard links of the served version into ``target`` (default: the same folder) under a name, returned.

    Copies where links cannot be made, as between disks.
    """
    served = indexes / index_folder.current_name(indexes)
    shutil.copytree(served, (target or indexes) / name, copy_function=_link)
    return name


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def _add_newer(indexes: Path) -> list[str]:
    return [link_twin(indexes, _NEWER)]


def _serve_newer(indexes: Path) -> list[str]:
    """Names the served one first."""
    old = index_folder.current_name(indexes)
    added = _add_newer(indexes)
    (indexes / "HISTORY").write_text(f"{old}\n", encoding="utf-8")
    (indexes / "CURRENT").write_text(f"{_NEWER}\n", encoding="utf-8")
    return [*added, old]


def _command(*words: str) -> Callable[[SmallIndex, Path], int]:
    return lambda _small, indexes: main([*words, "--indexes", str(indexes)])


COMMANDS = {
    "build": Command(_nothing, lambda small, indexes: main(small.arguments(indexes))),
    "publish": Command(_add_newer, _command("publish", _NEWER)),
    "rollback": Command(_serve_newer, _command("rollback")),
    "prune": Command(_serve_newer, _command("prune", "--keep", "0")),
}


def inspect(indexes: Path) -> dict[str, Any]:
    """Open every version there is, search the served one, take the lock; says what else lies in the folder."""
    names = versions.list_names(indexes)
    for name in names:
        versions.open_version(indexes, name).close()
    served = index_folder.current_name(indexes)
    search = Search.open(indexes)
    found = search.find(Query("tracks", text="rain"))
    if not found.hits or found.index_version != served:
        raise AssertionError(f"{served} finds nothing")
    search.close()
    with index_folder.lock(indexes):
        pass
    expected = {*names, "CURRENT", "HISTORY", ".lock", "reports"}
    return {
        "names": names,
        "served": served,
        "leftovers": sorted(path.name for path in indexes.iterdir() if path.name not in expected),
    }


def in_memory() -> Path | None:
    """A file system in memory, where there is one: what a killed process wrote is as safe there as anywhere."""
    place = Path("/dev/shm")
    return place if place.is_dir() and os.access(place, os.W_OK) else None
