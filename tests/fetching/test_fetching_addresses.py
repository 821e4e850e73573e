"""Which hosts are asked and which addresses are connected to."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest

from indexer.errors import FetchFailed
from indexer.fetching import addresses
from indexer.fetching.addresses import HostPolicy, is_public, resolve_host

TMDB = HostPolicy(frozenset({"https://image.tmdb.org"}), resolve=lambda host, port, timeout_s: ["8.8.8.8"])


@pytest.mark.parametrize("address", ["8.8.8.8", "151.101.1.1", "2606:4700::6810:84e5", "::ffff:8.8.8.8"])
def test_addresses_of_the_open_internet_are_public(address):
    assert is_public(ip_address(address))


def test_ipv4_behind_nat64_and_6to4_is_judged_as_what_it_leads_to():
    assert is_public(ip_address("64:ff9b::808:808"))
    assert not is_public(ip_address("64:ff9b::a9fe:a9fe"))
    assert not is_public(ip_address("2002:a9fe:a9fe::1"))
    assert not is_public(ip_address("2002:7f00:1::"))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fc00::1",
        "fd12:3456::1",
        "ff02::1",
        "2001:db8::1",
        "2001:0:53aa:64c:0:0:5601:0101",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
    ],
)
def test_any_other_address_is_not(address):
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://image.tmdb.org/t/p/w342/a.jpg",
        "https://image.tmdb.org:8443/a.jpg",
        "https://image.tmdb.org.evil.example/a.jpg",
        "https://evil.example/image.tmdb.org/a.jpg",
        "https://image.tmdb.org@evil.example/a.jpg",
        "https://user:pw@image.tmdb.org/a.jpg",
        "https://image.tmdb.org./a.jpg",
        "https://127.0.0.1/a.jpg",
        "https://2130706433/a.jpg",
        "https://0x7f000001/a.jpg",
        "https://0177.0.0.1/a.jpg",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/a.jpg",
        "https://[fe80::1]/a.jpg",
        "https://[::ffff:169.254.169.254]/a.jpg",
        "https://[::1/a.jpg",
        "https://image.tmdb.org:99999/a.jpg",
        "https://ımage.tmdb.org/a.jpg",
        "file:///etc/passwd",
        "ftp://image.tmdb.org/a.jpg",
        "//image.tmdb.org/a.jpg",
        "",
        "https://image.tmdb.org/" + "a" * 2000,
    ],
)
def test_what_is_not_on_the_list_is_refused(url):
    with pytest.raises(FetchFailed) as raised:
        TMDB.target(url)
    assert (raised.value.kind, raised.value.is_final) == ("refused", True)


def test_a_listed_host_is_taken_apart_whatever_its_case_and_path():
    target = TMDB.target("HTTPS://Image.TMDb.org:443/t/p/ä b.jpg?x=1 2\r\nHost: evil")
    assert (target.origin, target.host, target.port) == ("https://image.tmdb.org", "image.tmdb.org", 443)
    assert target.path == "/t/p/%C3%A4%20b.jpg?x=1%202Host:%20evil"
    assert target.host_header == "image.tmdb.org"


def test_a_listed_host_at_a_private_address_is_refused():
    policy = HostPolicy(TMDB.origins, resolve=lambda host, port, timeout_s: ["8.8.8.8", "169.254.169.254"])
    with pytest.raises(FetchFailed, match=r"^refused: image.tmdb.org is at 169.254.169.254, which is not"):
        policy.addresses(policy.target("https://image.tmdb.org/a.jpg"), 1.0)


def test_what_is_no_address_is_refused():
    policy = HostPolicy(TMDB.origins, resolve=lambda host, port, timeout_s: ["not an address"])
    with pytest.raises(FetchFailed, match=r"^refused: "):
        policy.addresses(policy.target("https://image.tmdb.org/a.jpg"), 1.0)


def test_the_systems_resolver_is_asked_for_this_host_and_port(monkeypatch):
    asked = []

    def answer(host, port, type):
        asked.append((host, port, type))
        return [
            (0, 0, 0, "", ("8.8.8.8", 443)),
            (0, 0, 0, "", ("8.8.8.8", 443)),
            (0, 0, 0, "", ("::1", 443, 0, 0)),
        ]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", answer)
    assert resolve_host("image.tmdb.org", 443, 5.0) == ["8.8.8.8", "::1"]
    assert asked == [("image.tmdb.org", 443, socket.SOCK_STREAM)]


def test_an_unknown_host_has_no_address(monkeypatch):
    def fail(host, port, type):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(addresses.socket, "getaddrinfo", fail)
    with pytest.raises(FetchFailed, match=r"^no-address: x.test has no address .Name or service not known"):
        resolve_host("x.test", 443, 5.0)


def test_a_resolver_that_hangs_is_a_time_out(monkeypatch):
    import threading

    release = threading.Event()
    ended = threading.Event()

    def hang(host, port, type):
        release.wait(30)
        ended.set()
        return []

    monkeypatch.setattr(addresses.socket, "getaddrinfo", hang)
    with pytest.raises(FetchFailed, match=r"^timeout: no address of x.test within 0.05 s"):
        resolve_host("x.test", 443, 0.05)
    release.set()
    assert ended.wait(30)
