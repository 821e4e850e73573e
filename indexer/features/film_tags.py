"""People's own tags of films, which teach the film text what people mean by their words."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from indexer.errors import MissingColumn, UnreadableFile

_COLUMNS = ("tmdb_id", "tag")


def read_film_tags(path: Path, movies: pd.DataFrame) -> list[tuple[int, str]]:
    """Read (film row, tag) of a CSV file with columns ``tmdb_id`` and ``tag``; films not in ``movies`` are left out.

    Raises ``UnreadableFile`` or ``MissingColumn``.
    """
    try:
        table = pd.read_csv(path, dtype="str", keep_default_na=False, index_col=False)
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{path}: cannot be read as CSV: {error}") from error
    for column in _COLUMNS:
        if column not in table.columns:
            raise MissingColumn(f"{path}: there is no column {column!r}")
    place = {str(id): row for row, id in enumerate(movies["id"])}
    return [
        (place[id], tag)
        for id, tag in zip(table["tmdb_id"], table["tag"], strict=True)
        if tag and id in place
    ]
