"""Playlists as tables: CSV as Exportify and its like write it, told by the names of its columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from indexer.errors import BadPlaylist
from indexer.playlists.entries import Entry, Reading, shorten
from indexer.playlists.lines import read_line, tidy

#: Names of columns, as compared: small letters and digits only. The first that is there counts.
_TITLES = ("trackname", "tracktitle", "songtitle", "songname", "title", "song", "track", "name")
_ARTISTS = (
    "artistnames",
    "artistname",
    "trackartist",
    "artists",
    "artist",
    "performer",
    "creator",
    "band",
)
_IDS = ("trackuri", "spotifyuri", "spotifytrackid", "trackid", "spotifyid", "trackurl", "uri", "url", "id")
_DELIMITERS = ",;\t|"


def find_delimiter(text: str) -> str:
    """The character between the columns of a table with a header that names a title or a link; empty for no table."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    for delimiter in _DELIMITERS:
        names = _compare_names(next(csv.reader([header], delimiter=delimiter), []))
        title, artist, id = (_find(names, wanted) for wanted in (_TITLES, _ARTISTS, _IDS))
        if len(names) > 1 and (id is not None or None not in (title, artist)):
            return delimiter
    return ""


def read_table(text: str, delimiter: str) -> Iterator[Entry]:
    """The entries of a table. BadPlaylist where it cannot be read as one."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    title = artist = id = None
    line = 1
    try:
        for cells in rows:
            first, line = line, rows.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if title is None and id is None:
                names = _compare_names(cells)
                title, artist, id = (_find(names, wanted) for wanted in (_TITLES, _ARTISTS, _IDS))
                continue
            yield _read_row(first, _cell(cells, title), _cell(cells, artist), _cell(cells, id), cells)
    except csv.Error as error:
        raise BadPlaylist(f"line {line} cannot be read as a table: {error}") from error


def _read_row(line: int, title: str, artist: str, link: str, cells: list[str]) -> Entry:
    given = read_line(line, link) if link else None
    id = "" if given is None else given.id or link
    if title and artist:
        # Exportify separates artists by commas or semicolons; resolving takes either apart.
        return Entry(line, shorten(f"{artist} – {title}"), f"{title} {artist}", (Reading(title, artist),), id)
    if title or artist:
        named = read_line(line, title or artist)
        return Entry(line, named.text, named.words, named.readings, id or named.id)
    if id:
        return Entry(line, shorten(link), id=id)
    return Entry(line, shorten(", ".join(cell for cell in cells if cell.strip())))


def _cell(cells: list[str], place: int | None) -> str:
    return tidy(cells[place]) if place is not None and place < len(cells) else ""


def _compare_names(cells: list[str]) -> list[str]:
    return ["".join(char for char in cell.casefold() if char.isalnum()) for cell in cells]


def _find(names: list[str], wanted: tuple[str, ...]) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)
