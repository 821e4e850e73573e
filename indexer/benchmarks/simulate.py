"""How slow the slowest of many shards is: a simulation fed with measured latencies, and what a catalogue needs.

A search over shards waits for all of them, so its time is the slowest one's (Dean and Barroso 2013, "The tail at
scale"). Every shard has some replicas, each a queue that works off one request after the other; a request goes to the
replica that is free the soonest. A hedged request is sent to another replica as well where no answer came within a
set time, and the first answer counts; the other is worked off to its end. Times are drawn from the sample, each on
its own: neighbours that slow down several shards at once are not in it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.benchmarks import findings, million_costs
from indexer.benchmarks.findings import Findings, Table, percentiles
from indexer.benchmarks.surroundings import describe as describe_surroundings
from indexer.errors import ConfigError, UnreadableFile

Times = npt.NDArray[np.float64]
#: Draws so many service times (shape), in milliseconds.
Draw = Callable[[np.random.Generator, tuple[int, int]], Times]

#: Of the first requests, which meet empty queues, this share is not counted where there is load.
_WARM_UP_SHARE = 0.1
_HEDGE_PERCENTILE = 95
_HEDGE_MOST = 0.05
_AT_REST = 1e-6


@dataclass(frozen=True)
class Fleet:
    """``shards`` with ``replicas`` each; ``hedge_ms``: after which a request is sent again (None: never).

    ``hedge_most``: the share of a shard's requests that may be sent again: without a limit a queue that is late once
    sends ever more. ``merge_ms``: what putting the shards' answers together takes, added to every search.
    """

    shards: int
    replicas: int = 1
    hedge_ms: float | None = None
    merge_ms: float = 0.0
    hedge_most: float = 1.0

    def __post_init__(self) -> None:
        if self.shards < 1 or self.replicas < 1:
            raise ConfigError("there must be at least one shard and one replica of each")
        if self.hedge_ms is not None and self.replicas < 2:
            raise ConfigError("a request can be sent again only where a shard has another replica")


def sample_of(times_ms: Times) -> Draw:
    """Draw from measured times. ConfigError where there are none, or one is not a time."""
    if not len(times_ms) or not np.isfinite(times_ms).all() or times_ms.min() < 0:
        raise ConfigError("latencies must be finite and not negative, and there must be some")
    return lambda random, shape: random.choice(times_ms, shape)


def simulate(draw: Draw, fleet: Fleet, rate_per_s: float, queries: int, seed: int) -> Times:
    """Milliseconds (n,) of each search at so many arrivals a second (Poisson), the first tenth left out."""
    random = np.random.default_rng(seed)
    arrivals = np.cumsum(random.exponential(1000 / max(rate_per_s, _AT_REST), queries))
    first = draw(random, (queries, fleet.shards))
    again = draw(random, (queries, fleet.shards)) if fleet.hedge_ms is not None else first
    free = np.zeros((fleet.shards, fleet.replicas))
    shards = np.arange(fleet.shards)
    done = np.empty((queries, fleet.shards))
    used = np.empty((queries, fleet.shards), np.int64)
    hedged = np.zeros(fleet.shards)
    for place, is_hedge in _in_order(arrivals, fleet.hedge_ms):
        if not is_hedge:
            chosen = free.argmin(axis=1)
            ends = np.maximum(free[shards, chosen], arrivals[place]) + first[place]
            free[shards, chosen] = ends
            done[place], used[place] = ends, chosen
            continue
        now = arrivals[place] + (fleet.hedge_ms or 0.0)
        late = np.flatnonzero((done[place] > now) & (hedged < fleet.hedge_most * (place + 1)))
        hedged[late] += 1
        others = free[late].copy()
        others[np.arange(len(late)), used[place, late]] = np.inf
        chosen = others.argmin(axis=1)
        ends = np.maximum(free[late, chosen], now) + again[place, late]
        free[late, chosen] = ends
        done[place, late] = np.minimum(done[place, late], ends)
    slowest: Times = done.max(axis=1) - arrivals + fleet.merge_ms
    return slowest[int(_WARM_UP_SHARE * queries) :]


def _in_order(arrivals: Times, hedge_ms: float | None) -> Iterator[tuple[int, bool]]:
    """Arrivals, and the times at which their late requests are sent again, as they come."""
    if hedge_ms is None:
        yield from ((place, False) for place in range(len(arrivals)))
        return
    hedged = 0
    for place, now in enumerate(arrivals.tolist()):
        while hedged < place and arrivals[hedged] + hedge_ms <= now:
            yield hedged, True
            hedged += 1
        yield place, False
    yield from ((place, True) for place in range(hedged, len(arrivals)))


def read_samples(path: Path) -> dict[str, Times]:
    """Name → measured times (n,) ms, from what ``million --json`` wrote or ``{"latencies_ms": {name: […]}}``."""
    try:
        whole = json.loads(path.read_bytes())
        found = dict(whole.get("latencies_ms", {}))
        for name, stage in whole.get("stages", {}).items():
            if "unfiltered_ms" in stage:
                found[name] = stage["unfiltered_ms"]
            found |= {row["scenario"]: row["http_ms"] for row in stage.get("scenarios", ())}
        samples = {name: np.asarray(times, np.float64) for name, times in found.items()}
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise UnreadableFile(f"{path} holds no latencies: {error}") from error
    if not samples:
        raise UnreadableFile(f"{path} holds no latencies")
    return samples


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``run`` reads."""
    parser.add_argument("--latencies", type=Path, required=True, help="JSON that million --json wrote")
    parser.add_argument("--sample", default="films for a song", help="which of its lists is one shard's")
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64, 128])
    parser.add_argument(
        "--loads",
        type=float,
        nargs="+",
        default=[0.0, 0.3, 0.6],
        help="shares of a replica's time that is asked for",
    )
    parser.add_argument("--merge-ms", type=float, default=0.5, help="of putting answers together (0.5)")
    parser.add_argument("--queries", type=int, default=20_000, help="of each simulation (20,000)")
    parser.add_argument("--seed", type=int, default=0)
    million_costs.add_arguments(parser)
    findings.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Simulate and deliver."""
    if options.queries < 100 or not all(0 <= load < 1 for load in options.loads):
        raise ConfigError("queries must be at least 100, and loads at least 0 and below 1")
    samples = read_samples(options.latencies)
    if options.sample not in samples:
        raise ConfigError(f"there is no list {options.sample!r}; there are: {', '.join(samples)}")
    times = samples[options.sample]
    rows = [
        {"shards": shards, **outcome}
        for shards in options.shards
        for outcome in _try_fleets(times, shards, options)
    ]
    sample = percentiles(times)
    found = Findings(
        "simulate",
        describe_surroundings(options.seed, ("numpy",)),
        [_table(rows, options), *million_costs.make_tables(options)],
        {"sample": {"name": options.sample, "count": len(times), **sample}, "fleets": rows},
        [
            f"One shard: {options.sample}, {len(times):,} measured times, p50 {sample['p50_ms']:.2f} ms, p99 "
            f"{sample['p99_ms']:.2f} ms. Merging adds {options.merge_ms:g} ms. Networks add nothing here.",
            f"Hedged: what has no answer after the sample's {_HEDGE_PERCENTILE}th percentile goes to another replica, "
            f"at most {100 * _HEDGE_MOST:g} % of the requests; the other answer is worked off all the same.",
            *million_costs.tell_assumptions(options),
        ],
    )
    findings.deliver(found, options)
    return 0


def _try_fleets(times: Times, shards: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    hedge_ms = float(np.percentile(times, _HEDGE_PERCENTILE))
    outcomes = []
    for replicas, hedge in ((1, None), (2, None), (2, hedge_ms)):
        fleet = Fleet(shards, replicas, hedge, options.merge_ms, _HEDGE_MOST)
        for load in options.loads:
            rate = 1000 * load * replicas / float(times.mean())
            found = simulate(sample_of(times), fleet, rate, options.queries, options.seed)
            outcomes.append(
                {"replicas": replicas, "hedged": hedge is not None, "load": load, **percentiles(found)}
            )
    return outcomes


def _table(rows: list[dict[str, Any]], options: argparse.Namespace) -> Table:
    heads, lines = ["shards"], {shards: [str(shards)] for shards in options.shards}
    for row in rows:
        name = f"{row['replicas']} replica{'s' if row['replicas'] > 1 else ''}"
        name += f"{', hedged' if row['hedged'] else ''}, load {100 * row['load']:g} %"
        if name not in heads:
            heads.append(name)
        lines[row["shards"]].append(f"{row['p50_ms']:.1f} / {row['p99_ms']:.1f}")
    return Table("Waiting for the slowest shard: p50 / p99, ms", heads, list(lines.values()))
