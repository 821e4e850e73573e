"""Which column of a file fills which column of a layout: by the layout's own names, or as a user says."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from indexer.catalogue.layout import Layout
from indexer.errors import ConfigError, MissingColumn

_SHOWN_COLUMNS = 30


def read_column_map(texts: Iterable[str], layout: Layout) -> dict[str, str]:
    """Read ``field=column,field=column`` into field → column; a column with a comma in it is written in quotes.

    Raises ``ConfigError`` for anything else, a field that ``layout`` does not have, and a field named twice.
    """
    columns: dict[str, str] = {}
    for text in texts:
        try:
            parts = next(csv.reader([text], strict=True), [])
        except csv.Error as error:
            raise ConfigError(f"{text!r} is no list of field=column: {error}") from error
        for part in parts:
            field, equals, column = (side.strip() for side in part.partition("="))
            if not equals or not field or not column:
                raise ConfigError(f"{part!r} should be field=column, as in title=name,overview=plot")
            if field in columns:
                raise ConfigError(f"the field {field} is given twice: {columns[field]} and {column}")
            columns[field] = column
    check_fields(columns, layout)
    return columns


def check_fields(columns: Mapping[str, str], layout: Layout) -> None:
    """Raise ``ConfigError`` for a field that a layout does not have; the message lists those it has."""
    for field in columns:
        if field not in layout.fields:
            raise ConfigError(
                f"there is no field {field!r} of {layout.source}{_near(field, layout.fields)}; "
                f"known are {', '.join(layout.fields)}"
            )


def place_columns(
    header: Sequence[str], layout: Layout, columns: Mapping[str, str], path: Path
) -> dict[str, int]:
    """The layout's columns that a file has → their places in its header, those that ``columns`` names first.

    Raises ``ConfigError`` for an unknown field and ``MissingColumn`` for a named column that is not there.
    """
    check_fields(columns, layout)
    places = {name: header.index(name) for name in layout.columns if name in header}
    for field, column in columns.items():
        if column not in header:
            raise MissingColumn(f"{path}: no column {column!r} for {field}{say_columns(column, header)}")
        places[layout.fields[field]] = header.index(column)
    return {name: places[name] for name in layout.columns if name in places}


def say_columns(wanted: str, header: Sequence[str]) -> str:
    """A few words on what a file has instead: names like the one wanted, and the first of all."""
    rest = "" if len(header) <= _SHOWN_COLUMNS else f" and {len(header) - _SHOWN_COLUMNS} more"
    return f"{_near(wanted, header)}; the file has {', '.join(header[:_SHOWN_COLUMNS])}{rest}"


def _near(wanted: str, names: Iterable[str]) -> str:
    """Names that may be meant, in brackets; "" for none."""
    folded = {name.casefold(): name for name in names if name}
    near = get_close_matches(wanted.casefold(), folded, n=3, cutoff=0.6)
    return f" ({' or '.join(folded[name] for name in near)}?)" if near else ""
