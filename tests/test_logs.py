"""Request ids and log lines."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g, request
from flask.testing import FlaskClient

from indexer.errors import VersionError
from server.access import hash_key, register_access
from server.logs import JsonLines, TextLines, describe_record, register_logs
from server.problems import register_problems
from server.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
FRESH = re.compile(r"[0-9a-f]{32}")
QUERY = "rain on a window"


@pytest.fixture
def client() -> FlaskClient:
    app = Flask("server")
    register_problems(app)
    register_logs(app, lambda: "v7")
    register_access(app, Settings(api_keys=(f"ann:{hash_key('segue_ann')}",)))

    @app.get("/v1/tracks/<id>", endpoint="api.readyz")  # an open one
    def track(id: str) -> str:
        if id == "bug":
            try:
                {}[request.args["q"]]
            except KeyError as error:
                raise RuntimeError(f"cannot find {request.args['q']}") from error
        if id == "closed":
            raise VersionError("the version is damaged")
        logging.getLogger("server.inner").warning("something odd")
        return g.request_id

    @app.post("/v1/search", endpoint="api.search")
    def search() -> str:
        return "found"

    return app.test_client()


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged during a test as JSON lines."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def read(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


@pytest.mark.parametrize("given", ["a", "req-1.2_3", "x" * 128])
def test_a_good_request_id_is_taken_over_everywhere(client, lines, given):
    reply = client.get("/v1/tracks/7", headers={"X-Request-ID": given})
    assert (reply.text, reply.headers["X-Request-ID"]) == (given, given)
    assert [line["request_id"] for line in read(lines)] == [given, given]


@pytest.mark.parametrize("given", [None, "", "a b", "x" * 129, "é", "a;b", "<b>", "a\tb"])
def test_any_other_request_id_is_replaced(client, given):
    headers = {} if given is None else {"X-Request-ID": given}
    first, second = (client.get("/v1/tracks/7", headers=headers) for _ in range(2))
    assert FRESH.fullmatch(first.headers["X-Request-ID"])
    assert first.text == first.headers["X-Request-ID"] != second.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/nowhere", "segue_ann", 404),
        ("/v1/search", "segue_eve", 401),
        ("/v1/search", "segue_ann", 405),
        ("/v1/tracks/bug?q=a", "", 500),
        ("/v1/tracks/closed", "", 503),
    ],
)
def test_problems_carry_the_request_id_too(client, path, key, status):
    reply = client.get(path, headers={"X-Request-ID": "mine", "X-API-Key": key})
    assert (reply.status_code, reply.headers.getlist("X-Request-ID")) == (status, ["mine"])


def test_an_answered_request_is_one_line_with_these_fields(client, lines):
    headers = {"X-Request-ID": "mine", "X-API-Key": "segue_ann"}
    client.post("/v1/search", headers=headers, json={"text": QUERY}, query_string={"q": QUERY})
    (line,) = read(lines)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert 0 < line.pop("seconds") < 60
    assert line == {
        "level": "info",
        "logger": "server.requests",
        "message": "answered",
        "request_id": "mine",
        "method": "POST",
        "route": "/v1/search",
        "status": 200,
        "index_version": "v7",
        "client": "ann",
    }


def test_lines_in_between_belong_to_their_request(client, lines):
    client.get("/v1/tracks/7", headers={"X-Request-ID": "mine"})
    between = read(lines)[0]
    assert between.pop("time")
    assert between == {
        "level": "warning",
        "logger": "server.inner",
        "message": "something odd",
        "request_id": "mine",
        "method": "GET",
        "route": "/v1/tracks/<id>",
    }


def test_an_address_that_does_not_exist_is_not_logged(client, lines):
    client.get(f"/{QUERY}", headers={"X-API-Key": "segue_ann"})
    assert [(line["route"], line["status"]) for line in read(lines)] == [("none", 404)]
    assert QUERY not in lines.getvalue()


def test_an_exception_is_one_field_without_the_query(client, lines):
    reply = client.get("/v1/tracks/bug", query_string={"q": QUERY}, headers={"X-Request-ID": "mine"})
    assert reply.status_code == 500
    failure, answered = read(lines)
    assert (failure["level"], failure["message"]) == ("error", "the request failed: RuntimeError")
    assert (failure["request_id"], failure["route"]) == ("mine", "/v1/tracks/<id>")
    assert re.search(r"test_logs\.py\", line \d+, in track\n", failure["exception"])
    assert re.search(r"^RuntimeError$", failure["exception"], re.MULTILINE)
    assert re.search(r"^KeyError$", failure["exception"], re.MULTILINE)
    assert answered["status"] == 500
    assert QUERY not in lines.getvalue()


def test_words_written_for_operators_are_logged(client, lines):
    client.get("/v1/tracks/closed")
    assert read(lines)[0]["message"] == "the request could not be served: the version is damaged"


def test_neither_keys_nor_queries_are_logged(client, lines):
    for headers in ({"Authorization": "Bearer segue_eve"}, {"X-API-Key": "segue_ann"}):
        client.post("/v1/search", headers=headers, json={"text": QUERY}, query_string={"q": QUERY})
    assert [(line["status"], line["client"]) for line in read(lines)] == [(401, None), (200, "ann")]
    assert not re.search(f"segue_|{QUERY}|{hash_key('segue_ann')}", lines.getvalue())


def test_above_its_level_there_is_no_line_per_request(client, lines):
    logging.getLogger().setLevel(logging.WARNING)
    client.get("/v1/tracks/7")
    assert [line["message"] for line in read(lines)] == ["something odd"]


def record(
    message: str, *arguments: Any, name: str = "x", error: BaseException | None = None
) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error is not None else None
    return logging.LogRecord(name, logging.ERROR, "f.py", 1, message, arguments, info)


def test_outside_a_request_an_exception_keeps_its_words():
    try:
        raise ValueError("a text")
    except ValueError as error:
        fields = describe_record(record("failed: %s", error, error=error))
    assert fields["message"] == "failed: a text"
    assert fields["exception"].splitlines()[-1] == "ValueError: a text"


def test_what_gunicorn_quotes_of_a_request_is_cut():
    broken = record(
        "Invalid request from ip=%s: %s", "::1", f"'GET /v1/tracks?q={QUERY} HTTP'", name="gunicorn.error"
    )
    assert describe_record(broken)["message"] == "Invalid request from ip=::1: 'GET /v1/tracks?…"
    failed = record(
        "Error handling request %s", f"/?q={QUERY}", name="gunicorn.error", error=ValueError(QUERY)
    )
    assert QUERY not in json.dumps(describe_record(failed))


def test_json_is_one_line_of_ascii_whatever_is_logged():
    line = JsonLines().format(record("two\nlines \ud800 é %s", object))
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line)["message"] == "two\nlines \ud800 é <class 'object'>"


def test_text_is_for_people(client):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextLines())
    logger = logging.getLogger("server.requests")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        client.get("/v1/tracks/7", headers={"X-Request-ID": "mine"})
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert re.fullmatch(
        r"\S+Z info server\.requests answered request_id=mine method=GET route=/v1/tracks/<id> status=200 "
        r"seconds=[0-9.e-]+ index_version=v7\n",
        stream.getvalue(),
    )


def test_text_keeps_a_message_on_its_line_and_the_exception_below():
    assert (
        TextLines()
        .format(record("a\nb\x1b[31m", error=ValueError("c")))
        .splitlines()[0]
        .endswith("error x a b [31m")
    )
    assert TextLines().format(record("a", error=ValueError("c"))).splitlines()[1:] == ["ValueError: c"]


WHOLE_PROCESS = """
import logging, sys
from server.logs import configure_logs
from server.settings import Settings

of_gunicorn = logging.getLogger("gunicorn.error")
of_gunicorn.addHandler(logging.StreamHandler(sys.stdout))
of_gunicorn.propagate = False
configure_logs(Settings(log_level="warning"))
of_gunicorn.warning("Worker timeout")
of_gunicorn.info("Booting")
logging.getLogger("server.live").error("refused")
configure_logs(Settings(log_format="text"))
logging.getLogger("server.live").info("open")
"""


def test_the_whole_process_logs_in_the_form_that_was_set():
    # In a process of its own: setting logs up closes all handlers that there are, those of other libraries included.
    ran = subprocess.run(
        [sys.executable, "-c", WHOLE_PROCESS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    *lines, last = ran.stderr.splitlines()
    assert [(line["logger"], line["message"]) for line in map(json.loads, lines)] == [
        ("gunicorn.error", "Worker timeout"),
        ("server.live", "refused"),
    ]
    assert last.endswith("Z info server.live open")
    assert ran.stdout == ""
