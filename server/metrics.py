"""Counts and latencies for Prometheus, at /metrics: of one process, or of all workers of a server together."""

from __future__ import annotations

import time
from pathlib import Path

from flask import Blueprint, Flask, Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_STAGE_BUCKETS_S = (0.0001, 0.00025, *_BUCKETS_S)


class Metrics:
    """The figures of one application, in a registry of its own, so that two in one process do not mix.

    With ``folder``, the one that ``share_metrics`` prepared, every worker writes into it and each gives the sums.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._registry = CollectorRegistry()
        self._folder = folder
        self._requests = Counter(
            "segue_requests", "Requests by route and status.", ("route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "segue_request_seconds",
            "Time to answer, by route.",
            ("route",),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._stage_seconds = Histogram(
            "segue_search_stage_seconds",
            "Time that a search spends in each of its stages.",
            ("stage",),
            buckets=_STAGE_BUCKETS_S,
            registry=self._registry,
        )
        self._served = Gauge(
            "segue_index_version",
            "Workers that answer from the version; 0 for one that was served before.",
            ("version",),
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._swaps = Counter(
            "segue_swaps", "Index versions taken into service while running.", registry=self._registry
        )
        self._refusals = Counter(
            "segue_refusals", "Index versions that were refused.", registry=self._registry
        )
        self._key_file_errors = Counter(
            "segue_key_file_errors",
            "Looks at the file of API keys that found it unreadable or malformed.",
            registry=self._registry,
        )
        # What labels() finds takes longer than the counting itself.
        self._counted: dict[tuple[str, int], Counter] = {}
        self._timed: dict[str, Histogram] = {}
        self._staged: dict[str, Histogram] = {}
        self._version: str | None = None

    def on_request(self, route: str, status: int, seconds: float) -> None:
        """Count one request; ``route`` is a rule, not an address: ids in labels would grow without end."""
        counted = self._counted.get((route, status))
        if counted is None:
            counted = self._counted[route, status] = self._requests.labels(route, str(status))
        counted.inc()
        timed = self._timed.get(route)
        if timed is None:
            timed = self._timed[route] = self._seconds.labels(route)
        timed.observe(seconds)

    def on_stage(self, stage: str, seconds: float) -> None:
        """Note how long one stage of a search took."""
        staged = self._staged.get(stage)
        if staged is None:
            staged = self._staged[stage] = self._stage_seconds.labels(stage)
        staged.observe(seconds)

    def on_open(self, version: str) -> None:
        """Note the version that this process answers from, from its start on."""
        if self._version is not None and self._version != version:
            self._served.labels(self._version).set(0)
        self._served.labels(version).set(1)
        self._version = version

    def on_swap(self, version: str) -> None:
        """Count a version taken into service while running."""
        self._swaps.inc()
        self.on_open(version)

    def on_refusal(self, version: str, reason: str) -> None:  # noqa: ARG002
        """Count a version that was refused; the reason is for the log."""
        self._refusals.inc()

    def on_key_file_error(self) -> None:
        """Count a look at the file of API keys that failed."""
        self._key_file_errors.inc()

    def show(self) -> bytes:
        """Write all figures in the text form of Prometheus."""
        registry = self._registry
        if self._folder is not None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, path=str(self._folder))  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def register_metrics(app: Flask, version: str | None = None, folder: Path | None = None) -> Metrics:
    """Measure every request of ``app`` and serve the figures; ``version`` names what answers, None if nothing yet."""
    metrics = Metrics(folder)
    if version is not None:
        metrics.on_open(version)
    pages = Blueprint("metrics", __name__)

    @app.before_request
    def start() -> None:
        g.started_at = time.perf_counter()

    @app.after_request
    def count(response: Response) -> Response:
        rule = request.url_rule
        route = rule.rule if rule is not None else "none"
        metrics.on_request(route, response.status_code, time.perf_counter() - g.started_at)
        return response

    @pages.get("/metrics")
    def show() -> Response:
        return Response(metrics.show(), content_type=CONTENT_TYPE_LATEST)

    app.register_blueprint(pages)
    return metrics


def forget_worker(pid: int, folder: Path | None) -> None:
    """Take a worker that ended out of the figures that only the living count in; what it counted stays."""
    if folder is not None:
        mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
