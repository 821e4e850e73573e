"""Opening a source table, whatever its format, and saying clearly why it cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from indexer.catalogue.column_map import say_columns
from indexer.catalogue.csv_table import CsvTable
from indexer.catalogue.layout import Layout
from indexer.catalogue.parquet_table import ParquetTable
from indexer.errors import MissingColumn, UnreadableFile

Table = CsvTable | ParquetTable


def open_table(path: Path, layout: Layout, columns: Mapping[str, str] | None = None) -> Table:
    """Open a ``.csv``, ``.csv.gz`` or ``.parquet`` file and check its header against ``layout``.

    ``columns``: the layout's field → the file's column, where that has another name than the layout's. Columns that
    neither names are ignored. Raises ``UnreadableFile``, ``MissingColumn`` or, for an unknown field, ``ConfigError``.
    """
    columns = columns or {}
    if path.is_dir():
        raise UnreadableFile(f"{path}: is a folder, expected a .csv, .csv.gz or .parquet file")
    if not path.exists():
        raise UnreadableFile(f"{path}: no such file")
    name = path.name.lower()
    if not name.endswith((".csv", ".csv.gz", ".parquet")):
        raise UnreadableFile(f"{path}: unknown type, expected a name ending in .csv, .csv.gz or .parquet")
    if path.stat().st_size == 0:
        raise UnreadableFile(f"{path}: the file is empty")
    table: Table
    table = (ParquetTable if name.endswith(".parquet") else CsvTable)(path, layout, columns)
    missing = [column for column in layout.required if column not in table.places]
    if missing:
        message = f"{path}: no column {', '.join(missing)}; the {layout.name} layout needs {', '.join(layout.required)}"
        if layout.map_option:
            field = next(ours for ours, theirs in layout.fields.items() if theirs == missing[0])
            message += f" (build takes other names: {layout.map_option} {field}=COLUMN)"
        raise MissingColumn(message + say_columns(missing[0], table.columns))
    used = {table.columns[at] for at in table.places.values()}
    twice = sorted(column for column in used if table.columns.count(column) > 1)
    if twice:
        raise UnreadableFile(f"{path}: the header names {', '.join(twice)} more than once")
    return table
