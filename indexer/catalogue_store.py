"""The catalogue of an index version on disk: one SQLite file with all metadata and the title look-up.

Written once by the build, then only read. The look-up keeps a posting list of packed row numbers per trigram
and adds them up with numpy. That weighs every trigram of a query in about 4 ms over 82,000 songs; SQLite's
FTS5 (trigram tokenizer) takes 35–60 ms or leaves common ones out. And nothing typed is ever query syntax.
"""

from __future__ import annotations

import json
import math
import sqlite3
import threading
import weakref
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from indexer.catalogue.records import (
    MOVIE_COLUMNS,
    SEPARATOR,
    TRACK_COLUMNS,
    Medium,
    Movie,
    Track,
    other_medium,
)
from indexer.errors import InputError, SegueError, UnknownItem, VersionDamaged, VersionError, VersionFormat
from indexer.record_cache import RecordCache
from indexer.title_lookup import Found, Names, Query, list_grams, list_row_grams, name_movie, name_track

if TYPE_CHECKING:
    import pandas as pd

#: Kept in the file's ``user_version``; raised whenever the tables or the keys in them change.
STORE_FORMAT = 1
_APPLICATION_ID = 0x53656775  # "Segu", so that `file` and a reader can tell the file from another database.
_COLUMNS: dict[Medium, Mapping[str, str]] = {"movies": MOVIE_COLUMNS, "tracks": TRACK_COLUMNS}
_SQL_TYPES = {"text": "TEXT", "many": "TEXT", "int": "INTEGER", "float": "REAL", "bool": "INTEGER"}
_PLAIN: dict[str, Callable[[Any], str | int | float]] = {
    "text": str,
    "many": str,
    "int": int,
    "float": float,
    "bool": int,
}
#: Statements are kept by their text, so there are only as many as this.
_ROWS_AT_ONCE = 32
_SELECTS: dict[Medium, str] = {
    medium: f"""SELECT {", ".join(f'"{name}"' for name in kinds)}, row FROM {medium}"""
    for medium, kinds in _COLUMNS.items()
}
#: Columns that a row's names are made of.
_NAMED_BY: dict[Medium, tuple[str, ...]] = {
    "movies": ("title", "original_title", "year"),
    "tracks": ("title", "artists", "year"),
}
_ROW_TYPE = np.dtype("<u4")
#: Rows that are Python's objects at a time while they are written.
_WRITTEN_AT_ONCE = 16_384
#: Rows that are compared letter by letter, after ranking all by shared grams. In a long text the grams alone
#: tell rows apart, and each comparison takes longer.
_CANDIDATES = 300
_CANDIDATES_LONG = 100
_LONG_CHARS = 40
#: Of a long text the rarest grams are used: enough for all of some 60 characters.
_GRAMS = 64
#: Where the text is a title with its artist, fewer do, and take half the time.
_GRAMS_OF_NAMES = 24
#: No more entries of posting lists are added up than this, once the lists of so many grams were: the commonest grams
#: tell least apart and cost the most. 100,000 rows seldom have as many; of a million songs as much is found in half the
#: time.
_ENTRIES = 400_000
_LEAST_GRAMS = 6
#: Below this a row has nothing to do with the text.
_LEAST_SCORE = 0.65
#: Pages of the file are mapped, not copied; the system shares them between processes.
_MAPPED_BYTES = 1 << 30


def write_store(path: Path, movies: pd.DataFrame, tracks: pd.DataFrame) -> None:
    """Write both tables and their look-up to ``path``; the same tables give the same bytes.

    Columns as in ``MOVIE_COLUMNS`` and ``TRACK_COLUMNS`` (a missing one is all unknown); a row's number is
    its position. Raises ``InputError`` where an id is missing or there twice.
    """
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        connection = sqlite3.connect(partial, isolation_level=None)
        try:
            connection.execute("PRAGMA page_size = 4096")
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {STORE_FORMAT}")
            connection.execute("BEGIN")
            _write_medium(connection, "movies", movies)
            _write_medium(connection, "tracks", tracks)
            connection.execute("COMMIT")
        finally:
            connection.close()
    except sqlite3.Error as error:
        partial.unlink(missing_ok=True)
        raise SegueError(f"cannot write {path}: {error}") from error
    except InputError:
        partial.unlink(missing_ok=True)
        raise
    partial.replace(path)


def _write_medium(connection: sqlite3.Connection, medium: Medium, table: pd.DataFrame) -> None:
    # Row by row from the table, so that a large catalogue is never held a second time as Python's objects.
    kinds = _COLUMNS[medium]
    _check_ids(medium, (cells[0] for cells in _plain_rows(table, {"id": kinds["id"]})))
    columns = ", ".join(f'"{name}" {_SQL_TYPES[kind]}' for name, kind in kinds.items())
    connection.execute(f"CREATE TABLE {medium} (row INTEGER PRIMARY KEY, {columns})")
    marks = ", ".join("?" * (len(kinds) + 1))
    connection.executemany(
        f"INSERT INTO {medium} VALUES ({marks})",
        ((row, *cells) for row, cells in enumerate(_plain_rows(table, kinds))),
    )
    connection.execute(f"CREATE UNIQUE INDEX {medium}_by_id ON {medium} (id)")
    connection.execute(f"CREATE TABLE {medium}_other_ids (id TEXT PRIMARY KEY, row INTEGER) WITHOUT ROWID")
    if "other_ids" in kinds:
        others = (
            (other, row)
            for row, cells in enumerate(_plain_rows(table, {"other_ids": kinds["other_ids"]}))
            for other in str(cells[0] or "").split(SEPARATOR)
            if other
        )
        # Of two songs that claim the same further id, the first keeps it.
        connection.executemany(f"INSERT OR IGNORE INTO {medium}_other_ids VALUES (?, ?)", others)
    _write_look_up(connection, medium, table)


def _plain_rows(table: pd.DataFrame, kinds: Mapping[str, str]) -> Iterator[tuple[Any, ...]]:
    for start in range(0, len(table), _WRITTEN_AT_ONCE):
        part = table.iloc[start : start + _WRITTEN_AT_ONCE]
        columns: list[list[Any]] = []
        for name, kind in kinds.items():
            if name not in part.columns:
                columns.append([None] * len(part))
                continue
            plain = _PLAIN[kind]
            cells = zip(part[name], part[name].notna(), strict=True)
            columns.append([plain(cell) if there and cell != "" else None for cell, there in cells])
        yield from zip(*columns, strict=True)


def _check_ids(medium: Medium, ids: Iterable[str | None]) -> None:
    seen: set[str] = set()
    for row, item in enumerate(ids):
        if item is None:
            raise InputError(f"{medium}: row {row} has no id")
        if item in seen:
            raise InputError(f"{medium}: id {item!r} is there twice (again in row {row})")
        seen.add(item)


def _write_look_up(connection: sqlite3.Connection, medium: Medium, table: pd.DataFrame) -> None:
    postings: dict[str, array[int]] = {}
    sizes = np.zeros((2, len(table)), dtype="<u2")

    def list_lines() -> Iterator[tuple[int, str, str, int | None]]:
        kinds = {name: _COLUMNS[medium][name] for name in _NAMED_BY[medium]}
        for row, cells in enumerate(_plain_rows(table, kinds)):
            names = _name(medium, dict(zip(kinds, cells, strict=True)))
            sizes[0, row] = len(list_grams(names.titles[0])) if names.titles else 0
            sizes[1, row] = len(list_grams(names.people[0])) if names.people else 0
            for gram in list_row_grams(names):
                postings.setdefault(gram, array("I")).append(row)
            yield row, "\n".join(names.titles), "\n".join(names.people), names.year

    connection.execute(
        f"CREATE TABLE {medium}_names (row INTEGER PRIMARY KEY, titles TEXT, people TEXT, year INTEGER)"
    )
    connection.executemany(f"INSERT INTO {medium}_names VALUES (?, ?, ?, ?)", list_lines())
    connection.execute(f"CREATE TABLE {medium}_grams (gram TEXT PRIMARY KEY, rows BLOB)")
    connection.executemany(
        f"INSERT INTO {medium}_grams VALUES (?, ?)",
        ((gram, np.array(rows, dtype=_ROW_TYPE).tobytes()) for gram, rows in sorted(postings.items())),
    )
    ranking = (_rank_by_fame(table).tobytes(), sizes[0].tobytes(), sizes[1].tobytes())
    connection.execute(f"CREATE TABLE {medium}_ranking (fame BLOB, title_grams BLOB, person_grams BLOB)")
    connection.execute(f"INSERT INTO {medium}_ranking VALUES (?, ?, ?)", ranking)


def _name(medium: Medium, cells: Mapping[str, Any]) -> Names:
    title = cells["title"] or ""
    if medium == "movies":
        return name_movie(title, cells["original_title"], cells["year"])
    return name_track(title, (cells["artists"] or "").split(SEPARATOR), cells["year"])


def _rank_by_fame(table: pd.DataFrame) -> NDArray[np.uint32]:
    """Place of every row by votes (films), then popularity; 0 = best known, unknown last, ties by row."""
    fame = []
    for name in ("popularity", "votes"):
        known = table[name].to_numpy(np.float64, na_value=np.nan) if name in table.columns else np.nan
        fame.append(np.where(np.isnan(known), np.inf, -np.asarray(known)) * np.ones(len(table)))
    places = np.empty(len(table), dtype=_ROW_TYPE)
    places[np.lexsort(fame)] = np.arange(len(table), dtype=_ROW_TYPE)
    return places


def _choose_lists(known: Sequence[tuple[int, int]]) -> list[int]:
    """The posting lists to read, of (number, bytes) from the shortest: as many as are worth their time."""
    chosen: list[int] = []
    entries = 0
    for number, size_bytes in known:
        entries += size_bytes // _ROW_TYPE.itemsize
        if entries > _ENTRIES and len(chosen) >= _LEAST_GRAMS:
            break
        chosen.append(number)
    return chosen


def _split_keys(joined: str) -> tuple[str, ...]:
    return tuple(joined.split("\n")) if joined else ()


@dataclass(frozen=True, slots=True)
class _Ranking:
    """Per row: place by fame (0 = best known); how many trigrams its first title and first artist have."""

    fame: NDArray[np.uint32]
    title_grams: NDArray[np.uint16]
    person_grams: NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class NamedRow:
    """A row and the keys that it is found by: of its titles (best first) and of its people."""

    row: int
    titles: tuple[str, ...]
    people: tuple[str, ...]


def _is_storable(text: str) -> bool:
    """Whether SQLite can take it as text: lone surrogates, which JSON can hold, have no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class CatalogueStore:
    """A catalogue file opened for reading, from as many threads as there are.

    Every method raises ``VersionDamaged`` where the file cannot be read as it was written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Any thread takes an idle connection and gives it back: threads that end leave none behind.
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = threading.Event()
        self._counts: dict[Medium, int] = {}
        self._rankings: dict[Medium, _Ranking] = {}
        # Through a weak reference, so that a store's memory goes with its last user.
        me = weakref.proxy(self)
        self._movies = RecordCache(Movie, MOVIE_COLUMNS, lambda rows: me._read_rows("movies", rows))
        self._tracks = RecordCache(Track, TRACK_COLUMNS, lambda rows: me._read_rows("tracks", rows))

    @classmethod
    def open(cls, path: Path) -> CatalogueStore:
        """Open a file made by ``write_store``; raises ``VersionFormat`` if it is of another format."""
        if not path.is_file():
            raise VersionDamaged(f"{path} is missing")
        store = cls(path)
        with store._connection() as connection:
            kind = connection.execute("PRAGMA application_id").fetchone()[0]
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            if (kind, found) != (_APPLICATION_ID, STORE_FORMAT):
                raise VersionFormat(f"{path} is not a catalogue of format {STORE_FORMAT} (found {found})")
            for medium in _COLUMNS:
                ranking = connection.execute(f"SELECT * FROM {medium}_ranking").fetchone()
                store._rankings[medium] = _Ranking(
                    np.frombuffer(ranking[0], dtype=_ROW_TYPE),
                    np.frombuffer(ranking[1], dtype="<u2"),
                    np.frombuffer(ranking[2], dtype="<u2"),
                )
                store._counts[medium] = len(store._rankings[medium].fame)
        return store

    def close(self) -> None:
        """Close the file; calls under way finish, later ones raise ``VersionError``."""
        self._closed.set()
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().close()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if self._closed.is_set():
            raise VersionError(f"{self._path} was closed")
        try:
            try:
                connection = self._idle.pop()
            except IndexError:
                address = f"{self._path.absolute().as_uri()}?mode=ro&immutable=1"
                connection = sqlite3.connect(address, uri=True, check_same_thread=False)
                connection.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
            try:
                yield connection
            finally:
                self._idle.append(connection)
                if self._closed.is_set():
                    self.close()
        except sqlite3.Error as error:
            raise VersionDamaged(f"{self._path} cannot be read: {error}") from error

    def count(self, medium: Medium) -> int:
        """Number of rows of a medium."""
        return self._counts[medium]

    def movies(self, rows: Sequence[int]) -> list[Movie]:
        """The films of these rows, in the order asked."""
        return self._movies.get(rows)

    def tracks(self, rows: Sequence[int]) -> list[Track]:
        """The songs of these rows, in the order asked."""
        return self._tracks.get(rows)

    def _read_rows(self, medium: Medium, rows: Sequence[int]) -> list[tuple[Any, ...]]:
        """Cells of these rows as the file has them, in the order of the record's fields."""
        found: dict[int, tuple[Any, ...]] = {}
        with self._connection() as connection:
            for first in range(0, len(rows), _ROWS_AT_ONCE):
                some = rows[first : first + _ROWS_AT_ONCE]
                marks = ", ".join("?" * len(some))
                lines = connection.execute(f"{_SELECTS[medium]} WHERE row IN ({marks})", some)
                found.update((line[-1], line[:-1]) for line in lines)
        lacking = set(rows) - found.keys()
        if lacking:
            raise VersionDamaged(f"{self._path} has no row {min(lacking)} ({medium})")
        return [found[row] for row in rows]

    def _by_row(self, select: str, rows: Iterable[int]) -> dict[int, tuple[Any, ...]]:
        wanted = json.dumps([int(row) for row in rows])
        with self._connection() as connection:
            lines = connection.execute(f"{select} WHERE row IN (SELECT value FROM json_each(?))", (wanted,))
            found = {line[0]: line[1:] for line in lines}
        lacking = set(json.loads(wanted)) - found.keys()
        if lacking:
            raise VersionDamaged(f"{self._path} has no row {min(lacking)} ({select.rsplit(' ', 1)[1]})")
        return found

    def ids(self, medium: Medium, rows: Sequence[int]) -> list[str]:
        """The ids of these rows, in the order asked."""
        return [item.id for item in (self.movies(rows) if medium == "movies" else self.tracks(rows))]

    def row(self, medium: Medium, id: str) -> int:
        """The row of an id, or of another id of the same song; raises ``UnknownItem``."""
        return self.rows(medium, [id])[0]

    def rows(self, medium: Medium, ids: Sequence[str]) -> list[int]:
        """The rows of these ids, in the order asked; raises ``UnknownItem`` naming the first unknown one."""
        found = self._rows_by_id(medium, ids)
        for item in ids:
            if item not in found:
                raise UnknownItem(self._explain_unknown(medium, item), field=medium)
        return [found[item] for item in ids]

    def known_rows(self, medium: Medium, ids: Sequence[str]) -> list[int | None]:
        """The rows of these ids, in the order asked; None for an id that is not known."""
        found = self._rows_by_id(medium, ids)
        return [found.get(item) for item in ids]

    def _rows_by_id(self, medium: Medium, ids: Sequence[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        with self._connection() as connection:
            for item in ids:
                if not _is_storable(item):
                    continue
                # A song's own id goes before another's claim to it.
                for table in (medium, f"{medium}_other_ids"):
                    line = connection.execute(f"SELECT row FROM {table} WHERE id = ?", (item,)).fetchone()
                    if line is not None:
                        found[item] = line[0]
                        break
        return found

    def _explain_unknown(self, medium: Medium, item: str) -> str:
        noun, other = ("film", "tracks") if medium == "movies" else ("song", "movies")
        shown = ascii(item if len(item) <= 60 else item[:60] + "…")
        if "/" in item or item.count(":") > 1:
            return f"{shown} is an address, not the id of a {noun}: give its last part alone"
        if self._rows_by_id(other_medium(medium), [item]):
            return f"{shown} is not the id of a {noun}; it is one of the {other}"
        return f"no {noun} has the id {shown}; look it up by title with /v1/{medium}?q="

    def look_up(self, medium: Medium, text: str, limit: int = 10) -> list[Found]:
        """Rows whose title, artist or both fit the text, best first, equal ones by fame, at most ``limit``.

        Forgives case, accents, punctuation, word order, a missing "the" and a typo or two; the last word may
        be unfinished. Where nothing fits the list is empty.
        """
        query = Query.parse(text)
        if limit < 1 or not query.key:
            return []
        candidates = _CANDIDATES if len(query.key) <= _LONG_CHARS else _CANDIDATES_LONG
        rows = self._recall(medium, query, max(candidates, 3 * limit))
        lines = self._by_row(f"SELECT row, titles, people, year FROM {medium}_names", rows)
        fame = self._rankings[medium].fame
        found = (
            Found(row, query.score(Names(_split_keys(titles), _split_keys(people), year)))
            for row, (titles, people, year) in lines.items()
        )
        fitting = [one for one in found if one.score >= _LEAST_SCORE]
        return sorted(fitting, key=lambda one: (-one.score, int(fame[one.row])))[:limit]

    def recall(self, medium: Medium, text: str, limit: int) -> list[NamedRow]:
        """Rows whose names share most with the text, in no order, for a caller that compares them by itself."""
        query = Query.parse(text)
        if limit < 1 or not query.key:
            return []
        rows = self._recall(medium, query, limit, _GRAMS_OF_NAMES)
        lines = self._by_row(f"SELECT row, titles, people FROM {medium}_names", rows)
        return [
            NamedRow(row, _split_keys(titles), _split_keys(people)) for row, (titles, people) in lines.items()
        ]

    def _recall(self, medium: Medium, query: Query, limit: int, most_grams: int = _GRAMS) -> list[int]:
        """The rows that share most of the query's grams, rare ones counting more."""
        grams = json.dumps(sorted(query.grams()))
        with self._connection() as connection:
            # SQLite knows a blob's length without reading it; only the chosen lists are read.
            known = connection.execute(
                f"SELECT rowid, length(rows) FROM {medium}_grams WHERE gram IN (SELECT value FROM json_each(?))"
                " ORDER BY length(rows), gram LIMIT ?",
                (grams, most_grams),
            ).fetchall()
            chosen = json.dumps(_choose_lists(known))
            postings = connection.execute(
                f"SELECT rows FROM {medium}_grams WHERE rowid IN (SELECT value FROM json_each(?))", (chosen,)
            ).fetchall()
        ranking = self._rankings[medium]
        total = len(ranking.fame)
        shared = np.zeros(total, dtype=np.float32)
        try:
            for (packed,) in postings:
                rows = np.frombuffer(packed, dtype=_ROW_TYPE)
                shared[rows] += np.float32(math.log1p(total / len(rows)))
        except (IndexError, ValueError, ZeroDivisionError) as error:
            raise VersionDamaged(f"{self._path} has a damaged look-up: {error}") from error
        hit = np.flatnonzero(shared)
        if not len(hit):
            return []
        size = len(list_grams(query.key))
        title, person = ranking.title_grams[hit].astype(np.int32), ranking.person_grams[hit].astype(np.int32)
        # How far the query is from being the whole title, the whole artist, or both.
        excess = np.minimum(np.minimum(abs(title - size), abs(person - size)), abs(title + person - size))
        merit = shared[hit] / shared.max()
        merit -= 0.15 * excess / (excess + size)
        merit += 0.1 * (1.0 - ranking.fame[hit] / total)
        if len(hit) > limit:
            hit = hit[np.argpartition(-merit, limit)[:limit]]
        return [int(row) for row in hit]
