"""Names and certificates, with an authority that lives as long as the test."""

from __future__ import annotations

import ssl
import threading

import pytest
import trustme
from stand_in_host import QUICK, StandIn, policy_for, reply

from indexer.errors import FetchFailed
from indexer.fetching.download import Downloader, Request

TYPES = frozenset({"image/jpeg"})


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def serve(authority: trustme.CA, name: str) -> StandIn:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    server = StandIn(context)
    threading.Thread(target=server.serve_forever, args=(0.02,)).start()
    server.routes = {"/a": reply(b"one"), "/b": reply(b"two")}
    return server


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_the_certificate_has_to_be_for_the_name_though_the_address_is_connected_to(authority, trusting):
    server = serve(authority, "pictures.test")
    try:
        with Downloader(policy_for(server.origin), QUICK, trusting) as downloader:
            bodies = [
                downloader.fetch(Request(server.origin + path, TYPES, 100)).body for path in ("/a", "/b")
            ]
        assert (bodies, server.connections) == ([b"one", b"two"], 1)
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("name", "trusted"), [("other.test", True), ("127.0.0.1", True), ("pictures.test", False)]
)
def test_any_other_certificate_is_refused(authority, trusting, name, trusted):
    server = serve(authority, name)
    try:
        with (
            Downloader(policy_for(server.origin), QUICK, trusting if trusted else None) as downloader,
            pytest.raises(FetchFailed) as raised,
        ):
            downloader.fetch(Request(server.origin + "/a", TYPES, 100))
        assert (raised.value.kind, raised.value.is_final, raised.value.attempts) == ("tls", True, 1)
        assert "certificate verify failed" in raised.value.detail
        assert sum(server.asked.values()) == 0
    finally:
        server.shutdown()
        server.server_close()
