"""API keys and rate limits."""

from __future__ import annotations

import hashlib
import logging
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from indexer.errors import ConfigError
from server.access import OPEN_ENDPOINTS, ApiKey, KeyRing, hash_key, main, read_keys, register_access
from server.app import create_app
from server.logs import register_logs
from server.metrics import register_metrics
from server.problems import register_problems
from server.settings import Settings

ANN, BEN = "segue_ann", "segue_ben"
ANN_LINE, BEN_LINE = f"ann:{hash_key(ANN)}", f"ben:{hash_key(BEN)}"


class Known:
    """Stands for a search; nothing here gets that far."""

    name = "v1"


def make(settings: Settings) -> FlaskClient:
    """A small application with every part that access works with."""
    app = Flask("server")
    register_problems(app)
    register_logs(app, lambda: None)
    metrics = register_metrics(app)
    register_access(app, settings, metrics.on_key_file_error)
    app.add_url_rule("/one", "api.one", lambda: "1")
    app.add_url_rule("/two", "api.two", lambda: "2")
    app.add_url_rule("/healthz", "api.healthz", lambda: "ok")
    app.add_url_rule("/readyz", "api.readyz", lambda: "ok")
    return app.test_client()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Ring:
    """A key ring over a file, with its clock and a count of its errors."""

    def __init__(self, file: Path, entries: tuple[str, ...] = ()) -> None:
        self.errors = 0
        self.clock = Clock()
        self.keys = KeyRing(entries, file, self._count, self.clock)

    def _count(self) -> None:
        self.errors += 1

    def after_a_second(self, key: str) -> str | None:
        self.clock.now_s += 1.0
        return self.keys.find(key)


def test_a_hash_is_sha256_in_hexadecimal():
    assert hash_key("abc") == hashlib.sha256(b"abc").hexdigest()


def test_entries_are_read_with_comments_and_blank_lines():
    digest = "0" * 64
    assert read_keys(["# keys", "", f" ann:{digest} # of Ann", digest]) == (
        ApiKey("ann", digest),
        ApiKey("key-00000000", digest),
    )


@pytest.mark.parametrize(
    "entry", [f"ann:{'0' * 63}", f"ann:{'A' * 64}", f"a b:{'0' * 64}", "ann:", "segue_secret"]
)
def test_a_malformed_entry_is_named_by_number_and_not_repeated(entry):
    with pytest.raises(ValueError, match=r"^entry 2 is not") as raised:
        read_keys([ANN_LINE, entry])
    assert entry not in str(raised.value)


def test_several_keys_are_let_in_each_by_its_name(tmp_path):
    file = tmp_path / "keys"
    file.write_text(BEN_LINE)
    ring = Ring(file, (ANN_LINE,))
    assert [ring.keys.find(key) for key in (ANN, BEN, "segue_eve", "", ANN_LINE)] == [
        "ann",
        "ben",
        None,
        None,
        None,
    ]


def test_keys_rotate_without_a_restart(tmp_path):
    file = tmp_path / "keys"
    file.write_text(ANN_LINE)
    ring = Ring(file)
    file.write_text(BEN_LINE)
    assert (ring.keys.find(ANN), ring.keys.find(BEN)) == ("ann", None)  # looked at once a second
    assert (ring.after_a_second(BEN), ring.keys.find(ANN)) == ("ben", None)
    assert ring.errors == 0


def test_keys_rotate_by_turning_a_link(tmp_path):
    for name, line in (("old", ANN_LINE), ("new", BEN_LINE)):
        (tmp_path / name).write_text(line)
    link, turned = tmp_path / "keys", tmp_path / "turned"
    link.symlink_to("old")
    file = Settings.from_environ({"SEGUE_API_KEYS_FILE": str(link)}).api_keys_file
    assert file is not None
    ring = Ring(file)
    assert ring.keys.find(ANN) == "ann"
    turned.symlink_to("new")
    turned.rename(link)
    assert (ring.after_a_second(BEN), ring.keys.find(ANN)) == ("ben", None)


@pytest.mark.parametrize("damage", ["gone", "empty", "malformed", "folder", "large"])
def test_the_keys_last_read_go_on_while_the_file_is_bad(tmp_path, caplog, damage):
    file = tmp_path / "keys"
    file.write_text(ANN_LINE)
    ring = Ring(file)
    if damage in ("gone", "folder"):
        file.unlink()
    if damage == "folder":
        file.mkdir()
    elif damage != "gone":
        file.write_text({"empty": "\n", "malformed": f"{BEN_LINE}\n{BEN}", "large": "#" * (2 << 20)}[damage])
    with caplog.at_level(logging.INFO, "server.access"):
        assert [ring.after_a_second(ANN), ring.after_a_second(BEN)] == ["ann", None]
        assert ring.errors == 2
        assert [record.levelname for record in caplog.records] == ["ERROR"]  # once, not at each look
        assert BEN not in caplog.text
        if damage == "folder":
            file.rmdir()
        file.write_text(BEN_LINE)
        assert [ring.after_a_second(BEN), ring.keys.find(ANN)] == ["ben", None]
    assert caplog.records[-1].getMessage() == "the file of API keys can be read again"
    assert ring.errors == 2


@pytest.mark.parametrize("content", [None, "", "ann:1"])
def test_a_bad_file_at_the_start_is_an_error_rather_than_an_open_server(tmp_path, content):
    file = tmp_path / "keys"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=r"^SEGUE_API_KEYS_FILE: "):
        make(Settings(api_keys_file=file))


def test_bad_keys_in_the_environment_are_an_error():
    with pytest.raises(ConfigError, match=r"^SEGUE_API_KEYS: entry 1 "):
        make(Settings(api_keys=("ann",)))


@pytest.mark.parametrize("headers", [bearer(ANN), {"Authorization": f"bearer  {ANN} "}, {"X-API-Key": ANN}])
def test_a_known_key_is_let_in(headers):
    assert make(Settings(api_keys=(ANN_LINE,))).get("/one", headers=headers).text == "1"


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({}, "A key is needed."),
        (bearer(""), "A key is needed."),
        (bearer(BEN), "This key is not known here."),
        (bearer("ä\xff"), "This key is not known here."),
        ({"X-API-Key": hash_key(ANN)}, "This key is not known here."),
        ({"Authorization": f"Basic {ANN}"}, "A key is needed."),
        ({"Authorization": f"Bearer {BEN}", "X-API-Key": ANN}, "This key is not known here."),
    ],
)
@pytest.mark.parametrize("path", ["/one", "/metrics", "/nowhere"])
def test_everything_else_is_a_401_problem(headers, says, path):
    reply = make(Settings(api_keys=(ANN_LINE,))).get(path, headers=headers)
    assert reply.get_json() == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": f"{says} Send one as Authorization: Bearer KEY or X-API-Key: KEY.",
        "errors": [],
    }
    assert reply.mimetype == "application/problem+json"
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="Segue"'
    assert reply.headers["X-Request-ID"]


def test_a_preflight_needs_no_key():
    assert make(Settings(api_keys=(ANN_LINE,))).options("/one").status_code == 200


def test_only_what_is_named_is_open_in_the_whole_application():
    app = create_app(Settings(api_keys=(ANN_LINE,)), Known())  # type: ignore[arg-type]
    client = app.test_client()
    rules = {rule.endpoint: rule for rule in app.url_map.iter_rules()}
    assert set(rules) >= OPEN_ENDPOINTS  # no name there has gone stale
    opened = set()
    for endpoint, rule in rules.items():
        path = re.sub("<[^>]+>", "x", rule.rule)
        reply = client.open(path, method="POST" if "POST" in (rule.methods or ()) else "GET")
        if reply.status_code != 401:
            opened.add(endpoint)
        reply.close()
    assert opened == OPEN_ENDPOINTS


def test_a_bad_key_file_shows_in_the_metrics(tmp_path, monkeypatch):
    monkeypatch.setattr("server.access._LOOK_INTERVAL_S", 0.0)
    file = tmp_path / "keys"
    file.write_text(ANN_LINE)
    client = make(Settings(api_keys_file=file))
    file.write_text("nonsense")
    text = client.get("/metrics", headers=bearer(ANN)).text
    assert "segue_key_file_errors_total 1.0" in text


def test_new_key_prints_a_key_and_the_line_that_lets_it_in(capsys):
    assert main(["new-key", "ann"]) == 0
    printed = capsys.readouterr().out.splitlines()
    key = printed[0].removeprefix("key (shown only now): ")
    line = printed[1].removeprefix("line for SEGUE_API_KEYS_FILE: ")
    assert re.fullmatch(r"segue_[A-Za-z0-9_-]{43}", key)
    assert line == f"ann:{hash_key(key)}"
    main(["new-key", "ann"])
    assert key not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["", "a b", "a:b", "x" * 65])
def test_new_key_refuses_a_name_that_no_line_can_hold(capsys, name):
    with pytest.raises(SystemExit) as stopped:
        main(["new-key", name])
    assert stopped.value.code == 2
    assert "the name must be" in capsys.readouterr().err


def get(client: FlaskClient, path: str = "/one", address: str = "192.0.2.1", **headers: str) -> Any:
    return client.get(path, environ_base={"REMOTE_ADDR": address}, headers=headers)


def test_the_limit_holds_over_all_routes_and_for_each_address():
    client = make(Settings(rate_limit="3/hour"))
    statuses = [get(client, path).status_code for path in ("/one", "/two", "/one", "/two")]
    assert statuses == [200, 200, 200, 429]
    assert get(client, address="192.0.2.2").status_code == 200


def test_too_many_requests_are_a_problem_that_says_when_to_ask_again():
    client = make(Settings(rate_limit="1/hour"))
    assert "Retry-After" not in get(client).headers
    reply = get(client)
    assert reply.get_json() == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "Too many requests. Ask again after the seconds that the header Retry-After names.",
        "errors": [],
    }
    assert reply.mimetype == "application/problem+json"
    assert 3590 <= int(reply.headers["Retry-After"]) <= 3600


def test_retry_after_is_never_less_than_a_second():
    client = make(Settings(rate_limit="1/second"))
    replies = [get(client) for _ in range(5)]
    refused = [reply.headers["Retry-After"] for reply in replies if reply.status_code == 429]
    assert set(refused) == {"1"}


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_operations_are_never_limited(path):
    client = make(Settings(rate_limit="1/hour"))
    get(client)
    assert [get(client, path).status_code for _ in range(5)] == [200] * 5


def test_with_keys_the_limit_is_per_name_wherever_it_asks_from():
    client = make(Settings(rate_limit="1/hour", api_keys=(ANN_LINE, BEN_LINE)))
    assert get(client, **bearer(ANN)).status_code == 200
    assert get(client, address="192.0.2.9", **bearer(ANN)).status_code == 429
    assert get(client, **bearer(BEN)).status_code == 200
    assert get(client).status_code == 401


def test_an_address_behind_a_proxy_counts_only_where_the_proxy_is_trusted():
    forwarded = {"X-Forwarded-For": "203.0.113.1"}
    other = {"X-Forwarded-For": "203.0.113.2"}
    trusting = make(Settings(rate_limit="1/hour", trusted_proxies=1))
    assert [get(trusting, **forwarded).status_code, get(trusting, **other).status_code] == [200, 200]
    wary = make(Settings(rate_limit="1/hour"))
    assert [get(wary, **forwarded).status_code, get(wary, **other).status_code] == [200, 429]


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_without_its_store_the_limit_goes_on_in_memory(closed_port, caplog):
    pytest.importorskip("redis", reason="requirements-redis.txt is not installed")
    client = make(Settings(rate_limit="2/hour", rate_limit_store=f"redis://:secret@127.0.0.1:{closed_port}"))
    assert [record.getMessage() for record in caplog.records if record.name == "server.access"] == [
        "the store of rate limits cannot be reached; each worker counts on its own until it can"
    ]
    assert [get(client).status_code for _ in range(4)] == [200, 200, 429, 429]
    assert 3590 <= int(get(client).headers["Retry-After"]) <= 3600
    assert "secret" not in caplog.text


def test_redis_without_its_package_is_an_error_that_says_what_to_install():
    code = (
        "import sys; sys.modules['redis'] = None\n"
        "from flask import Flask\n"
        "from server.access import register_access\n"
        "from server.settings import Settings\n"
        "register_access(Flask('x'), Settings(rate_limit='1/hour', rate_limit_store='redis://127.0.0.1'))\n"
    )
    root = Path(__file__).resolve().parents[1]
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1] == (
        "indexer.errors.ConfigError: SEGUE_RATE_LIMIT_STORE asks for Redis, but its package is missing: "
        "python -m pip install -r requirements-redis.txt"
    )


def test_workers_that_count_on_their_own_are_warned_of(caplog):
    make(Settings(rate_limit="1/hour", workers=2))
    assert "each of the 2 workers counts rate limits on its own; Redis can share" in caplog.text
