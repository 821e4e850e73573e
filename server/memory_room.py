"""How much memory this process may still take, where that is limited, and how much an index version needs."""

from __future__ import annotations

import resource
from pathlib import Path

from indexer.index_version import TEXT_KEYS, TEXTS

#: For requests meanwhile, thread stacks, and what libraries take while they open files.
_SPARE_BYTES = 256 * 2**20
#: Files of a version that only the next build reads.
_UNOPENED = (TEXTS, TEXT_KEYS)


def check_room(folder: Path) -> None:
    """Raise ``MemoryError`` where the limit on this process's memory has no room for the version in ``folder``.

    Asked before anything is opened: a library that runs into the limit half-way may take the process with it.
    OSError where the folder cannot be read.
    """
    room = find_room_bytes()
    needed = count_needed_bytes(folder)
    if room is not None and room < needed:
        raise MemoryError(
            f"{folder.name} needs {needed >> 20} MiB, the limit leaves {room >> 20} MiB of address space"
        )


def find_room_bytes() -> int | None:
    """Address space (RLIMIT_AS) that this process may still take, None where it is not limited.

    Files that are mapped count towards it as much as memory that is allocated.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return max(limit - pages * resource.getpagesize(), 0)


def count_needed_bytes(folder: Path) -> int:
    """Address space that opening a version takes: its files, mapped or read, and some to spare."""
    files = (path for path in folder.rglob("*") if path.name not in _UNOPENED and path.is_file())
    return sum(path.stat().st_size for path in files) + _SPARE_BYTES
