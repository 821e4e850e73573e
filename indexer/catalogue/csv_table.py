"""CSV files read row by row, so that one broken row costs one row and is reported with its place."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import TextIO

from indexer.catalogue.chunk import CHUNK_ROWS, Chunk, Fault, make_chunk, show
from indexer.catalogue.column_map import place_columns
from indexer.catalogue.layout import Layout
from indexer.errors import UnreadableFile

#: A record that spans more physical lines than this is taken for a runaway quote.
MAX_RECORD_LINES = 200


class CsvTable:
    """A ``.csv`` or ``.csv.gz`` file with a header line, UTF-8 with or without a byte-order mark.

    ``places``: the layout's columns that the file has, by their own name or as ``columns`` says, and where.
    """

    def __init__(self, path: Path, layout: Layout, columns: Mapping[str, str]) -> None:
        self.path = path
        self._layout = layout
        with self._open() as file:
            try:
                self.columns = _read_header(_Lines(file), path)
            except (OSError, EOFError, zlib.error) as error:
                raise UnreadableFile(f"{path}: cannot be read ({error})") from error
        self.places = place_columns(self.columns, layout, columns, path)

    def chunks(self, chunk_rows: int = CHUNK_ROWS) -> Iterator[Chunk]:
        """Yield the rows in order, ``chunk_rows`` at a time, cells as text. Raises ``UnreadableFile``."""
        with self._open() as file:
            try:
                yield from self._chunks(file, chunk_rows)
            except (OSError, EOFError, zlib.error) as error:
                raise UnreadableFile(f"{self.path}: cannot be read to its end ({error})") from error

    def _open(self) -> TextIO:
        try:
            packed = self.path.suffix.lower() == ".gz"
            raw = gzip.GzipFile(self.path, "rb") if packed else self.path.open("rb")
        except OSError as error:
            raise UnreadableFile(f"{self.path}: cannot be opened ({error.strerror})") from error
        # newline="" as the csv module asks: line ends inside quotes are data.
        return io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")

    def _chunks(self, file: TextIO, chunk_rows: int) -> Iterator[Chunk]:
        wanted = list(self.places)
        pick = itemgetter(*self.places.values(), 0)  # the 0 keeps it a tuple
        id_at = self.places[self._layout.id_column]
        title_at = self.places.get(self._layout.title_column)
        lines = _Lines(file)
        _read_header(lines, self.path)
        numbers_at = [at for name, at in self.places.items() if name in self._layout.numbers]
        lines.is_row = _RowTest(len(self.columns), id_at, numbers_at)
        rows: list[tuple[str, ...]] = []
        numbers: list[tuple[int, int]] = []
        faults: list[Fault] = []
        for row_number, (cells, line, text, problem) in enumerate(
            _records(lines, len(self.columns)), start=1
        ):
            fault = problem
            rule = "broken_row"
            if not fault and "\0" in text:
                rule, fault = "nul_bytes", show(text)
            if not fault and not text.isascii() and not _is_decoded(text):
                rule, fault = "undecodable_bytes", show(text)
            if fault:
                known = rule != "broken_row"
                item_id = show(cells[id_at]) if known else None
                title = show(cells[title_at]) if known and title_at is not None else None
                faults.append(Fault(rule, row_number, line, item_id, title, fault))
            else:
                rows.append(pick(cells))
                numbers.append((row_number, line))
            if len(rows) + len(faults) >= chunk_rows:
                yield make_chunk(wanted, rows, numbers, faults)
                rows, numbers, faults = [], [], []
        if rows or faults:
            yield make_chunk(wanted, rows, numbers, faults)


class _RunawayQuote(Exception):
    """The record being read has begun to swallow the rows after it."""


class _Lines:
    """Physical lines for ``csv.reader``, which can be given back so that reading resumes after a bad one."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._pending: deque[str] = deque()
        self._done = 0
        self.taken: list[str] = []
        self.is_row: _RowTest | None = None

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._pending.popleft() if self._pending else next(self._file)
        if self.taken and (len(self.taken) >= MAX_RECORD_LINES or (self.is_row and self.is_row(line))):
            self._pending.appendleft(line)
            raise _RunawayQuote
        self.taken.append(line)
        return line

    @property
    def line(self) -> int:
        """Number (from 1) of the line on which the record being read begins, as ``grep -n`` counts lines."""
        return self._done + 1

    def keep(self, count: int | None = None) -> None:
        """Settle the first ``count`` lines taken (all by default) and give the others back."""
        count = len(self.taken) if count is None else count
        # Quoted cells may hold lone carriage returns, which end a line for Python but for no editor.
        self._done += sum(line.endswith("\n") for line in self.taken[:count])
        self._pending.extendleft(reversed(self.taken[count:]))
        self.taken.clear()


class _RowTest:
    """Tells whether a line inside a quoted cell is a whole row on its own: a lone quote has swallowed it.

    A whole row has the header's number of cells, an id without spaces, numbers where numbers belong, and is
    not prose (whose commas are followed by spaces).
    """

    def __init__(self, width: int, id_at: int, numbers_at: list[int]) -> None:
        self._width = width
        self._id_at = id_at
        self._numbers = numbers_at

    def __call__(self, line: str) -> bool:
        if line.count(",") < self._width - 1:
            return False
        try:
            cells = next(csv.reader([line], strict=True))
        except csv.Error:
            return False
        if len(cells) != self._width:
            return False
        item_id = cells[self._id_at].strip()
        spaced = sum(cell.startswith(" ") for cell in cells[1:])
        return (
            bool(item_id)
            and not any(map(str.isspace, item_id))
            and 2 * spaced <= self._width - 1
            and all(_is_number(cells[at]) for at in self._numbers)
        )


def _records(lines: _Lines, width: int) -> Iterator[tuple[list[str], int, str, str]]:
    """Yield (cells, first line number, its text, problem) for every record; blank lines are no records.

    A bad record costs its first line only, as an unclosed quote must not take the rest of the file with it.
    Work is bounded: a record is given up at the first whole row in it, after ``MAX_RECORD_LINES`` lines, and
    at the csv module's field size limit.
    """
    # strict: a closing quote followed by anything but a comma is an error; most lone quotes show that way.
    reader = csv.reader(lines, strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _RunawayQuote:
            problem = "a quote is not closed on its row"
        except csv.Error as error:
            problem = str(error)
        else:
            problem = f"{len(cells)} cells instead of {width}" if cells and len(cells) != width else ""
            if not problem:
                line, text = lines.line, lines.taken[0] if len(lines.taken) == 1 else "".join(lines.taken)
                lines.keep()
                if cells:
                    yield cells, line, text, ""
                continue
        line, text = lines.line, lines.taken[0]
        lines.keep(1)
        yield [], line, text, f"{problem}: {show(text)}"


def _read_header(lines: _Lines, path: Path) -> list[str]:
    try:
        header = next(csv.reader(lines, strict=True))
    except StopIteration:
        raise UnreadableFile(f"{path}: the file is empty") from None
    except (csv.Error, _RunawayQuote) as error:
        raise UnreadableFile(f"{path}: the first line is no CSV header ({error})") from error
    if not all("\0" not in name and _is_decoded(name) for name in header):
        raise UnreadableFile(
            f"{path}: the first line is not UTF-8 text, so this is no CSV file Segue can read"
        )
    lines.keep()
    return [name.strip() for name in header]


def _is_decoded(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_number(cell: str) -> bool:
    if not cell.strip():
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True
