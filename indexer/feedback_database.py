"""Where feedback is stored: one table in any database that SQLAlchemy speaks to, SQLite unless told otherwise.

SQLAlchemy loads when a database is first asked for, so that a server without feedback carries nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from indexer.errors import ConfigError, FeedbackUnavailable, MissingLibrary, UnreadableFile
from indexer.feedback import COLUMNS, Judgement, make_judgement

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table

#: SQLite waits so long for another process to finish writing, PostgreSQL for a lock and for a statement.
LOCK_WAIT_S: Final = 1.0
_POSTGRESQL: Final[dict[str, object]] = {
    "connect_timeout": 2,  # seconds; the least that libpq takes
    "options": f"-c statement_timeout={LOCK_WAIT_S:.0f}s -c lock_timeout={LOCK_WAIT_S:.0f}s",
    # A host that vanished is given up after some seconds instead of some hours.
    "tcp_user_timeout": 5_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}


def open_engine(database: str | Path) -> Engine:
    """Prepare to connect to a database, by its URL or by the path of its SQLite file; connects to nothing yet.

    Every use has a connection of its own: feedback is rare, and none can have gone stale meanwhile. Raises
    ``ConfigError`` for a URL that is none, ``MissingLibrary`` where its driver is not installed.
    """
    from sqlalchemy import NullPool, create_engine
    from sqlalchemy.engine import URL, make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        url = (
            URL.create("sqlite", database=str(database)) if isinstance(database, Path) else make_url(database)
        )
        options: dict[str, Any] = {}
        if url.get_backend_name() == "sqlite":
            if url.database in (None, "", ":memory:"):
                raise ConfigError(
                    "a SQLite database for feedback needs a file: sqlite:////folder/feedback.sqlite"
                )
            options = {"timeout": LOCK_WAIT_S}
        elif url.get_driver_name() in ("psycopg", "psycopg2"):
            options = {name: value for name, value in _POSTGRESQL.items() if name not in url.query}
        # Statements in errors would otherwise repeat what was searched for.
        return create_engine(url, poolclass=NullPool, connect_args=options, hide_parameters=True)
    except ImportError as error:
        raise MissingLibrary(
            "The database for feedback needs a driver that is not installed here. For PostgreSQL: "
            "python -m pip install -r requirements-postgresql.txt"
        ) from error
    except NoSuchModuleError as error:
        raise MissingLibrary("Nothing that is installed here speaks to the database for feedback.") from error
    except (ArgumentError, ValueError) as error:
        raise ConfigError(
            "the URL of the database for feedback cannot be read"
        ) from error  # may hold a password


@cache
def feedback_table() -> Table:
    """The one table; a row is a ``Judgement`` and the hash of its key."""
    from sqlalchemy import Column, Date, Index, Integer, MetaData, String, Table, Text

    return Table(
        "segue_feedback",
        MetaData(),
        Column("key_hash", String(64), primary_key=True),
        Column("kind", String(7), nullable=False),
        Column("day", Date, nullable=False),
        Column("index_version", String(200), nullable=False),
        Column("target", String(6), nullable=False),
        Column("method", String(40), nullable=False),
        Column("said", String(4), nullable=False),
        Column("query", Text, nullable=False),
        Column("id", String(200), nullable=False),
        Column("rank", Integer, nullable=False),
        # Holds all that a tally counts.
        Index("segue_feedback_tally", "kind", "method", "said"),
    )


def prepare(connection: Connection) -> None:
    """Make the table where it is missing. Where two processes do so at a time one may fail; it may try again."""
    if connection.dialect.name == "sqlite":
        # Readers and the writer do not wait for each other; stays with the file.
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    feedback_table().metadata.create_all(connection)


def put(connection: Connection, key_hash: str, judgement: Judgement) -> None:
    """Store a judgement in place of what was said under this key before."""
    drop(connection, key_hash)
    cells = {name: getattr(judgement, name) for name in COLUMNS}
    connection.execute(feedback_table().insert().values(key_hash=key_hash, **cells))


def drop(connection: Connection, key_hash: str) -> None:
    """Forget what was said under this key, if anything was."""
    table = feedback_table()
    connection.execute(table.delete().where(table.c.key_hash == key_hash))


def count(connection: Connection) -> dict[tuple[str, str, str], int]:
    """Count judgements by kind, method and what was said."""
    from sqlalchemy import func, select

    table = feedback_table()
    key = (table.c.kind, table.c.method, table.c.said)
    rows = connection.execute(select(*key, func.count()).group_by(*key))
    return {(kind, method, said): number for kind, method, said, number in rows}


def read_database(database: str | Path) -> Iterator[Judgement]:
    """Read all judgements, by day, version and method; raises ``FeedbackUnavailable`` with what the database said.

    Writes nothing: raises ``UnreadableFile`` where there is no file or no table yet.
    """
    from sqlalchemy import inspect, select
    from sqlalchemy.exc import SQLAlchemyError

    engine = open_engine(database)
    file = file_of(engine)
    if file is not None and not file.is_file():
        raise UnreadableFile(f"there is no feedback yet: {file} is missing")
    table = feedback_table()
    # Never by key: those are in no order that means anything, and stay where they are.
    order = [
        table.c[name] for name in ("day", "index_version", "method", "kind", "query", "rank", "id", "said")
    ]
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table(table.name):
                raise UnreadableFile(f"there is no feedback yet: the database has no table {table.name}")
            for row in connection.execute(select(*(table.c[name] for name in COLUMNS)).order_by(*order)):
                yield _read_row(row)
    except SQLAlchemyError as error:
        raise FeedbackUnavailable(f"the feedback cannot be read: {word_trouble(error)}") from error


def _read_row(row: Any) -> Judgement:
    cells = [cell.isoformat() if isinstance(cell, date) else cell for cell in row]
    try:
        return make_judgement(cells)
    except ValueError as error:
        raise UnreadableFile(f"a row of the feedback cannot be read: {error}") from error


def file_of(engine: Engine) -> Path | None:
    """The file of a SQLite database; None for any other, and for a name that SQLite reads as a URI."""
    name = engine.url.database or ""
    return Path(name) if engine.url.get_backend_name() == "sqlite" and not name.startswith("file:") else None


def word_trouble(error: Exception) -> str:
    """Say in one line what a database had against it, without the statement and what was in it."""
    cause = getattr(error, "orig", None) or error
    words = str(cause).strip().splitlines()
    return f"{type(cause).__name__}: {words[0][:200]}" if words else type(cause).__name__
