"""The system's page cache: emptied before a cold start, and how much of some files is in it."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterable
from pathlib import Path

_DROP = Path("/proc/sys/vm/drop_caches")


def drop() -> bool:
    """Empty the page cache of the whole machine; False where that is not allowed."""
    os.sync()
    try:
        _DROP.write_text("1\n", encoding="ascii")
    except OSError:
        return False
    return True


def cached_share(files: Iterable[Path]) -> float:
    """The share of the files' pages that are in memory. OSError where a file cannot be mapped."""
    pages = cached = 0
    library = ctypes.CDLL(None, use_errno=True)
    for path in files:
        size = path.stat().st_size
        if not size:
            continue
        # Written to by nobody; ctypes takes an address from writable memory only, hence a private copy on write.
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_COPY) as mapped:
            count = -(-size // mmap.PAGESIZE)
            seen = (ctypes.c_ubyte * count)()
            place = ctypes.c_char.from_buffer(mapped)
            failed = library.mincore(ctypes.byref(place), ctypes.c_size_t(size), seen)
            del place  # a mapping with a pointer into it cannot be closed
            if failed:
                raise OSError(ctypes.get_errno(), f"mincore failed for {path.name}")
            pages += count
            cached += sum(entry & 1 for entry in seen)
    return cached / pages if pages else 1.0
