"""Contract, section 6: what goes wrong, and what the client is told."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from integration.rest.exchange import PATIENT, Rest, running, until
from integration.rest.outage import Relay
from kazoo.client import KazooClient
from kazoo.security import make_digest_acl

from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig, Limits

pytestmark = pytest.mark.docker

# Two of the gateway's heart-beats; a write is longer.
PINGS_BYTES = 2 * 12
WRITES = [("PUT", ""), ("POST", "?name=n"), ("DELETE", "")]
READS = [("GET", ""), ("GET", "?view=children"), ("HEAD", "")]


@pytest.fixture
def relay(hosts: str) -> Iterator[Relay]:
    """A ZooKeeper that can go away."""
    with Relay(hosts) as relay:
        yield relay


@pytest.fixture
def frail(relay: Relay) -> Iterator[Rest]:
    """A gateway behind the relay, with short time limits."""
    with behind(relay, Limits(request_timeout_s=1, connect_wait_s=0.5)) as rest:
        yield rest


@contextmanager
def behind(relay: Relay, limits: Limits) -> Iterator[Rest]:
    """A gateway that reaches ZooKeeper through the relay, and has reached it."""
    endpoint = EndpointConfig(hosts=relay.hosts)
    with running(GatewayConfig(endpoints=(endpoint,), port=0, limits=limits)) as port:
        rest = Rest("127.0.0.1", port)
        until(lambda: rest.get("/readyz").status == 200, "ZooKeeper")
        yield rest
        rest.close()


def body_of(method: str) -> bytes | None:
    """A body for the methods that take one."""
    return b"x" if method in ("PUT", "POST") else None


def test_outage(relay: Relay, frail: Rest, url: str) -> None:
    """6: while ZooKeeper is away everything is 503, and nothing hangs; it recovers by itself."""
    relay.cut()
    for method, query in WRITES + READS:
        answer = frail.ask(method, url + query, body_of(method))
        assert answer.status == 503
        assert "retry-after" in answer.headers
    assert frail.post("/sessions/v1/?op=create").status == 503
    assert frail.get("/readyz").status == 503
    assert frail.get("/healthz").status == 200
    relay.mend()
    until(lambda: frail.get(url).status == 200, "the gateway to recover")
    until(lambda: frail.put(url, b"again").status == 200, "it to write")


@pytest.mark.parametrize(("method", "query"), WRITES)
def test_write_times_out(
    *, relay: Relay, frail: Rest, zk: KazooClient, top: str, url: str, method: str, query: str
) -> None:
    """6: a write without an answer is 504, and says that its outcome is unknown: it may come."""
    relay.freeze()
    answer = frail.ask(method, url + query, body_of(method))
    assert answer.status == 504
    assert answer.json()["outcome"] == "unknown"
    assert "unknown" in answer.json()["message"]
    relay.thaw()
    until(lambda: landed(zk, top, method), "the late write")


def landed(zk: KazooClient, top: str, method: str) -> bool:
    """Whether the write of `method` took effect."""
    stat = zk.exists(top)
    return bool(stat is None if method == "DELETE" else stat and (stat.version or stat.numChildren))


@pytest.mark.parametrize(("method", "query"), READS)
def test_read_times_out(relay: Relay, frail: Rest, url: str, method: str, query: str) -> None:
    """6: a read without an answer is 504, and nothing about it is unknown."""
    relay.freeze()
    answer = frail.ask(method, url + query)
    assert answer.status == 504
    assert b"unknown" not in answer.body


@pytest.mark.parametrize(("method", "query"), WRITES)
def test_connection_lost_under_a_write(
    *, relay: Relay, zk: KazooClient, top: str, url: str, method: str, query: str
) -> None:
    """6: a write under which the connection breaks is 503, outcome unknown, and is not resent."""
    head = f"{method} {url}{query} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n"

    def cut_later() -> None:
        until(lambda: relay.gathered_bytes > PINGS_BYTES, "the write")
        relay.cut()

    with behind(relay, PATIENT) as frail:
        relay.freeze()
        cutter = threading.Thread(target=cut_later)
        cutter.start()
        answer = frail.raw(f"{head}Connection: close\r\n\r\n".encode())
        cutter.join()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b'"outcome":"unknown"' in answer
        relay.thaw()
        relay.mend()
        until(lambda: frail.get("/readyz").status == 200, "the gateway to recover")
        time.sleep(0.2)
    assert not landed(zk, top, method), "the gateway sent it again"


def test_many_wait_for_the_first_connection(hosts: str) -> None:
    """6: requests that arrive together before the first connection are all answered."""
    with running(GatewayConfig(endpoints=(EndpointConfig(hosts=hosts),), port=0)) as port:
        clients = [Rest("127.0.0.1", port) for _ in range(20)]
        statuses: list[int] = []
        threads = [
            threading.Thread(target=lambda c=c: statuses.append(c.get("/znodes/v1/").status))
            for c in clients
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert statuses == [200] * 20
        for client in clients:
            client.close()


class TestAccess:
    """6, 7: access control lists."""

    def test_no_auth(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """6: what the list forbids is 403."""
        zk.create(f"{top}/n", b"", acl=[make_digest_acl("u", "p", all=True)])
        for method in ("GET", "PUT"):
            assert rest.ask(method, f"{url}/n", body_of(method)).status == 403
        zk.delete(f"{top}/n")

    def test_digest(self, hosts: str, zk: KazooClient, top: str, url: str) -> None:
        """7: an endpoint's digests are in its shared session and in every REST session."""
        zk.create(f"{top}/n", b"", acl=[make_digest_acl("u", "p:q", all=True)])
        endpoint = EndpointConfig(hosts=hosts, digests=("x:y", "u:p:q"))
        with running(GatewayConfig(endpoints=(endpoint,), port=0)) as port:
            rest = Rest("127.0.0.1", port)
            assert rest.put(f"{url}/n", b"x").status == 200
            session = rest.post("/sessions/v1/?op=create&expire=60").json()["id"]
            assert rest.put(f"{url}/n?session={session}", b"y").status == 200
            rest.close()
        zk.delete(f"{top}/n")


class TestBodies:
    """6: bodies too large, too long, too slow, cut short."""

    def limit(self, top: str) -> int:
        """The largest data ZooKeeper is sent for a znode."""
        return 0xFFFFF - 64 - len(top)

    def test_largest(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """6: data up to ZooKeeper's limit goes through, and back."""
        body = bytes(range(256)) * 4096
        body = body[: self.limit(top)]
        assert rest.put(url, body).status == 200
        assert zk.get(top)[0] == body
        assert rest.get(url, Accept="application/octet-stream").body == body

    @pytest.mark.parametrize("method", ["PUT", "POST"])
    def test_too_large(
        self, *, rest: Rest, zk: KazooClient, top: str, url: str, method: str
    ) -> None:
        """6: one byte more is 413, and no connection suffers."""
        connects = metric(rest, "zkmq_rest_connects_total")
        answer = rest.ask(method, f"{url}?name=n", bytes(self.limit(top) + 1))
        assert answer.status == 413
        assert rest.get(url).status == 200
        assert metric(rest, "zkmq_rest_connects_total") == connects
        assert zk.get_children(top) == []

    def test_refused_before_it_is_read(self, rest: Rest, url: str) -> None:
        """6: an announced length over the limit is refused while none of it has been sent."""
        head = f"PUT {url} HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n"
        for expect in ("", "Expect: 100-continue\r\n"):
            answer = first_bytes(rest, f"{head}{expect}\r\n".encode())
            assert answer.startswith(b"HTTP/1.1 413 ")

    def test_too_large_in_chunks(self, rest: Rest, url: str) -> None:
        """6: chunks are counted while they are read."""
        head = f"PUT {url} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        chunk = b"40000\r\n" + bytes(0x40000) + b"\r\n"
        assert first_bytes(rest, head + chunk * 5).startswith(b"HTTP/1.1 413 ")

    def test_cut_short(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """8: a body that ends before its announced length is not stored."""
        with socket.create_connection((rest.host, rest.port)) as sock:
            sock.sendall(f"PUT {url} HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc".encode())
        time.sleep(0.3)
        assert zk.get(top)[1].version == 0

    def test_two_lengths(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """8: two different Content-Lengths are 400."""
        head = f"PUT {url} HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n"
        assert rest.raw(head.encode() + b"abcd").startswith(b"HTTP/1.1 400 ")
        assert zk.get(top)[1].version == 0

    def test_length_and_chunks(self, rest: Rest, zk: KazooClient, top: str, url: str) -> None:
        """8: a length together with chunks, which two servers may read differently, is 400."""
        head = f"PUT {url} HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
        head += "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        assert rest.raw(head.encode() + b"3\r\nabc\r\n0\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        assert zk.get(top)[1].version == 0


def first_bytes(rest: Rest, data: bytes) -> bytes:
    """Send bytes and return the first that come back, without waiting for the end."""
    with socket.create_connection((rest.host, rest.port), 10) as sock:
        sock.sendall(data)
        return sock.recv(65536)


def metric(rest: Rest, name: str) -> float:
    """One number of /metrics."""
    lines = rest.get("/metrics").body.decode().splitlines()
    (line,) = [line for line in lines if line.startswith(name + "{")]
    return float(line.split()[-1])


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
        (b"GET /znodes/v1/ HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 200_000, 414),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 200_000, 431),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/3.7\r\nHost: h\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400),
        (b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"PUT /znodes/v1/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nbad header: x\r\n\r\n", 400),
    ],
    ids=["url", "headers", "endless-url", "endless-headers", "nonsense", "no-host", "two-hosts",
         "http-3", "tls", "negative-length", "unknown-coding", "bad-chunk", "bad-header"],
)  # fmt: skip
def test_malformed(rest: Rest, request_: bytes, status: int) -> None:
    """6: requests that are too long or no HTTP get their status, never a 500."""
    answer = first_bytes(rest, request_)
    assert int(answer.split()[1]) == status
    assert rest.get("/healthz").status == 200
