"""Security headers, caching and cross-origin calls."""

from __future__ import annotations

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from server.access import hash_key, register_access
from server.headers import register_headers
from server.problems import register_problems
from server.settings import Settings

SITE = "https://app.example"


def make(settings: Settings) -> FlaskClient:
    app = Flask("server")
    register_problems(app)
    register_headers(app, settings)
    register_access(app, settings)
    app.add_url_rule("/v1/search", "api.search", lambda: "{}", methods=["POST"])
    app.add_url_rule("/v1/tracks", "api.look_up", lambda: "{}")
    app.add_url_rule("/", "pages.home", lambda: "<p>")
    app.add_url_rule("/docs", "docs.page", lambda: "<p>")
    app.add_url_rule("/report", "pages.report", lambda: "<p>")
    app.add_url_rule("/kept", "api.kept", lambda: Response("x", headers={"Cache-Control": "max-age=60"}))
    return app.test_client()


STRICT = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"


@pytest.mark.parametrize(
    ("path", "policy", "caching"),
    [
        ("/v1/tracks", STRICT, "no-store"),
        ("/nowhere", STRICT, "no-store"),
        ("/", f"{STRICT}; img-src 'self' https://image.tmdb.org", "no-cache"),
        ("/docs", f"{STRICT}; style-src 'self' 'unsafe-inline'; img-src 'self' data:", "no-store"),
        (
            "/report",
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
            "no-cache",
        ),
        ("/kept", STRICT, "max-age=60"),
    ],
)
def test_every_reply_carries_each_header_once(path, policy, caching):
    headers = make(Settings()).get(path).headers
    assert {name: headers.getlist(name) for name in headers.keys() if not name.startswith("Content-L")} == {  # noqa: SIM118
        "Content-Type": headers.getlist("Content-Type"),
        "Content-Security-Policy": [policy],
        "Cache-Control": [caching],
        "X-Content-Type-Options": ["nosniff"],
        "Referrer-Policy": ["no-referrer"],
        "Cross-Origin-Opener-Policy": ["same-origin"],
        "Cross-Origin-Resource-Policy": ["same-origin"],
        "Permissions-Policy": ["camera=(), geolocation=(), microphone=(), payment=(), usb=()"],
    }


def allowed(client: FlaskClient, origin: str, path: str = "/v1/tracks") -> str | None:
    return client.get(path, headers={"Origin": origin}).headers.get("Access-Control-Allow-Origin")


def test_no_other_site_may_read_unless_one_is_named():
    reply = make(Settings()).get("/v1/tracks", headers={"Origin": SITE})
    assert [name for name in reply.headers.keys() if name.startswith("Access") or name == "Vary"] == []  # noqa: SIM118


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.org",
        "http://app.example",
        "https://app.example:8443",
        "https://evil.app.example",
        "https://appxexample",
        "null",
        "",
    ],
)
def test_only_the_exact_origin_may_read(origin):
    client = make(Settings(cors_origins=(SITE, "http://localhost:3000")))
    assert allowed(client, SITE) == SITE
    assert allowed(client, "http://localhost:3000") == "http://localhost:3000"
    assert allowed(client, origin) is None


def test_pages_are_not_for_other_sites_and_problems_are():
    client = make(Settings(cors_origins=(SITE,)))
    assert [allowed(client, SITE, path) for path in ("/", "/report", "/nowhere")] == [None, None, SITE]


def test_replies_differ_by_origin_and_name_what_may_be_read():
    client = make(Settings(cors_origins=(SITE,)))
    reply = client.get("/v1/tracks", headers={"Origin": SITE})
    assert reply.headers["Vary"] == "Origin"
    assert reply.headers["Access-Control-Expose-Headers"] == "Retry-After, X-Request-ID"
    assert "Access-Control-Allow-Credentials" not in reply.headers
    assert client.get("/v1/tracks").headers["Vary"] == "Origin"


def test_a_preflight_is_answered_without_a_key_and_uncounted():
    client = make(Settings(cors_origins=(SITE,), api_keys=(f"a:{hash_key('k')}",), rate_limit="1/hour"))
    asked = {"Origin": SITE, "Access-Control-Request-Method": "POST"}
    replies = [client.options("/v1/search", headers=asked) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 200]
    headers = replies[0].headers
    assert headers["Access-Control-Allow-Origin"] == SITE
    assert headers["Access-Control-Allow-Methods"] == "GET, POST, OPTIONS"
    assert headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type, X-API-Key, X-Request-ID"
    assert headers["Access-Control-Max-Age"] == "600"
    refused = client.post("/v1/search", headers={"Origin": SITE})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, SITE)


def test_without_remote_posters_the_page_may_load_from_its_own_host_only():
    headers = make(Settings(remote_posters="off")).get("/").headers
    assert headers["Content-Security-Policy"] == STRICT
