"""What catalogues of several sizes need, by arithmetic from measured figures and prices that are inputs."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from typing import Any

from indexer.benchmarks.findings import Table
from indexer.errors import ConfigError

_GIB = 2**30
_HOURS_A_MONTH = 730.0


@dataclass(frozen=True)
class Needs:
    """What so many items need. Sizes in GiB, prices in the unit that they were given in."""

    items: int
    index_gib: float
    other_gib: float
    disk_gib: float
    nodes: int
    encode_hours: float
    encode_price: float
    month_price: float


@dataclass(frozen=True)
class Rates:
    """Measured figures, in bytes an item unless they say otherwise, and assumed prices.

    ``index_bytes``: resident of the vector index; ``other_bytes``: resident of all else; ``disk_bytes``: files.
    ``encode_rate``: texts a second on a node; ``texts_an_item``; ``node_gib`` and ``node_cores`` of a node, of whose
    memory ``usable`` is for the index and the rest; prices are per core and per GiB, an hour.
    """

    index_bytes: float
    other_bytes: float
    disk_bytes: float
    encode_rate: float
    texts_an_item: float
    node_gib: float
    node_cores: int
    usable: float
    core_hour: float
    gib_hour: float

    def __post_init__(self) -> None:
        if min(self.encode_rate, self.node_gib, self.node_cores, self.usable) <= 0:
            raise ConfigError("rates, cores and memory of a node must be above 0")

    @property
    def node_hour(self) -> float:
        """What a node costs an hour."""
        return self.node_cores * self.core_hour + self.node_gib * self.gib_hour

    def needs(self, items: int) -> Needs:
        """What so many items need, one replica of each shard."""
        index_gib, other_gib, disk_gib = (
            items * size / _GIB for size in (self.index_bytes, self.other_bytes, self.disk_bytes)
        )
        nodes = math.ceil((index_gib + other_gib) / (self.node_gib * self.usable))
        encode_hours = items * self.texts_an_item / self.encode_rate / 3600
        return Needs(
            items,
            index_gib,
            other_gib,
            disk_gib,
            nodes,
            encode_hours,
            encode_hours * self.node_hour,
            nodes * self.node_hour * _HOURS_A_MONTH,
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the figures and prices; the defaults are those of docs/scale.md."""
    add: Any = parser.add_argument
    add("--items", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000, 100_000_000])
    add("--kinds", nargs="+", default=["codes=2588", "ivf=292", "rabitq=100"], metavar="KIND=BYTES",
        help="resident bytes a vector by kind of index")  # fmt: skip
    add("--other-bytes", type=float, default=430.0, help="resident bytes an item of all else (430)")
    add("--disk-bytes", type=float, default=3_600.0, help="bytes an item on disk (3,600)")
    add("--encode-rate", type=float, default=380.0, help="texts a second on one node (380)")
    add("--texts-an-item", type=float, default=1.5, help="texts that an item is encoded from (1.5)")
    add("--node-gib", type=float, default=24.0, help="memory of a node (24)")
    add("--node-cores", type=int, default=2, help="cores of a node (2)")
    add("--usable", type=float, default=0.7, help="share of a node's memory to fill (0.7)")
    add("--core-hour", type=float, default=0.03, help="assumed price of a core, an hour (0.03)")
    add("--gib-hour", type=float, default=0.004, help="assumed price of a GiB, an hour (0.004)")


def make_tables(options: argparse.Namespace) -> list[Table]:
    """One table for each kind of index. ConfigError for a kind without its bytes."""
    return [_make_table(name, _rates(options, size), options.items) for name, size in _kinds(options.kinds)]


def tell_assumptions(options: argparse.Namespace) -> list[str]:
    """The figures that the tables go by, in words."""
    return [
        f"A node has {options.node_cores} cores and {options.node_gib:g} GiB, {100 * options.usable:g} % of which is "
        f"filled. Assumed prices: {options.core_hour:g} a core-hour, {options.gib_hour:g} a GiB-hour. All else is "
        f"{options.other_bytes:g} bytes an item in memory; {options.disk_bytes:g} bytes an item are on disk; "
        f"{options.texts_an_item:g} texts an item are encoded at {options.encode_rate:g} a second and node.",
    ]


def _kinds(given: list[str]) -> list[tuple[str, float]]:
    found = []
    for part in given:
        name, _, size = part.partition("=")
        try:
            found.append((name, float(size)))
        except ValueError as error:
            raise ConfigError(f"{part!r} is no kind with its bytes a vector, such as ivf=133") from error
    return found


def _rates(options: argparse.Namespace, index_bytes: float) -> Rates:
    return Rates(
        index_bytes,
        options.other_bytes,
        options.disk_bytes,
        options.encode_rate,
        options.texts_an_item,
        options.node_gib,
        options.node_cores,
        options.usable,
        options.core_hour,
        options.gib_hour,
    )


def _make_table(kind: str, rates: Rates, items: list[int]) -> Table:
    heads = ["items", "index GiB", "all else GiB", "disk GiB", "nodes", "encode, node-hours", "encode, price",
             "serving a month, price", "a month per million items"]  # fmt: skip
    rows = []
    for count in items:
        found = rates.needs(count)
        rows.append(
            [
                f"{count:,}",
                f"{found.index_gib:,.1f}",
                f"{found.other_gib:,.1f}",
                f"{found.disk_gib:,.0f}",
                f"{found.nodes:,}",
                f"{found.encode_hours:,.1f}",
                f"{found.encode_price:,.2f}",
                f"{found.month_price:,.0f}",
                f"{found.month_price / count * 1e6:,.2f}",
            ]
        )
    return Table(f"Kind {kind}, {rates.index_bytes:g} bytes a vector resident", heads, rows)
