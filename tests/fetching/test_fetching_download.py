"""Downloads from a host that fails in every usual way."""

from __future__ import annotations

import threading
from dataclasses import replace
from email.utils import formatdate
from ipaddress import ip_address

import pytest
from stand_in_host import QUICK, close_at_once, drip, head, policy_for, reply

from indexer.errors import FetchFailed
from indexer.fetching.addresses import HostPolicy
from indexer.fetching.connections import Connections
from indexer.fetching.download import Downloader, Request
from indexer.fetching.replies import read_retry_after

TYPES = frozenset({"image/jpeg"})


def ask(downloader, stand_in, path="/a", **parts):
    return downloader.fetch(Request(stand_in.origin + path, TYPES, 1000, **parts))


def failure_of(downloader, stand_in, path="/a", **parts):
    with pytest.raises(FetchFailed) as raised:
        ask(downloader, stand_in, path, **parts)
    return raised.value


def test_a_reply_is_read_and_the_connection_used_again(downloader, stand_in):
    stand_in.routes = {"/a": reply(b"one"), "/b": reply(b"two", content_type="Image/JPEG; charset=x")}
    first, second = ask(downloader, stand_in), ask(downloader, stand_in, "/b")
    assert (first.body, first.status, first.attempts) == (b"one", 200, 1)
    assert (second.body, second.content_type) == (b"two", "image/jpeg")
    assert stand_in.connections == 1


def test_the_host_is_named_and_nothing_packed_is_asked_for(downloader, stand_in):
    stand_in.routes = {"/a": reply(b"one")}
    ask(downloader, stand_in)
    method, _, headers, _ = stand_in.requests[0]
    assert method == "GET"
    assert headers["host"] == stand_in.origin.removeprefix("http://")
    assert headers["accept-encoding"] == "identity"
    assert headers["accept"] == "image/jpeg"
    assert headers["user-agent"] == "segue/0.1"


def test_chunks_and_bodies_until_the_end_of_the_connection_are_read(downloader, stand_in):
    chunked = head(Content_Type="image/jpeg", Transfer_Encoding="chunked")
    stand_in.routes = {
        "/a": lambda _: chunked + b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n",
        "/b": lambda _: iter([head(Content_Type="image/jpeg") + b"until", b" the end"]),
    }
    assert ask(downloader, stand_in).body == b"onetwo"
    assert ask(downloader, stand_in, "/b").body == b"until the end"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 304])
def test_statuses_that_stay_are_asked_for_once(downloader, stand_in, status):
    stand_in.routes = {"/a": reply(b"no", status)}
    failure = failure_of(downloader, stand_in)
    assert (failure.kind, failure.is_final, failure.attempts) == (f"status-{status}", True, 1)
    assert stand_in.asked["/a"] == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_statuses_that_pass_are_asked_for_again(downloader, stand_in, status):
    stand_in.routes = {"/a": [reply(b"no", status), reply(b"no", status), reply(b"yes")]}
    answer = ask(downloader, stand_in)
    assert (answer.body, answer.attempts) == (b"yes", 3)


def test_after_the_last_attempt_the_last_failure_is_told(downloader, stand_in):
    stand_in.routes = {"/a": [reply(b"", 500), reply(b"", 502), reply(b"", 504)]}
    failure = failure_of(downloader, stand_in)
    assert (str(failure), failure.is_final, failure.attempts) == (
        "status-504: the host answered 504",
        False,
        3,
    )


def test_a_connection_closed_without_a_reply_is_tried_again(downloader, stand_in):
    stand_in.routes = {"/a": [close_at_once, reply(b"yes")]}
    assert ask(downloader, stand_in).attempts == 2
    stand_in.routes = {"/a": close_at_once}
    failure = failure_of(downloader, stand_in)
    assert (failure.kind, failure.attempts) == ("connection", 3)


def test_a_kept_connection_that_was_closed_meanwhile_is_no_failure(downloader, stand_in):
    stand_in.routes = {"/a": reply(b"one"), "/b": [close_at_once, reply(b"two")]}
    ask(downloader, stand_in)
    answer = ask(downloader, stand_in, "/b")
    assert (answer.body, answer.attempts) == (b"two", 1)


@pytest.mark.parametrize(
    "behaviour",
    [
        lambda _: iter([head(Content_Type="image/jpeg", Content_Length="10") + b"half"]),
        lambda _: iter([head(Content_Type="image/jpeg", Transfer_Encoding="chunked") + b"a\r\nhalf"]),
        lambda _: iter([head(Content_Type="image/jpeg", Transfer_Encoding="chunked") + b"4\r\nhalf\r\n"]),
    ],
    ids=["length", "within a chunk", "no last chunk"],
)
def test_a_body_cut_short_is_truncated(downloader, stand_in, behaviour):
    stand_in.routes = {"/a": behaviour}
    failure = failure_of(downloader, stand_in)
    assert (str(failure), failure.attempts) == ("truncated: the connection ended before the body did", 3)


def test_of_a_body_longer_than_announced_nothing_more_is_taken(downloader, stand_in):
    more = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 4\r\n\r\nevil"
    stand_in.routes = {
        "/a": lambda _: head(Content_Type="image/jpeg", Content_Length="4") + b"good" + more,
        "/b": reply(b"next"),
    }
    assert ask(downloader, stand_in).body == b"good"
    assert ask(downloader, stand_in, "/b").body == b"next"


def test_too_large_a_body_is_refused_before_it_is_read(downloader, stand_in):
    stand_in.routes = {"/a": lambda _: head(Content_Type="image/jpeg", Content_Length="1001")}
    failure = failure_of(downloader, stand_in)
    assert str(failure) == "too-large: 1001 bytes announced, at most 1000"
    assert failure.is_final
    stand_in.routes = {"/a": reply(b"x" * 1000)}
    assert len(ask(downloader, stand_in).body) == 1000


@pytest.mark.parametrize("chunked", [True, False])
def test_an_endless_body_is_left_once_it_is_too_large(downloader, stand_in, chunked):
    part = b"200\r\n" + b"x" * 512 + b"\r\n" if chunked else b"x" * 512
    encoding = {"Transfer_Encoding": "chunked"} if chunked else {}

    def endless(stand_in):
        yield head(Content_Type="image/jpeg", **encoding)
        while not stand_in.over.is_set():
            yield part

    stand_in.routes = {"/a": endless}
    failure = failure_of(downloader, stand_in)
    assert (str(failure), failure.is_final) == ("too-large: more than 1000 bytes", True)


@pytest.mark.parametrize(
    ("kind", "headers", "shown"),
    [
        ("text/html", {}, "content-type: text/html is not what was asked for"),
        ("", {}, "content-type: none is not what was asked for"),
        ("image/jpeg\x1b[2J", {}, "content-type: image/jpeg [2j is not what was asked for"),
        ("image/jpeg", {"Content_Encoding": "gzip"}, "content-type: packed as gzip, unasked"),
    ],
)
def test_another_content_type_is_refused(downloader, stand_in, kind, headers, shown):
    stand_in.routes = {"/a": reply(b"<html>", content_type=kind, **headers)}
    failure = failure_of(downloader, stand_in)
    assert (str(failure), failure.attempts) == (shown, 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (head(Content_Type="image/jpeg", Content_Length="900"), b"x" * 900),
        (b"HTTP/1.1 200 OK\r\n", b"X-Slow: " + b"y" * 900),
        (head(Content_Type="image/jpeg", Transfer_Encoding="chunked"), b"0" * 900),
        (b"", b"H" * 900),
    ],
    ids=["body", "headers", "size of a chunk", "status line"],
)
def test_a_host_that_sends_byte_by_byte_is_cut_off(stand_in, before, after):
    stand_in.routes = {"/a": drip(before, after)}
    limits = replace(QUICK, attempts=1, whole_s=0.4, read_s=60)
    with Downloader(policy_for(stand_in.origin), limits) as downloader:
        failure = failure_of(downloader, stand_in)
    assert (str(failure), failure.is_final) == ("timeout: not whole after 0.4 s", False)


def test_a_silent_host_times_out(stand_in):
    stand_in.routes = {"/a": drip(b"", b"x", pause_s=60)}
    with Downloader(policy_for(stand_in.origin), replace(QUICK, attempts=2, read_s=0.1)) as downloader:
        failure = failure_of(downloader, stand_in)
    assert (str(failure), failure.attempts) == ("timeout: nothing came for 0.1 s", 2)
    assert stand_in.asked["/a"] == 2


def test_what_is_no_http_is_a_failure_of_the_connection(downloader, stand_in):
    stand_in.routes = {"/a": lambda _: iter([b"SSH-2.0-OpenSSH\r\n\r\n"])}
    assert failure_of(downloader, stand_in).kind == "connection"


@pytest.mark.parametrize("length", ["-1", "ten", "10, 20", "1" * 4000])
def test_a_senseless_length_is_a_failure(downloader, stand_in, length):
    stand_in.routes = {
        "/a": lambda _: iter([head(Content_Type="image/jpeg", Content_Length=length) + b"x" * 1001])
    }
    assert failure_of(downloader, stand_in).kind in ("connection", "too-large")


def test_a_reply_that_cannot_be_read_leaves_no_socket_open(downloader, stand_in, monkeypatch):
    """The error holds on to the frames that read the reply, and they to its file: nothing else would close it."""
    stand_in.routes = {
        "/a": lambda _: iter([head(Content_Type="image/jpeg", Content_Length="10, 20") + b"x"])
    }
    take, taken = Connections.take, []

    def take_and_note(*given, **named):
        connection, is_kept = take(*given, **named)
        taken.append(connection.sock)
        return connection, is_kept

    monkeypatch.setattr(Connections, "take", take_and_note)
    failure = failure_of(downloader, stand_in)
    assert failure.kind == "connection"
    assert [sock.fileno() for sock in taken] == [-1] * failure.attempts


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://127.0.0.1:80/",
        "http://localhost/",
        "//evil.example/a.jpg",
        "file:///etc/passwd",
        "https://pictures.test/",
    ],
)
def test_a_redirect_elsewhere_is_refused_and_not_followed(downloader, stand_in, location):
    stand_in.routes = {"/a": reply(b"", 302, Location=location)}
    failure = failure_of(downloader, stand_in)
    assert str(failure).startswith("refused: redirected: ")
    assert (failure.is_final, failure.attempts, sum(stand_in.asked.values())) == (True, 1, 1)


def test_a_redirect_within_the_list_is_followed_without_what_was_meant_for_the_first_host(stand_in):
    other = stand_in.origin.replace("pictures.test", "elsewhere.test")
    stand_in.routes = {
        "/a": reply(b"", 302, Location="/b?x=1"),
        "/b?x=1": reply(b"", 307, Location=f"{other}/c"),
        "/c": reply(b"found"),
    }
    with Downloader(policy_for(stand_in.origin, other), QUICK) as downloader:
        found = ask(downloader, stand_in, headers={"Authorization": "Bearer secret"})
    assert (found.body, found.url) == (b"found", f"{other}/c")
    sent = [headers.get("authorization") for _, _, headers, _ in stand_in.requests]
    assert sent == ["Bearer secret", "Bearer secret", None]


def test_redirects_in_a_circle_end(downloader, stand_in):
    stand_in.routes = {"/a": reply(b"", 302, Location="/a")}
    failure = failure_of(downloader, stand_in)
    assert str(failure) == "redirect: more than 3 redirects"
    assert stand_in.asked["/a"] == 4


def test_a_redirect_without_a_place_and_one_of_a_post_are_failures(downloader, stand_in):
    stand_in.routes = {"/a": reply(b"", 302), "/b": reply(b"", 307, Location="/a")}
    assert str(failure_of(downloader, stand_in)) == "redirect: status 302 where none is expected"
    assert failure_of(downloader, stand_in, "/b", method="POST", body=b"x").kind == "redirect"


def test_the_address_that_was_checked_is_the_one_connected_to(stand_in):
    """The name is looked up once, and by nobody else: a second look-up would give another address."""
    looked_up = []

    def rebind(host, port, timeout_s):
        looked_up.append(host)
        return ["127.0.0.1"] if len(looked_up) == 1 else ["169.254.169.254"]

    policy = HostPolicy(
        frozenset({stand_in.origin}), lambda address: address == ip_address("127.0.0.1"), rebind
    )
    stand_in.routes = {"/a": reply(b"one", Connection="close")}
    with Downloader(policy, QUICK) as downloader:
        assert ask(downloader, stand_in).body == b"one"
        assert ask(downloader, stand_in).body == b"one"
    assert looked_up == ["pictures.test"]
    with Downloader(policy, QUICK) as downloader:
        assert str(failure_of(downloader, stand_in)) == (
            "refused: pictures.test is at 169.254.169.254, which is not a public address"
        )
    assert stand_in.asked["/a"] == 2


def test_loopback_is_refused_unless_a_test_permits_it(stand_in):
    policy = HostPolicy(frozenset({stand_in.origin}), resolve=lambda host, port, timeout_s: ["127.0.0.1"])
    with Downloader(policy, QUICK) as downloader:
        assert failure_of(downloader, stand_in).kind == "refused"
    assert stand_in.connections == 0


def test_the_next_address_is_tried_where_one_does_not_answer(stand_in):
    policy = HostPolicy(
        frozenset({stand_in.origin}), lambda address: True, lambda host, port, timeout_s: ["::1", "127.0.0.1"]
    )
    stand_in.routes = {"/a": reply(b"one")}
    with Downloader(policy, QUICK) as downloader:
        assert ask(downloader, stand_in).attempts == 1


def test_a_wish_to_wait_is_kept_by_all(downloader, stand_in):
    stand_in.routes = {"/a": [reply(b"", 429, Retry_After="0"), reply(b"yes")]}
    assert ask(downloader, stand_in).attempts == 2
    stand_in.routes = {"/a": reply(b"", 429, Retry_After="3600"), "/b": reply(b"never")}
    failure = failure_of(downloader, stand_in)
    assert str(failure) == "status-429: the host answered 429, asks to wait 3600 s"
    assert (failure.attempts, failure.wait_s) == (1, 3600)
    other = failure_of(downloader, stand_in, "/b")
    assert (other.kind, other.attempts, stand_in.asked["/b"]) == ("pause", 0, 0)


def test_retry_after_is_read_as_seconds_or_a_date():
    assert read_retry_after("120") == 120
    assert read_retry_after("9" * 5000) == 999_999_999
    assert read_retry_after(formatdate(0, usegmt=True)) == 0
    assert read_retry_after(formatdate(4_000_000_000, usegmt=True)) > 1e9
    assert [read_retry_after(text) for text in (None, "", "soon", "-1", "1.5")] == [None] * 5


def test_closing_ends_what_is_under_way(stand_in):
    stand_in.routes = {"/a": drip(head(Content_Type="image/jpeg", Content_Length="900"), b"x" * 900)}
    downloader = Downloader(policy_for(stand_in.origin), replace(QUICK, whole_s=600, read_s=600))
    caught = []

    def run():
        caught.append(failure_of(downloader, stand_in))

    thread = threading.Thread(target=run)
    thread.start()
    stand_in.wait_for_requests(1)
    downloader.close()
    thread.join(30)
    assert not thread.is_alive()
    assert [failure.kind for failure in caught] == ["stopped"]
    assert failure_of(downloader, stand_in).kind == "stopped"
    assert stand_in.asked["/a"] == 1


def test_closing_ends_the_wait_before_the_next_attempt(stand_in):
    stand_in.routes = {"/a": reply(b"", 500)}
    downloader = Downloader(policy_for(stand_in.origin), replace(QUICK, backoff_s=600, backoff_most_s=600))
    caught = []
    thread = threading.Thread(target=lambda: caught.append(failure_of(downloader, stand_in)))
    thread.start()
    stand_in.wait_for_requests(1)
    downloader.close()
    thread.join(30)
    assert [failure.kind for failure in caught] == ["stopped"]
