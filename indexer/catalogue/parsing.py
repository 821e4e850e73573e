"""Filling typed columns from a chunk, the part that both layouts share."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from indexer.catalogue.cells import Bounds, flag_cells, impossible, number_cells, year_cells
from indexer.catalogue.chunk import Chunk
from indexer.catalogue.cleaning import Draft
from indexer.catalogue.layout import Layout

#: The first films are from the 1870s.
YEARS = Bounds(1870, 2100, whole=True)


def source_cells(chunk: Chunk, column: str) -> pd.Series[str]:
    """A source column's cells, or "" throughout where the file has no such column."""
    if column in chunk.frame:
        cells: pd.Series[str] = chunk.frame[column]
        return cells
    return pd.Series([""], dtype="str").repeat(len(chunk.frame)).set_axis(chunk.frame.index)


def fill_number(draft: Draft, column: str, cells: pd.Series[str], bounds: Bounds) -> None:
    """Set ``column`` to float64, NaN where empty, of the wrong type, impossible or 0 for unknown."""
    values, wrong = number_cells(cells)
    _fill(draft, column, cells, values, wrong, bounds)
    if bounds.zero_unknown:
        draft.blank("zero_is_unknown", column, (values == 0).to_numpy(dtype=bool), cells)


def fill_year(draft: Draft, column: str, cells: pd.Series[str]) -> None:
    """Set ``column`` to the year of dates or years (float64), NaN where there is none or it is impossible."""
    values, wrong = year_cells(cells)
    _fill(draft, column, cells, values, wrong, YEARS)


def fill_flag(draft: Draft, column: str, cells: pd.Series[str]) -> None:
    """Set ``column`` to 1.0, 0.0 or NaN."""
    values, wrong = flag_cells(cells)
    draft.rows[column] = values
    draft.blank("wrong_type", column, wrong, cells)


def absent_columns(layout: Layout, present: Collection[str]) -> list[str]:
    """Our columns for which a file has no source."""
    return [ours for theirs, fills in layout.columns.items() if theirs not in present for ours in fills]


def join_parts(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """The parts' rows under each other, with a fresh index; the parts are used up, column by column.

    So no more than one column is in memory twice, and each column of text is one piece of memory in the end.
    """
    columns: dict[str, pd.Series[Any]] = {}
    for name in list(parts[0].columns):
        joined = pd.concat([part.pop(name) for part in parts], ignore_index=True)
        if joined.dtype == "str":
            pieces = pa.array(joined)
            if isinstance(pieces, pa.ChunkedArray):
                joined = pd.Series(pieces.combine_chunks(), dtype="str")
        columns[str(name)] = joined
    parts.clear()
    return pd.DataFrame(columns)


def finish_table(table: pd.DataFrame, kinds: dict[str, str]) -> pd.DataFrame:
    """Exactly the columns of ``kinds``, in order, with a fresh index: text as str, the rest as float64."""
    dtypes = {name: "str" if kind in ("text", "many") else "float64" for name, kind in kinds.items()}
    return table.reindex(columns=list(kinds)).astype(dtypes).reset_index(drop=True)


def _fill(
    draft: Draft,
    column: str,
    cells: pd.Series[str],
    values: pd.Series[float],
    wrong: np.ndarray,
    bounds: Bounds,
) -> None:
    draft.rows[column] = values
    draft.blank("wrong_type", column, wrong, cells)
    draft.blank("impossible_number", column, impossible(values, cells, bounds), cells)
