"""The one fetcher: no private address by any spelling, no more than the limits, and no name looked up twice."""

import gzip
import ipaddress
import socket
import threading
import time

import pytest

from modules.errors import Cancelled, FetchError
from modules.outbound.fetcher import Fetcher, FetchLimits
from modules.outbound.targets import is_public, target_of
from tests.canary import Canary, answering, http_answer

QUICK = FetchLimits(connect_seconds=2, read_seconds=1, total_seconds=2, body_bytes=100_000, decoded_bytes=200_000)

# With {port}: ways to say this machine, and places that no page may reach either.
SPELLINGS = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://127.255.255.254:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0x7f.1:{port}/",
    "http://2130706433:{port}/",
    "http://017700000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://0177.1:{port}/",
    "http://[::1]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[64:ff9b:1::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[2001:0:7f00:1::]:{port}/",
    "http://[fe80::1]:{port}/",
    "http://[fe80::1%25lo]:{port}/",
    "http://[fe80::1%lo]:{port}/",
    "http://[fc00::1]:{port}/",
    "http://[fec0::1]:{port}/",
    "http://[ff02::1]:{port}/",
    "http://[fd00:ec2::254]:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://１２７.０.０.１:{port}/",
    "http://127。0。0。1:{port}/",
    "http://ⓛocalhost:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http://user@127.0.0.1:{port}/",
    "http://example.com@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}@example.com/",
    "http://example.com#@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@example.com/",
    "http://example.com\\@127.0.0.1:{port}/",
    "http://127.0.0.1\t:{port}/",
    "http://127.0.0.1:{port}/\r\nHost: example.com",
    " http://127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "http:/127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/",
    "HTTP://127.0.0.1:{port}/",
    "ftp://127.0.0.1:{port}/",
    "gopher://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "ws://127.0.0.1:{port}/",
    "data:text/plain,hello",
    "unix:/run/docker.sock",
    "http://169.254.169.254/latest/meta-data/",
    "http://168.63.129.16/",
    "http://100.100.100.200/",
    "http://10.0.0.1:{port}/",
    "http://172.16.0.1:{port}/",
    "http://192.168.0.1:{port}/",
    "http://100.64.0.1:{port}/",
    "http://224.0.0.1:{port}/",
    "http://240.0.0.1:{port}/",
    "http://255.255.255.255:{port}/",
    "http://[",
    "http://:{port}/",
    "http://127.0.0.1:99999/",
    "",
]


def only_numbers(host: str, port: int) -> list[str]:
    """What a system without a network says: numbers in any spelling, and its own name."""
    if host == "example.com":
        raise OSError("no network")
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@pytest.fixture
def canary():
    with Canary() as canary:
        yield canary


def test_no_spelling_reaches_this_machine_until_it_is_allowed(canary: Canary) -> None:
    fetcher = Fetcher(QUICK, resolve=only_numbers)
    for spelling in SPELLINGS:
        with pytest.raises(FetchError):
            print(fetcher.fetch("GET", spelling.format(port=canary.port)), spelling)
    assert canary.requests == []
    assert len(SPELLINGS) >= 50
    allowed = Fetcher(QUICK, allowed=[canary.url])
    assert allowed.fetch("GET", canary.url + "/v1/models").status == 200
    assert len(canary.requests) == 1
    assert canary.requests[0].startswith(b"GET /v1/models HTTP/1.1\r\n")


def test_what_is_allowed_is_one_origin_and_no_other_spelling(canary: Canary) -> None:
    with Canary() as neighbour:
        fetcher = Fetcher(QUICK, allowed=[canary.url])
        for other in (neighbour.url, f"http://localhost:{canary.port}", f"https://127.0.0.1:{canary.port}"):
            with pytest.raises(FetchError, match="private network"):
                fetcher.fetch("GET", other)
        assert neighbour.requests == canary.requests == []


def test_open_and_closed_private_ports_look_the_same(canary: Canary) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]
    said = []
    for port in (canary.port, closed):
        with pytest.raises(FetchError) as caught:
            Fetcher(QUICK).fetch("GET", f"http://127.0.0.1:{port}/")
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_a_name_that_changes_its_address_is_connected_to_as_it_was_checked(
    canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Public for the check, this machine for whoever asks again: nobody asks again."""
    asked: list[str] = []
    connected: list[str] = []

    def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) % 2 == 0 else ["93.184.216.34"]

    def connecting(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        connected.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connecting)
    fetcher = Fetcher(QUICK, resolve=rebinding)
    for number in range(50):
        with pytest.raises(FetchError, match="private network" if number % 2 else "cannot be reached"):
            fetcher.fetch("GET", f"http://rebinding.example:{canary.port}/")
    assert len(asked) == 50
    assert connected == ["93.184.216.34"] * 25
    with pytest.raises(FetchError, match="private network"):
        Fetcher(QUICK, resolve=lambda _host, _port: ["93.184.216.34", "127.0.0.1"]).fetch("GET", canary.url)
    assert canary.requests == []


def test_the_name_stays_in_the_request_while_the_address_is_the_checked_one(canary: Canary) -> None:
    url = f"http://models.example:{canary.port}/"
    fetcher = Fetcher(QUICK, allowed=[url], resolve=lambda _host, _port: ["127.0.0.1"])
    fetcher.fetch("GET", url)
    assert f"Host: models.example:{canary.port}".encode() in canary.requests[0]


def test_proxies_of_the_environment_are_not_used(canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    with Canary() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        Fetcher(QUICK, allowed=[canary.url]).fetch("GET", canary.url)
        assert proxy.requests == []


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_redirects_are_not_followed_and_the_second_listener_sees_nobody(canary: Canary, status: str) -> None:
    redirecting = answering(http_answer(b"", status, f"Location: http://127.0.0.1:{canary.port}/"))
    with Canary(redirecting) as first:
        fetcher = Fetcher(QUICK, allowed=[first.url, canary.url])
        with pytest.raises(FetchError, match="not followed"):
            fetcher.fetch("GET", first.url, headers={"Authorization": "Bearer secret"})
        with (
            pytest.raises(FetchError, match="not followed"),
            fetcher.stream("POST", first.url, headers={"Authorization": "Bearer secret"}),
        ):
            pass
    assert canary.requests == []


def test_followed_redirects_are_checked_again_and_carry_no_key(canary: Canary) -> None:
    limits = FetchLimits(total_seconds=2, redirects=3)
    key = {"Authorization": "Bearer secret", "X-Other": "kept"}
    with Canary(answering(http_answer(b"", "302 Found", f"Location: {canary.url}/there"))) as first:
        with pytest.raises(FetchError, match="private network"):
            Fetcher(limits, allowed=[first.url]).fetch("GET", first.url, headers=key)
        assert canary.requests == []
        assert Fetcher(limits, allowed=[first.url, canary.url]).fetch("GET", first.url, headers=key).status == 200
        assert b"secret" in first.requests[0]
        assert b"secret" not in canary.requests[0]
        assert b"X-Other: kept" in canary.requests[0]
    with Canary(answering(http_answer(b"", "302 Found", "Location: /again"))) as circle:
        with pytest.raises(FetchError, match="not followed"):
            Fetcher(limits, allowed=[circle.url]).fetch("GET", circle.url)
        assert len(circle.requests) == 4


def test_a_bomb_is_noticed_before_it_has_grown() -> None:
    packed = gzip.compress(b"\0" * 50_000_000)
    assert len(packed) < QUICK.body_bytes
    with Canary(answering(http_answer(packed, headers="Content-Encoding: gzip"))) as bomb:
        fetcher = Fetcher(QUICK, allowed=[bomb.url])
        with pytest.raises(FetchError, match="200,000 bytes"):
            fetcher.fetch("GET", bomb.url)
    with Canary(answering(http_answer(gzip.compress(b"hello"), headers="Content-Encoding: gzip"))) as fine:
        assert Fetcher(QUICK, allowed=[fine.url]).fetch("GET", fine.url).body == b"hello"
    with Canary(answering(http_answer(b"x" * 100_001))) as large, pytest.raises(FetchError, match="100,000 bytes"):
        Fetcher(QUICK, allowed=[large.url]).fetch("GET", large.url)
    with (
        Canary(answering(http_answer(b"not gzip", headers="Content-Encoding: gzip"))) as broken,
        pytest.raises(FetchError, match="packed wrongly"),
    ):
        Fetcher(QUICK, allowed=[broken.url]).fetch("GET", broken.url)


def drip(beginning: bytes) -> Canary:
    def drop_by_drop(_request: bytes, connection: socket.socket) -> None:
        connection.sendall(beginning)
        while True:
            connection.sendall(b"a")
            time.sleep(0.05)

    return Canary(drop_by_drop)


@pytest.mark.parametrize(
    "beginning", [b"HTTP/1.1 200 OK\r\nX-Endless: ", b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n", b""]
)
@pytest.mark.alone
def test_an_endless_drip_ends_at_the_deadline(beginning: bytes) -> None:
    with drip(beginning) as slow:
        started = time.monotonic()
        with pytest.raises(FetchError):
            Fetcher(QUICK, allowed=[slow.url]).fetch("GET", slow.url)
        assert time.monotonic() - started < 3


@pytest.mark.alone
def test_silence_ends_sooner() -> None:
    with Canary(lambda _request, _connection: time.sleep(3)) as silent:
        started = time.monotonic()
        with pytest.raises(FetchError, match="did not answer in time"):
            Fetcher(QUICK, allowed=[silent.url]).fetch("GET", silent.url)
        assert time.monotonic() - started < 1.8


def test_a_cancel_closes_the_connection_at_once() -> None:
    closed = threading.Event()

    def hold(_request: bytes, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nbegin")
        if connection.recv(1) == b"":
            closed.set()

    cancelled = threading.Event()
    with Canary(hold) as holding:
        fetcher = Fetcher(FetchLimits(), allowed=[holding.url])

        def read_on() -> None:
            with fetcher.stream("GET", holding.url, cancelled=cancelled) as answer:
                assert next(answer.chunks) == b"begin"
                cancelled.set()
                next(answer.chunks)

        with pytest.raises(Cancelled):
            read_on()
        assert closed.wait(1)


def test_public_addresses_are_told_from_all_others() -> None:
    for public in ("93.184.216.34", "1.1.1.1", "2606:4700::1111", "64:ff9b::5db8:d822"):
        assert is_public(public), public
    for number in range(0, 2**32, 2**32 // 997):
        address = ipaddress.IPv4Address(number)
        hidden = ipaddress.IPv6Address(f"64:ff9b::{address}")
        assert is_public(str(hidden)) == is_public(str(address)), address
        assert not (is_public(str(address)) and address.is_private)


def test_a_url_is_taken_apart_once() -> None:
    found = target_of("HTTPS://Bücher.example:443/a b".replace(" ", "%20") + "?q=ü#part")
    assert (found.origin, found.path) == ("https://xn--bcher-kva.example", "/a%20b?q=%C3%BC")
    assert target_of("http://[::1]:8000").authority == "[::1]:8000"
