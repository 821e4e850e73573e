"""A stretch of a source table: cells as text, where they came from, and the rows that could not be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

#: Rows held as Python objects at a time; bounds memory, and is large enough for vectorised work to pay.
CHUNK_ROWS = 50_000

#: Working columns beside the data: 1-based data row, and file line (NaN where a format has no lines).
ROW, LINE = "_row", "_line"

_SHOWN_CHARS = 80


@dataclass(frozen=True, slots=True)
class Fault:
    """A row dropped while reading: which rule, where, and what was wrong."""

    rule: str
    row: int
    line: int | None
    id: str | None
    title: str | None
    value: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """``frame``: columns as text ("" for no value) with ``ROW`` and ``LINE``; ``faults``: rows lost."""

    frame: pd.DataFrame
    faults: list[Fault]

    @property
    def rows_read(self) -> int:
        """Rows of the file that this chunk accounts for."""
        return len(self.frame) + len(self.faults)


def make_chunk(
    columns: Sequence[str],
    rows: Sequence[tuple[str, ...]],
    numbers: Sequence[tuple[int, int]],
    faults: list[Fault],
) -> Chunk:
    """Turn parsed rows (tuples at least as long as ``columns``) into a chunk."""
    cells = list(zip(*rows, strict=True)) if rows else [()] * (len(columns) + 1)
    frame = pd.DataFrame({name: pd.Series(cells[at], dtype="str") for at, name in enumerate(columns)})
    places = np.asarray(numbers, dtype=np.float64).reshape(-1, 2)
    frame[ROW] = places[:, 0]
    frame[LINE] = places[:, 1]
    return Chunk(frame, faults)


def show(text: str) -> str:
    """Shorten a cell or line for a report; bytes that are no text and control characters become visible."""
    flat = " ".join(text.replace("\0", "\\0").split())
    if len(flat) > _SHOWN_CHARS:
        flat = flat[: _SHOWN_CHARS - 1] + "…"
    return flat.encode("utf-8", "backslashreplace").decode("utf-8")
