"""Columns of a catalogue's table, read alike from a pandas table and from plain lists: a server has no pandas.

A table is anything that gives its columns by name. In plain lists an unknown cell is None and a multi-valued
one is joined by ``SEPARATOR``, as in a catalogue's table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import MOVIE_COLUMNS, SEPARATOR, TRACK_COLUMNS, Movie, Track

#: A pandas table, or a mapping of names to lists.
Table = Any


def read_texts(table: Table, name: str) -> list[str]:
    """Cells of a column as text, empty where unknown."""
    return [cell if isinstance(cell, str) else "" for cell in table[name]]


def read_numbers(table: Table, name: str) -> npt.NDArray[np.float64]:
    """Numbers (n,) of a column, NaN where unknown."""
    column = table[name]
    if hasattr(column, "to_numpy"):
        numbers: npt.NDArray[np.float64] = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return numbers
    return np.array([np.nan if cell is None else float(cell) for cell in column], dtype=np.float64)


def tabulate_tracks(tracks: Iterable[Track]) -> dict[str, list[Any]]:
    """A table of plain lists with ``TRACK_COLUMNS``."""
    return _tabulate(list(tracks), tuple(TRACK_COLUMNS))


def tabulate_movies(movies: Iterable[Movie]) -> dict[str, list[Any]]:
    """A table of plain lists with ``MOVIE_COLUMNS``."""
    return _tabulate(list(movies), tuple(MOVIE_COLUMNS))


def _tabulate(records: Sequence[Movie | Track], names: Iterable[str]) -> dict[str, list[Any]]:
    return {name: [_cell(getattr(record, name)) for record in records] for name in names}


def _cell(value: Any) -> Any:
    if isinstance(value, tuple):
        return SEPARATOR.join(value) or None
    return value if value != "" else None
