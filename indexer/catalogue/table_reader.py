"""Opening a source table, whatever its format, and saying clearly why it cannot be used."""

from __future__ import annotations

from pathlib import Path

from indexer.catalogue.csv_table import CsvTable
from indexer.catalogue.layout import Layout
from indexer.catalogue.parquet_table import ParquetTable
from indexer.errors import MissingColumn, UnreadableFile

Table = CsvTable | ParquetTable


def open_table(path: Path, layout: Layout) -> Table:
    """Open a ``.csv``, ``.csv.gz`` or ``.parquet`` file and check its header against ``layout``.

    Columns that the layout does not name are ignored. Raises ``UnreadableFile`` or ``MissingColumn``.
    """
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
    table = ParquetTable(path, layout) if name.endswith(".parquet") else CsvTable(path, layout)
    missing = ", ".join(column for column in layout.required if column not in table.columns)
    if missing:
        needed = ", ".join(layout.required)
        raise MissingColumn(f"{path}: no column {missing}; the {layout.name} layout needs {needed}")
    twice = sorted(column for column in layout.columns if table.columns.count(column) > 1)
    if twice:
        raise UnreadableFile(f"{path}: the header names {', '.join(twice)} more than once")
    return table
