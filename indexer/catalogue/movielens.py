"""Tables in MovieLens' layout: long files read part by part, and which of its films is which of TMDb's.

The layout is GroupLens' (the README of each MovieLens data set): ``userId,movieId,tag,timestamp``,
``userId,movieId,rating,timestamp`` and ``movieId,imdbId,tmdbId``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.errors import MissingColumn, UnreadableFile

if TYPE_CHECKING:
    import pandas as pd

#: The file beside the others that says which film of TMDb a film is.
LINKS = "links.csv"

_CHUNK_ROWS = 1_000_000


def read_header(path: Path) -> list[str]:
    """Names of a CSV file's columns. Raises ``UnreadableFile``."""
    import pandas as pd

    try:
        return [str(name) for name in pd.read_csv(path, nrows=0, index_col=False).columns]
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{path}: cannot be read as CSV: {error}") from error


def read_parts(path: Path, kinds: Mapping[str, Any], *, as_written: bool = False) -> Iterator[pd.DataFrame]:
    """The columns named in ``kinds`` with their dtypes, a million rows at a time. Raises ``UnreadableFile``.

    With ``as_written`` a cell that says "NA" is that word, an empty one is "", and a line with too many cells is an
    error; all columns are read for that.
    """
    import pandas as pd

    try:
        with pd.read_csv(
            path,
            usecols=None if as_written else list(kinds),
            dtype=dict(kinds),
            chunksize=_CHUNK_ROWS,
            index_col=False,
            keep_default_na=not as_written,
        ) as parts:
            yield from parts
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{path}: cannot be read as CSV: {error}") from error


def read_links(folder: Path, known: Collection[str], why: str) -> dict[str, str]:
    """MovieLens' film id → TMDb id, for those that are ``known``; ``why`` begins what is said where there are none.

    Raises ``UnreadableFile`` or ``MissingColumn``.
    """
    path = folder / LINKS
    if not path.is_file():
        raise UnreadableFile(f"{path} is missing: {why} need MovieLens' {LINKS} beside them")
    header = read_header(path)
    for column in ("movieId", "tmdbId"):
        if column not in header:
            raise MissingColumn(f"{path} has no column {column}")
    return {
        film: movie
        for part in read_parts(path, {"movieId": str, "tmdbId": str})
        for film, movie in zip(part["movieId"], part["tmdbId"], strict=True)
        if movie in known
    }
