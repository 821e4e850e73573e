"""Counts and latencies by route for Prometheus, at /metrics."""

from __future__ import annotations

import time

from flask import Blueprint, Flask, Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


def register_metrics(app: Flask, version: str | None) -> None:
    """Measure every request of ``app`` and serve the figures; ``version`` names what answers, None if nothing.

    Each application has a registry of its own, so that two in one process do not mix.
    """
    registry = CollectorRegistry()
    requests = Counter(
        "segue_requests", "Requests by route and status.", ("route", "status"), registry=registry
    )
    seconds = Histogram(
        "segue_request_seconds",
        "Time to answer, by route.",
        ("route",),
        buckets=_BUCKETS_S,
        registry=registry,
    )
    served = Gauge("segue_index_version", "1 for the version that answers.", ("version",), registry=registry)
    if version is not None:
        served.labels(version).set(1)
    pages = Blueprint("metrics", __name__)

    @app.before_request
    def start() -> None:
        g.started_at = time.perf_counter()

    @app.after_request
    def count(response: Response) -> Response:
        # The rule, not the address: ids in labels would grow without end.
        route = request.url_rule.rule if request.url_rule is not None else "none"
        requests.labels(route, str(response.status_code)).inc()
        if "started_at" in g:
            seconds.labels(route).observe(time.perf_counter() - g.started_at)
        return response

    @pages.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    app.register_blueprint(pages)
