"""Reading back what methods wrote: arrays and JSON, of which anything unreadable is a damaged version."""

from __future__ import annotations

import json
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.errors import VersionDamaged

#: What NumPy and the JSON reader raise on altered bytes. NumPy lets the last four through from an array's header.
_UNREADABLE = (OSError, EOFError, ValueError, RecursionError, MemoryError, SyntaxError, TokenError, TypeError)


def read_array(path: Path, dtype: Any, dimensions: int, mapped: bool = False) -> npt.NDArray[Any]:
    """Read one .npy of this dtype and number of dimensions, ``mapped`` into memory or copied.

    Raises ``VersionDamaged`` naming the file.
    """
    try:
        array = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except _UNREADABLE as error:
        raise VersionDamaged(f"{path.parent.name}/{path.name} cannot be read: {error}") from error
    # What np.load makes of a file of another kind (an archive of arrays) has no dtype.
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != dimensions:
        raise VersionDamaged(f"{path.parent.name}/{path.name} is not the kind of array that was written")
    return array


def read_plain(path: Path) -> dict[str, Any]:
    """Read one .json that holds an object; raises ``VersionDamaged`` naming the file."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except _UNREADABLE as error:
        raise VersionDamaged(f"{path.parent.name}/{path.name} cannot be read: {error}") from error
    if not isinstance(plain, dict):
        raise VersionDamaged(f"{path.parent.name}/{path.name} is not what was written")
    return plain
