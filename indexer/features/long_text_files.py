"""Long texts of the user's: a folder of files named by id, or a table with a column of texts.

Only UTF-8 is read. All files are looked at before the first is used, so that one run names all that are wrong.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.catalogue.records import Medium, split_cell
from indexer.errors import InputError, MissingColumn, UnreadableFile
from indexer.features.long_text import clean_lyrics

if TYPE_CHECKING:
    import pandas as pd

#: A long film script is some 400 kB; subtitles of a long film with their timings are half of that.
MOST_BYTES = 4_000_000

#: Kinds of files, the better one first where an item has several: subtitles lack who does what.
SUFFIXES = (".txt", ".lrc", ".srt", ".vtt")
_SUBTITLES = (".srt", ".vtt")
_TABLES = (".csv",)

#: Columns of a table, best first.
TEXT_COLUMNS: Mapping[Medium, tuple[str, ...]] = {
    "movies": ("script", "subtitles", "plot", "text"),
    "tracks": ("lyrics", "text"),
}
ID_COLUMNS: Mapping[Medium, tuple[str, ...]] = {
    "movies": ("tmdb_id", "imdb_id", "id"),
    "tracks": ("track_id", "id"),
}
_SHOWN = 5
_TAG = re.compile(r"<[/\w.:][^<>]{0,80}>")


@dataclass(frozen=True)
class _Place:
    """Where the text of a catalogue row stands: a file, or a line of the table (counted from 0)."""

    row: int
    file: Path
    line: int = -1


@dataclass(frozen=True)
class LongTexts:
    """Texts of a catalogue's items, read when they are asked for. ``rows``: whose they are, in the order of reading.

    ``counts``: what became of the files or lines: ``read``, ``used``, ``unmatched`` (no such item in the
    catalogue), ``empty``, ``repeated`` (the item has a better or an earlier one).
    """

    medium: Medium
    rows: tuple[int, ...]
    counts: Mapping[str, int]
    places: tuple[_Place, ...]
    column: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    def texts(self) -> Iterator[str]:
        """The texts in the order of ``rows``, one in memory at a time."""
        if not self.column:
            for place in self.places:
                yield _clean(_read_file(place.file), self.medium)
            return
        wanted = {place.line for place in self.places}
        for number, line in enumerate(_read_lines(self.places[0].file) if self.places else ()):
            if number in wanted:
                yield _clean(line[self.column], self.medium)


def find_texts(path: Path, medium: Medium, table: pd.DataFrame) -> LongTexts:
    """Find the texts of a catalogue's items in a folder or a .csv file.

    Files are named by id: a song's track id; a film's TMDb or IMDb id; .txt, .lrc, .srt or .vtt. A table has such
    an id and one of ``TEXT_COLUMNS``. Raises ``UnreadableFile`` naming what is too large, empty of text by
    its kind, or not UTF-8, ``MissingColumn``, and ``InputError`` for a folder without any such file.
    """
    ids = _ids(medium, table)
    if path.is_dir():
        return _find_files(path, medium, ids)
    if path.suffix.lower() not in _TABLES:
        raise UnreadableFile(f"{path} is neither a folder of texts nor a .csv file")
    return _find_lines(path, medium, ids)


def _ids(medium: Medium, table: pd.DataFrame) -> dict[str, int]:
    """Row by id, and by the item's other ids."""
    ids = {str(id): row for row, id in enumerate(table["id"].tolist())}
    for row, cell in enumerate(table["imdb_id" if medium == "movies" else "other_ids"].tolist()):
        for other in split_cell(cell):
            ids.setdefault(other, row)
    return ids


# --- folders -------------------------------------------------------------------------------------------------


def _find_files(folder: Path, medium: Medium, ids: Mapping[str, int]) -> LongTexts:
    files = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not files:
        raise InputError(f"{folder} holds no texts: files named by id, {', '.join(SUFFIXES)}")
    files.sort(key=lambda path: (SUFFIXES.index(path.suffix.lower()), path.name))
    counts = {"read": len(files), "used": 0, "unmatched": 0, "empty": 0, "repeated": 0}
    chosen: dict[int, _Place] = {}
    faults: list[str] = []
    for path in files:
        row = ids.get(path.stem)
        if row is None:
            counts["unmatched"] += 1
            continue
        try:
            text = _read_file(path)
        except UnreadableFile as error:
            faults.append(str(error))
            continue
        if not text.strip():
            counts["empty"] += 1
        elif row in chosen:
            counts["repeated"] += 1
        else:
            chosen[row] = _Place(row, path)
    if faults:
        raise UnreadableFile(_join_faults(faults))
    counts["used"] = len(chosen)
    places = tuple(chosen[row] for row in sorted(chosen))
    return LongTexts(medium, tuple(place.row for place in places), counts, places)


def _join_faults(faults: Sequence[str]) -> str:
    more = f"; and {len(faults) - _SHOWN:,} more" if len(faults) > _SHOWN else ""
    return "; ".join(faults[:_SHOWN]) + more


def _read_file(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise UnreadableFile(
                f"{path} has {size / 1e6:.1f} MB, more than the {MOST_BYTES / 1e6:.0f} MB that a text may have"
            )
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror}") from error
    text = _decode(content, str(path))
    return read_subtitles(text, str(path)) if path.suffix.lower() in _SUBTITLES else text


def _decode(content: bytes, name: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFile(
            f"{name} is not UTF-8 (byte {content[error.start]:#04x} at {error.start:,}): save it as UTF-8"
        ) from error
    if "\x00" in text:
        raise UnreadableFile(f"{name} is not a text: it holds zero bytes")
    return text


def read_subtitles(text: str, name: str) -> str:
    """What is spoken in .srt or .vtt subtitles, a line each: no numbers, timings, tags, styles or notes.

    Raises ``UnreadableFile`` naming the file where there are no subtitles in it.
    """
    if not text.strip():
        return ""
    try:
        import pysubs2
    except ImportError as error:
        raise UnreadableFile(f"{name}: reading subtitles needs pysubs2: pip install pysubs2") from error
    from html import unescape

    try:
        events = pysubs2.SSAFile.from_string(text)
    except (pysubs2.Pysubs2Error, ValueError, LookupError) as error:
        raise UnreadableFile(f"{name} holds no subtitles that can be read: {error}") from error
    spoken = (unescape(_strip_tags(event.plaintext)) for event in events if not event.is_comment)
    # A cue that stays while the next one comes is written twice in many files.
    lines: list[str] = []
    for line in (line.strip() for cue in spoken for line in cue.splitlines()):
        if line and (not lines or line != lines[-1]):
            lines.append(line)
    return "\n".join(lines)


def _strip_tags(text: str) -> str:
    # Time stamps within a cue and whatever else the reader took for text.
    return _TAG.sub("", text)


# --- tables --------------------------------------------------------------------------------------------------


def _find_lines(path: Path, medium: Medium, ids: Mapping[str, int]) -> LongTexts:
    header = _header(path)
    key = next((name for name in ID_COLUMNS[medium] if name in header), None)
    column = next((name for name in TEXT_COLUMNS[medium] if name in header), None)
    if key is None:
        raise MissingColumn(f"{path} has no column {' or '.join(ID_COLUMNS[medium])}")
    if column is None:
        raise MissingColumn(f"{path} has no column {' or '.join(TEXT_COLUMNS[medium])}")
    counts = {"read": 0, "used": 0, "unmatched": 0, "empty": 0, "repeated": 0}
    chosen: dict[int, _Place] = {}
    for number, line in enumerate(_read_lines(path)):
        counts["read"] += 1
        row = ids.get(line[key].strip())
        if row is None:
            counts["unmatched"] += 1
        elif not line[column].strip():
            counts["empty"] += 1
        elif row in chosen:
            counts["repeated"] += 1
        else:
            size = len(line[column].encode())
            if size > MOST_BYTES:
                raise UnreadableFile(
                    f"{path}: the text of {line[key].strip()} has {size / 1e6:.1f} MB, more than the "
                    f"{MOST_BYTES / 1e6:.0f} MB that a text may have"
                )
            chosen[row] = _Place(row, path, number)
    counts["used"] = len(chosen)
    places = tuple(chosen.values())  # by line, as the table will be read again
    return LongTexts(medium, tuple(place.row for place in places), counts, places, column)


def _header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [name.strip() for name in next(csv.reader(file), [])]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFile(f"{path} cannot be read as a CSV file in UTF-8: {error}") from error


def _read_lines(path: Path) -> Iterator[dict[str, str]]:
    before = csv.field_size_limit(sys.maxsize)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader: Any = csv.DictReader(file, restval="")
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            yield from reader
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFile(f"{path} cannot be read as a CSV file in UTF-8: {error}") from error
    finally:
        csv.field_size_limit(before)


def _clean(text: str, medium: Medium) -> str:
    return clean_lyrics(text) if medium == "tracks" else text
