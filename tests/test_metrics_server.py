"""The figures at /metrics: of one process, and of several together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask, Response
from prometheus_client.parser import text_string_to_metric_families

from server.metrics import Metrics, forget_worker, register_metrics

ROOT = Path(__file__).resolve().parents[1]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> Samples:
    """All samples: (name, labels) → value."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def make() -> tuple[Flask, Metrics]:
    app = Flask("server")
    metrics = register_metrics(app, "v1")
    app.add_url_rule("/v1/tracks/<id>", "track", lambda id: Response(status=404 if id == "x" else 200))
    return app, metrics


def test_requests_are_counted_by_rule_and_status_and_timed():
    app, _ = make()
    client = app.test_client()
    for path in ("/v1/tracks/1", "/v1/tracks/2", "/v1/tracks/x", "/nowhere", "/elsewhere"):
        client.get(path)
    text = client.get("/metrics").text
    samples = read(text)
    route = "/v1/tracks/<id>"
    assert value(samples, "segue_requests_total", route=route, status="200") == 2
    assert value(samples, "segue_requests_total", route=route, status="404") == 1
    assert value(samples, "segue_requests_total", route="none", status="404") == 2
    assert value(samples, "segue_request_seconds_count", route=route) == 3
    assert value(samples, "segue_request_seconds_bucket", route=route, le="+Inf") == 3
    assert 0 < (value(samples, "segue_request_seconds_sum", route=route) or 0) < 60
    assert "/v1/tracks/1" not in text


def test_the_reply_is_in_the_form_of_prometheus():
    reply = make()[0].test_client().get("/metrics")
    assert reply.headers["Content-Type"].startswith("text/plain; version=")


def test_stages_are_timed_in_their_buckets():
    _, metrics = make()
    for seconds in (0.0002, 0.002, 0.3):
        metrics.on_stage("rank", seconds)
    samples = read(metrics.show().decode())
    name = "segue_search_stage_seconds"
    buckets = {
        le: value(samples, f"{name}_bucket", stage="rank", le=le)
        for le in ("0.0001", "0.00025", "0.0025", "0.5")
    }
    assert buckets == {"0.0001": 0, "0.00025": 1, "0.0025": 2, "0.5": 3}
    assert value(samples, f"{name}_sum", stage="rank") == pytest.approx(0.3022)


def test_the_served_version_follows_swaps_which_are_counted():
    _, metrics = make()
    before = read(metrics.show().decode())
    assert value(before, "segue_index_version", version="v1") == 1
    assert value(before, "segue_swaps_total") == 0
    metrics.on_swap("v2")
    metrics.on_refusal("v3", "damaged")
    metrics.on_refusal("v4", "damaged")
    after = read(metrics.show().decode())
    assert value(after, "segue_index_version", version="v1") == 0
    assert value(after, "segue_index_version", version="v2") == 1
    assert value(after, "segue_index_version", version="v3") is None
    assert value(after, "segue_swaps_total") == 1
    assert value(after, "segue_refusals_total") == 2


def test_a_version_may_come_back():
    _, metrics = make()
    metrics.on_swap("v2")
    metrics.on_swap("v1")
    samples = read(metrics.show().decode())
    served = {version: value(samples, "segue_index_version", version=version) for version in ("v1", "v2")}
    assert served == {"v1": 1, "v2": 0}


def test_errors_of_the_key_file_are_counted():
    _, metrics = make()
    metrics.on_key_file_error()
    assert value(read(metrics.show().decode()), "segue_key_file_errors_total") == 1


def test_two_applications_in_one_process_do_not_mix():
    (first, _), (second, _) = make(), make()
    first.test_client().get("/v1/tracks/1")
    samples = read(second.test_client().get("/metrics").text)
    assert value(samples, "segue_requests_total", route="/v1/tracks/<id>", status="200") is None


_WORKERS = """
import os, sys
from pathlib import Path
from server.settings import Settings, share_metrics
folder = share_metrics(Settings(metrics_folder=Path(sys.argv[1])))
from flask import Flask
from server.metrics import forget_worker, register_metrics

# As under gunicorn: the application is made once, its workers are forked.
app = Flask("server")
metrics = register_metrics(app, folder=folder)
app.add_url_rule("/one", "one", lambda: "1")

def work(requests, version):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        metrics.on_open("v1")
        for _ in range(requests):
            app.test_client().get("/one")
        metrics.on_stage("rank", 0.5)
        if version != "v1":
            metrics.on_swap(version)
        os.write(writing, b".")
        os.close(writing)
        sys.stdin.buffer.read(1)  # lives until the test has read the figures
        os._exit(0)
    os.close(writing)
    assert os.read(reading, 1) == b"."
    os.close(reading)
    return pid

workers = [work(3, "v1"), work(4, "v2")]
sys.stdout.write(metrics.show().decode() + "\\n=====\\n")
import signal
os.kill(workers[0], signal.SIGKILL)
os.waitpid(workers[0], 0)
forget_worker(workers[0], folder)
sys.stdout.write(metrics.show().decode())
os.kill(workers[1], signal.SIGKILL)
os.waitpid(workers[1], 0)
"""


def test_workers_figures_add_up_and_only_the_living_serve(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", _WORKERS, str(tmp_path / "figures")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    both, one_left = (read(text) for text in ended.stdout.split("\n=====\n"))
    for samples in (both, one_left):  # what an ended worker counted stays
        assert value(samples, "segue_requests_total", route="/one", status="200") == 7
        assert value(samples, "segue_request_seconds_count", route="/one") == 7
        assert value(samples, "segue_search_stage_seconds_sum", stage="rank") == 1.0
        assert value(samples, "segue_swaps_total") == 1
    assert value(both, "segue_index_version", version="v1") == 1
    assert value(both, "segue_index_version", version="v2") == 1
    assert value(one_left, "segue_index_version", version="v1") in (0, None)
    assert value(one_left, "segue_index_version", version="v2") == 1


def test_without_a_shared_folder_there_is_nothing_to_forget():
    forget_worker(1, None)
