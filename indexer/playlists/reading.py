"""A playlist of any layout, told by its content, read into entries."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator

from indexer.errors import BadPlaylist
from indexer.playlists.entries import Entry
from indexer.playlists.lines import list_readings, read_line, tidy
from indexer.playlists.m3u import is_m3u, read_m3u
from indexer.playlists.tables import find_delimiter, read_table

#: Songs in one playlist. Each takes some milliseconds to find.
MAX_LINES = 1_000
#: A playlist as a whole, in characters: that many lines of Exportify's, twice over.
MAX_PLAYLIST = 1_000_000

_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NO_TEXT = "it is not text but a binary file; give lines, CSV or M3U"


def decode(data: bytes) -> str:
    """The text of a file: UTF-8, UTF-16 with its mark, or else Windows' western letters (1252).

    BadPlaylist for what is no text.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        try:
            text = data.decode("cp1252")
        except UnicodeDecodeError as error:
            raise BadPlaylist(_NO_TEXT) from error
    _check_text(text)
    return text


def read_playlist(text: str) -> list[Entry]:
    """The entries of a playlist in their order; empty lines and comments are left out, nothing else is.

    BadPlaylist where it is too long, is no text, or holds no song.
    """
    if len(text) > MAX_PLAYLIST:
        raise BadPlaylist(f"it has {len(text):,} characters; at most {MAX_PLAYLIST:,} are read at a time")
    _check_text(text)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    entries: list[Entry] = []
    for entry in _read(text):
        if len(entries) == MAX_LINES:
            raise BadPlaylist(f"it has more than {MAX_LINES:,} songs; split it")
        entries.append(entry)
    if not entries:
        raise BadPlaylist("there is no song in it: give lines like “artist – title”, CSV or M3U")
    return entries


def _check_text(text: str) -> None:
    if _CONTROL.search(text) or text.startswith("%PDF-"):
        raise BadPlaylist(_NO_TEXT)


def _read(text: str) -> Iterator[Entry]:
    if is_m3u(text):
        return read_m3u(text)
    delimiter = find_delimiter(text)
    return read_table(text, delimiter) if delimiter else _read_lines(text)


def _read_lines(text: str) -> Iterator[Entry]:
    for number, raw in enumerate(text.split("\n"), start=1):
        line = tidy(raw)
        if not line or _is_comment(line):
            continue
        yield read_line(number, _join_cells(line))


def _is_comment(line: str) -> bool:
    if line.startswith("#"):
        # "#41 - Dave Matthews Band" is a song; what has nothing between artist and title is not.
        return line[1:2] in ("#", " ", "!") or len(list_readings(line)) == 1
    # Neither is a rule of dashes or an ornament.
    return line.startswith(("//", "; ")) or not any(char.isalnum() for char in line)


def _join_cells(line: str) -> str:
    """A line of a table without header, whose cells are quoted, with tabs between them."""
    if not (line.startswith('"') and ('","' in line or '";"' in line)):
        return line
    delimiter = "," if '","' in line else ";"
    try:
        return "\t".join(next(csv.reader([line], delimiter=delimiter)))
    except csv.Error:
        return line
