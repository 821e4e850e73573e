"""Parquet files read batch by batch, handed on as text so that the cleaning rules see one format only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from indexer.catalogue.chunk import CHUNK_ROWS, LINE, ROW, Chunk, Fault, show
from indexer.catalogue.column_map import place_columns
from indexer.catalogue.layout import Layout
from indexer.errors import UnreadableFile


class ParquetTable:
    """A ``.parquet`` file whose columns hold text, numbers, booleans or dates; ``places`` as in ``CsvTable``."""

    def __init__(self, path: Path, layout: Layout, columns: Mapping[str, str]) -> None:
        self.path = path
        self._layout = layout
        try:
            with pq.ParquetFile(path) as file:
                self.columns: list[str] = list(file.schema_arrow.names)
        except (pa.ArrowException, OSError) as error:
            raise UnreadableFile(f"{path}: not a Parquet file ({_first_line(error)})") from error
        self.places = place_columns(self.columns, layout, columns, path)

    def chunks(self, chunk_rows: int = CHUNK_ROWS) -> Iterator[Chunk]:
        """Yield the rows in order, ``chunk_rows`` at a time, cells as text. Raises ``UnreadableFile``."""
        wanted = {name: self.columns[at] for name, at in self.places.items()}
        done = 0
        try:
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(batch_size=chunk_rows, columns=sorted(set(wanted.values()))):
                    yield self._make_chunk(batch, wanted, done)
                    done += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise UnreadableFile(f"{self.path}: cannot be read to its end ({_first_line(error)})") from error

    def _make_chunk(self, batch: pa.RecordBatch, wanted: Mapping[str, str], done: int) -> Chunk:
        rows = batch.num_rows
        cells: dict[str, pd.Series[str]] = {}
        bad_cells: list[tuple[str, str, np.ndarray]] = []
        for name, theirs in wanted.items():
            text, undecodable = _text_column(batch.column(theirs), f"{self.path}: column {theirs}")
            cells[name] = text
            bad_cells.append(("nul_bytes", name, text.str.contains("\0", regex=False).to_numpy(dtype=bool)))
            bad_cells.append(("undecodable_bytes", name, undecodable))
        frame = pd.DataFrame(cells)
        frame[ROW] = np.arange(done + 1, done + rows + 1, dtype=np.float64)
        frame[LINE] = np.nan
        faults: dict[int, Fault] = {}
        for rule, name, mask in sorted(bad_cells, key=lambda bad: bad[0] != "nul_bytes"):
            for at in map(int, np.flatnonzero(mask)):
                item_id = show(str(frame.at[at, self._layout.id_column]))
                title = show(str(frame.at[at, self._layout.title_column])) if self._has_title else None
                value = show(str(frame.at[at, name]))
                faults.setdefault(at, Fault(rule, done + at + 1, None, item_id, title, value))
        kept = frame.drop(index=list(faults)).reset_index(drop=True)
        return Chunk(kept, [faults[at] for at in sorted(faults)])

    @property
    def _has_title(self) -> bool:
        return self._layout.title_column in self.places


def _text_column(column: pa.Array, where: str) -> tuple[pd.Series[str], np.ndarray]:
    """Cells as text with "" for null, and a mask of those whose bytes are no UTF-8 (shown escaped)."""
    undecodable = np.zeros(len(column), dtype=bool)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        # pandas writes a missing number as NaN.
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        values = column.to_numpy(zero_copy_only=False).astype(np.float64)
        if np.all(np.isnan(values) | ((np.abs(values) < 2**53) & (values == np.trunc(values)))):
            # As whole numbers, since ids must not turn into 1.152156e+06.
            column = pc.cast(column, pa.int64())
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            column, undecodable = _escape(pc.cast(column, pa.large_binary()))
    try:
        text = pc.fill_null(pc.cast(column, pa.large_string()), "")
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        raise UnreadableFile(f"{where} holds {column.type}; expected text, numbers or dates") from error
    return pd.Series(text.to_pandas(), dtype="str"), undecodable


def _escape(column: pa.Array) -> tuple[pa.Array, np.ndarray]:
    texts: list[str | None] = []
    undecodable = np.zeros(len(column), dtype=bool)
    for at, cell in enumerate(column.to_pylist()):
        if cell is None:
            texts.append(None)
            continue
        try:
            texts.append(cell.decode())
        except UnicodeDecodeError:
            texts.append(cell.decode("utf-8", "backslashreplace"))
            undecodable[at] = True
    return pa.array(texts, pa.large_string()), undecodable


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
