"""What people say of results, apart from where it is stored: verdicts on single hits, and blind votes on two lists.

Nothing in it says who spoke: no address, no browser, no name, a day instead of a time, and the key by which a client
may change its mind is kept as a hash and never exported.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from datetime import date
from pathlib import Path
from typing import Final, Literal

from indexer.catalogue.records import Medium
from indexer.errors import MissingColumn, UnreadableFile

Kind = Literal["verdict", "vote"]
#: A verdict on a hit, or how Segue's list did in a blind vote.
Said = Literal["up", "down", "win", "loss", "tie"]

#: Kind → what may be said.
SAID: Final[dict[Kind, tuple[Said, ...]]] = {"verdict": ("up", "down"), "vote": ("win", "loss", "tie")}
#: The file in a folder of index versions that holds it where no other database is named.
FILE: Final = "feedback.sqlite"


@dataclass(frozen=True, slots=True)
class Judgement:
    """One verdict or vote.

    ``method`` made the list of a verdict; in a vote it is what Segue stood against. ``id`` and ``rank`` (from 1) are
    those of the hit, empty and 0 in a vote. ``query``: what was asked, as JSON with sorted keys, without page,
    method and version, so that the same question is the same text.
    """

    kind: Kind
    day: date
    index_version: str
    target: Medium
    method: str
    said: Said
    query: str
    id: str = ""
    rank: int = 0


COLUMNS: Final = tuple(field.name for field in fields(Judgement))


def hash_key(key: str) -> str:
    """Hash a client's key as it is stored: SHA-256 in hexadecimal."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def make_judgement(cells: Iterable[object]) -> Judgement:
    """Make a judgement of its ``COLUMNS`` as text or as a database has them; ValueError for what is none."""
    kind, day, version, target, method, said, query, id, rank = cells
    known_kind: Kind | None = "verdict" if kind == "verdict" else "vote" if kind == "vote" else None
    if known_kind is None:
        raise ValueError(f"{kind!r} is neither verdict nor vote")
    known_said = next((one for one in SAID[known_kind] if one == said), None)
    if known_said is None:
        raise ValueError(f"{said!r} is not one of {', '.join(SAID[known_kind])}")
    if target != "movies" and target != "tracks":
        raise ValueError(f"{target!r} is neither movies nor tracks")
    place = int(str(rank or 0))
    if (place < 1) if known_kind == "verdict" else place:
        raise ValueError(f"the rank {place} makes no sense for a {known_kind}")
    return Judgement(
        known_kind,
        date.fromisoformat(str(day)),
        str(version),
        target,
        str(method),
        known_said,
        str(query),
        str(id or ""),
        place,
    )


def write_csv(judgements: Iterable[Judgement], path: Path) -> int:
    """Write a CSV file, whole or not at all; returns how many judgements are in it."""
    part = path.with_name(f".{path.name}.part")
    count = 0
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for judgement in judgements:
                writer.writerow(astuple(judgement))
                count += 1
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def read_csv(path: Path) -> Iterator[Judgement]:
    """Read what ``write_csv`` wrote; raises ``UnreadableFile``, naming the line, or ``MissingColumn``."""
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            for name in COLUMNS:
                if name not in (reader.fieldnames or ()):
                    raise MissingColumn(f"{path.name} has no column {name}; it needs {', '.join(COLUMNS)}")
            for cells in reader:
                line = reader.line_num
                yield make_judgement(cells[name] for name in COLUMNS)
    except (OSError, csv.Error, ValueError) as error:
        raise UnreadableFile(f"{path.name} cannot be read as feedback, line {line}: {error}") from error
