"""The collections of an index version: their names, what they hold, and what they say of themselves.

    <prefix>                        alias of the films' collection of the version that is served
    <prefix>_<version>_movies       a film a row, and so on for tracks
    <that>_<made>_whole_<width>     alias of a collection that is whole: made last, once it was checked

A collection's properties name the version and its manifest; they are set when it is made. What becomes known later is
said by an alias, since servers may forget properties that are changed (2.3.5 does, when it is started again).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from indexer.catalogue.records import Medium
from indexer.errors import ConfigError, EngineMismatch
from indexer.filter_columns import FilterColumns
from indexer.milvus.expressions import known_numbers
from indexer.milvus.library import CollectionSchema, DataType, MilvusClient
from indexer.space import MEDIA
from indexer.vector_index.base import Floats

ROW, VECTOR, GENRES = "row", "vector", "genres"
METRIC: Final = "IP"
#: Up to so many rows every vector is compared; beyond, those of the nearest lists. A graph (hnsw) misses too many: the
#: vectors differ in length, and inner products of such lead a walk astray (see docs/milvus.md).
COMPARED_ROWS: Final = 200_000
#: Kind of index → what it is built with, and the name of what widens a search.
_KINDS: Final[dict[str, tuple[dict[str, int], str]]] = {
    "flat": ({}, ""),
    "hnsw": ({"M": 32, "efConstruction": 256}, "ef"),
    "ivf_flat": ({"nlist": 1_024}, "nprobe"),
}
INDEX_KINDS: Final = ("auto", *_KINDS)
_WIDTHS: Final[dict[str, tuple[int, ...]]] = {
    "flat": (0,),
    "hnsw": (64, 128, 256, 512, 1_024, 2_048, 4_096),
    "ivf_flat": (16, 32, 64, 128, 256, 512, 1_024),
}
#: A plain letter or digit, or ``_`` and a byte in hexadecimal digits.
_ENCODED: Final = re.compile(r"(?:[A-Za-z0-9]|_[0-9a-f]{2})+")
_OF: Final = "segue."
_MOST_GENRES: Final = 4_096


@dataclass(frozen=True, slots=True)
class IndexChoice:
    """How Milvus indexes a collection, and how wide a search of it looks: 0 where all rows are compared."""

    kind: str
    width: int = 0

    @property
    def is_exact(self) -> bool:
        """Whether every allowed row is compared."""
        return self.kind == "flat"

    @property
    def type(self) -> str:
        """What Milvus calls it."""
        return self.kind.upper()

    @property
    def built_with(self) -> dict[str, int]:
        """Its parameters at building."""
        return dict(_KINDS[self.kind][0])

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths to choose from, the cheapest first."""
        return _WIDTHS[self.kind]

    def params(self, depth: int) -> dict[str, int]:
        """Search parameters for ``depth`` rows."""
        name = _KINDS[self.kind][1]
        if not name:
            return {}
        # A walk has to look at no fewer rows than it returns.
        return {name: max(self.width, depth) if name == "ef" else self.width}


def choose_index(kind: str, rows: int) -> IndexChoice:
    """The index for so many rows where ``kind`` is "auto", else that kind; ConfigError for an unknown one."""
    if kind not in INDEX_KINDS:
        raise ConfigError(f"unknown Milvus index {kind!r}; known are: {', '.join(INDEX_KINDS)}")
    if kind == "auto":
        kind = "flat" if rows <= COMPARED_ROWS else "ivf_flat"
    return IndexChoice(kind, _WIDTHS[kind][-1])


@dataclass(frozen=True, slots=True)
class Held:
    """What a collection says of itself: whose it is, how many rows it is to hold, and whether it does."""

    prefix: str
    version: str
    medium: Medium
    rows: int
    dimension: int
    manifest_sha256: str
    index: IndexChoice
    is_whole: bool = False
    name: str = field(default="", compare=False)
    #: Tells a collection from earlier ones of its name, whose aliases some servers keep.
    made: str = field(default="", compare=False)

    @property
    def mark(self) -> str:
        """The alias that says that the collection is whole, and how wide it is searched."""
        return f"{self.name}_{self.made}_whole_{self.index.width}"

    def to_properties(self) -> dict[str, str]:
        """As properties of the collection, all of them text."""
        return {
            f"{_OF}prefix": self.prefix,
            f"{_OF}version": self.version,
            f"{_OF}medium": self.medium,
            f"{_OF}rows": str(self.rows),
            f"{_OF}dimension": str(self.dimension),
            f"{_OF}manifest_sha256": self.manifest_sha256,
            f"{_OF}index": self.index.kind,
            f"{_OF}made": self.made,
        }

    @classmethod
    def read(cls, described: Mapping[str, Any], aliases: Iterable[str]) -> Held:
        """What Milvus describes, with its aliases; EngineMismatch where it is no collection of an index version."""
        name = str(described.get("collection_name", ""))
        said = described.get("properties") or {}
        vectors = [f for f in described.get("fields", ()) if f["name"] == VECTOR]
        try:
            made = said[f"{_OF}made"]
            width = _read_width(aliases, f"{name}_{made}_whole_")
            medium = next(m for m in MEDIA if m == said[f"{_OF}medium"])
            return cls(
                prefix=said[f"{_OF}prefix"],
                version=said[f"{_OF}version"],
                medium=medium,
                rows=int(said[f"{_OF}rows"]),
                # What it is, not what it says: a search with another dimension fails.
                dimension=int(vectors[0]["params"]["dim"]),
                manifest_sha256=said[f"{_OF}manifest_sha256"],
                index=IndexChoice(said[f"{_OF}index"], width or 0),
                is_whole=width is not None,
                name=name,
                made=made,
            )
        except (KeyError, ValueError, TypeError, IndexError, StopIteration) as error:
            raise EngineMismatch(f"the collection {name} on Milvus is none of an index version") from error


def _read_width(aliases: Iterable[str], mark: str) -> int | None:
    for alias in aliases:
        width = alias.removeprefix(mark)
        if width != alias and width.isdecimal():
            return int(width)
    return None


def name_collection(prefix: str, version: str, medium: Medium) -> str:
    """The name of a version's collection: letters, digits and ``_`` only, and no two versions share one."""
    encoded = "".join(
        chr(byte) if chr(byte).isascii() and chr(byte).isalnum() else f"_{byte:02x}"
        for byte in version.encode()
    )
    return f"{prefix}_{encoded}_{medium}"


def read_version(prefix: str, collection: str) -> str | None:
    """The version whose collection has this name; None for a name that is none of ours."""
    body, _, medium = collection.removeprefix(f"{prefix}_").rpartition("_")
    if not collection.startswith(f"{prefix}_") or medium not in MEDIA or not _ENCODED.fullmatch(body):
        return None
    try:
        return re.sub(rb"_([0-9a-f]{2})", lambda m: bytes.fromhex(m[1].decode()), body.encode()).decode()
    except UnicodeDecodeError:
        return None


def make_schema(columns: FilterColumns, dimension: int, description: str) -> CollectionSchema:
    """Rows, vectors and what the medium is filtered by."""
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False, description=description)
    schema.add_field(ROW, DataType.INT64, is_primary=True)
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=dimension)
    most = int(np.diff(columns.genre_codes()[0]).max(initial=1))
    if most > _MOST_GENRES:
        raise EngineMismatch(f"an item has {most} genres; Milvus takes {_MOST_GENRES}")
    schema.add_field(GENRES, DataType.ARRAY, element_type=DataType.INT32, max_capacity=max(most, 1))
    for name in columns.names:
        kind = DataType.DOUBLE if columns.values(name).dtype == np.float64 else DataType.INT64
        schema.add_field(name, kind)
    return schema


class RowWriter:
    """Makes the entities of rows: what a collection holds of each."""

    def __init__(self, columns: FilterColumns) -> None:
        self._starts, self._codes = columns.genre_codes()
        self._values = {
            name: known_numbers(values) if values.dtype == np.float64 else values
            for name, values in ((name, columns.values(name)) for name in columns.names)
        }

    def write(self, start: int, vectors: Floats) -> list[dict[str, Any]]:
        """The entities of the rows from ``start`` on, whose vectors (n, d) float32 these are."""
        rows = slice(start, start + len(vectors))
        lists = {name: values[rows].tolist() for name, values in self._values.items()}
        return [
            {
                ROW: start + place,
                VECTOR: vector,
                GENRES: self._codes[self._starts[start + place] : self._starts[start + place + 1]].tolist(),
                **{name: values[place] for name, values in lists.items()},
            }
            for place, vector in enumerate(vectors)
        ]
