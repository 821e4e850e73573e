"""People's own tags of films, which teach the film text what people mean by their words."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from indexer.catalogue.movielens import read_header, read_links, read_parts
from indexer.errors import MissingColumn

_COLUMNS = ("tmdb_id", "tag")


def read_film_tags(path: Path, movies: pd.DataFrame) -> list[tuple[int, str]]:
    """Read (film row, tag) of a CSV file with columns ``tmdb_id`` and ``tag``; films not in ``movies`` are left out.

    A file in MovieLens' layout (``movieId`` and ``tag``) is read through the ``links.csv`` beside it: a line is one
    person's tag there, so each film has a tag once, in lower case. Raises ``UnreadableFile`` or ``MissingColumn``.
    """
    place = {str(id): row for row, id in enumerate(movies["id"])}
    header = read_header(path)
    if "movieId" in header and "tmdb_id" not in header:
        return _read_movielens(path, header, place)
    for column in _COLUMNS:
        if column not in header:
            raise MissingColumn(f"{path}: there is no column {column!r}")
    return [
        (place[id], tag)
        for part in read_parts(path, dict.fromkeys(_COLUMNS, str), as_written=True)
        for id, tag in zip(part["tmdb_id"], part["tag"], strict=True)
        if tag and id in place
    ]


def _read_movielens(path: Path, header: list[str], place: dict[str, int]) -> list[tuple[int, str]]:
    if "tag" not in header:
        raise MissingColumn(f"{path}: there is no column 'tag'")
    links = read_links(path.parent, place, "tags by movieId")
    # Distinct pairs in the order of the file: many people say the same of a film.
    said: dict[tuple[int, str], None] = {}
    for part in read_parts(path, {"movieId": str, "tag": str}, as_written=True):
        for film, tag in zip(part["movieId"], part["tag"], strict=True):
            if film in links and (words := " ".join(tag.split()).lower()):
                said[place[links[film]], words] = None
    return list(said)
