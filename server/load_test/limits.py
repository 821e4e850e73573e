"""Limits that a load test must keep, and the lines that say which were broken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from http import HTTPStatus
from typing import Self

from indexer.errors import ConfigError
from server.load_test.measurements import Figures, Measured, Swaps


@dataclass(frozen=True, slots=True)
class Limits:
    """The worst that passes. Times over all requests; ``error_share`` from 0 to 1; ``rps`` is a least rate.

    ``swap_s``: from a publication to the first reply of the published version.
    """

    p95_ms: float = 150.0
    p99_ms: float = 300.0
    error_share: float = 0.0
    rps: float = 20.0
    swap_s: float = 15.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``p95_ms=100,rps=50``; what is not named keeps its default. Raises ``ConfigError``."""
        values = asdict(cls())
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, equals, number = part.partition("=")
            if not equals or name not in values:
                raise ConfigError(f"unknown limit {part!r}; known: {', '.join(f.name for f in fields(cls))}")
            try:
                values[name] = float(number)
            except ValueError as error:
                raise ConfigError(f"the limit {name} must be a number, not {number!r}") from error
            if not (math.isfinite(values[name]) and values[name] >= 0):
                raise ConfigError(f"the limit {name} must be a number from 0, not {number!r}")
        return cls(**values)


def find_broken(limits: Limits, figures: Figures, swaps: Swaps) -> list[str]:
    """Say which limits are broken: a line each, the limit first; none where all hold."""
    broken = []
    for name in ("p95_ms", "p99_ms"):
        most, found = getattr(limits, name), getattr(figures, name)
        if found > most:
            broken.append(f"{name}: {found:.1f} ms is above the limit of {most:g} ms")
    if figures.error_share > limits.error_share:
        broken.append(
            f"error_share: {figures.errors} of {figures.requests} requests failed "
            f"({figures.error_share:.4%}), the limit is {limits.error_share:.4%}"
        )
    if figures.rps < limits.rps:
        broken.append(f"rps: {figures.rps:.1f} requests a second are below the limit of {limits.rps:g}")
    for event in swaps.published:
        if event.seen_after_s is None and event.observed_s > limits.swap_s:
            broken.append(
                f"swap_s: {event.version} never answered in the {event.observed_s:.1f} s after its publication"
            )
        elif event.seen_after_s is not None and event.seen_after_s > limits.swap_s:
            broken.append(
                f"swap_s: {event.version} answered {event.seen_after_s:.1f} s after its publication, "
                f"the limit is {limits.swap_s:g} s"
            )
    broken += [f"swaps: {failure}" for failure in swaps.failures]
    return broken


def find_needless_refusals(rows: Sequence[Measured], swaps: Swaps) -> list[str]:
    """Say so where pages were refused as another version's although one version answered all along."""
    refused = sum(row.status == HTTPStatus.CONFLICT and not row.fault for row in rows)
    if refused and not swaps.changes:
        return [f"paging: {refused} pages were refused for another index version, yet only one ever answered"]
    return []
