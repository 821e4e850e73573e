"""Figures from the requests of a run: rates, percentiles, errors, and when published versions began to answer."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from indexer.errors import SegueError

#: Columns of the file that the requesting process writes, a row a request.
COLUMNS = ("started_at", "scenario", "took_ms", "status", "version", "fault")
#: So long after a publication, or until its version answers, a request counts as made during a swap.
DURING_SWAP_S = 5.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One request. ``started_at`` in seconds of the epoch.

    ``version`` is "" where the reply names none, ``fault`` "" where it is right.
    """

    started_at: float
    scenario: str
    took_ms: float
    status: int
    version: str
    fault: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What some requests come to; times in milliseconds, percentiles by nearest rank."""

    requests: int
    errors: int
    rps: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    worst_ms: float

    @property
    def error_share(self) -> float:
        """Errors as a share of requests."""
        return self.errors / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class Publication:
    """A version published at ``at`` (seconds of the epoch), which took ``took_s``.

    ``seen_after_s``: from then to the end of the first reply by that version, None without one; ``late_replies``:
    requests begun after that reply came which another version answered all the same; ``observed_s``: how long requests
    were made before the next publication or the end.
    """

    at: float
    version: str
    took_s: float
    seen_after_s: float | None = None
    late_replies: int = 0
    observed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Swaps:
    """Publications during a run, changes of the answering version from one request to the next, failures to publish."""

    published: tuple[Publication, ...]
    changes: int
    failures: tuple[str, ...] = ()

    @property
    def seen(self) -> int:
        """Publications whose version came to answer."""
        return sum(event.seen_after_s is not None for event in self.published)


def read_measured(path: Path) -> list[Measured]:
    """Read the requests in the order in which they began; raises ``SegueError`` where there are none."""
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = [
                Measured(
                    float(row["started_at"]),
                    row["scenario"],
                    float(row["took_ms"]),
                    int(row["status"]),
                    row["version"],
                    row["fault"],
                )
                for row in csv.DictReader(stream)
            ]
    except FileNotFoundError as error:
        raise SegueError(f"locust ended without writing {path.name}; see locust.log") from error
    if not rows:
        raise SegueError("not one request was made; see locust.log")
    return sorted(rows, key=lambda row: row.started_at)


def summarise(rows: Sequence[Measured], seconds: float) -> Figures:
    """Sum up ``rows`` made within ``seconds``."""
    times = sorted(row.took_ms for row in rows)
    return Figures(
        requests=len(rows),
        errors=sum(bool(row.fault) for row in rows),
        rps=len(rows) / seconds if seconds > 0 else 0.0,
        p50_ms=percentile(times, 50),
        p95_ms=percentile(times, 95),
        p99_ms=percentile(times, 99),
        worst_ms=times[-1] if times else 0.0,
    )


def percentile(ascending: Sequence[float], percent: float) -> float:
    """The smallest value that ``percent`` of all do not exceed (nearest rank); 0 of none."""
    if not ascending:
        return 0.0
    return ascending[max(1, math.ceil(len(ascending) * percent / 100)) - 1]


def span_s(rows: Sequence[Measured]) -> float:
    """Seconds from the first request to the last reply."""
    return max(row.started_at + row.took_ms / 1000 for row in rows) - rows[0].started_at


def by_scenario(rows: Sequence[Measured]) -> dict[str, Figures]:
    """Figures of each scenario, in alphabetical order; rates over the whole run."""
    seconds = span_s(rows)
    names = sorted({row.scenario for row in rows})
    return {name: summarise([row for row in rows if row.scenario == name], seconds) for name in names}


def count_faults(rows: Sequence[Measured]) -> list[tuple[str, str, int]]:
    """Scenario, fault and how often, most frequent first."""
    counts = Counter((row.scenario, row.fault) for row in rows if row.fault)
    return [(scenario, fault, count) for (scenario, fault), count in counts.most_common()]


def follow_swaps(
    rows: Sequence[Measured], published: Sequence[Publication], failures: Sequence[str] = ()
) -> Swaps:
    """Find when each publication was first answered by; ``rows`` in the order in which they began."""
    ended_at = rows[-1].started_at
    answered = [row for row in rows if row.version]
    changes = sum(a.version != b.version for a, b in pairwise(answered))
    followed = []
    for number, event in enumerate(published, start=1):
        until = published[number].at if number < len(published) else ended_at
        window = [row for row in answered if event.at <= row.started_at < until]
        first = min((_end(row) for row in window if row.version == event.version), default=None)
        late = sum(row.version != event.version and row.started_at > first for row in window) if first else 0
        seen = None if first is None else first - event.at
        followed.append(
            Publication(event.at, event.version, event.took_s, seen, late, max(0.0, until - event.at))
        )
    return Swaps(tuple(followed), changes, tuple(failures))


def split_by_swaps(
    rows: Sequence[Measured], published: Sequence[Publication]
) -> tuple[list[Measured], list[Measured]]:
    """Requests made while a version was being published and opened, and all others."""
    windows = [
        (event.at - event.took_s, event.at + max(DURING_SWAP_S, event.seen_after_s or 0.0))
        for event in published
    ]
    during: list[Measured] = []
    steady: list[Measured] = []
    for row in rows:
        near = any(begin <= row.started_at < end for begin, end in windows)
        (during if near else steady).append(row)
    return during, steady


def _end(row: Measured) -> float:
    return row.started_at + row.took_ms / 1000
