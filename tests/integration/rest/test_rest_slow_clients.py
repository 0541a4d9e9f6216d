"""Slow and half-open clients do not delay others, and do not stay for ever."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from integration.rest.exchange import Rest, running

from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig, Limits

pytestmark = pytest.mark.docker

HALF_HEAD = b"GET /znodes/v1/ HTTP/1.1\r\nHost: h\r\nX-Half"
HALF_BODY = b"PUT /znodes/v1/rest HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc"


@pytest.fixture
def impatient(hosts: str) -> Iterator[Rest]:
    """A gateway that waits one second for heads and bodies."""
    limits = Limits(header_timeout_s=1, body_timeout_s=1)
    endpoint = EndpointConfig(hosts=hosts)
    with running(GatewayConfig(endpoints=(endpoint,), port=0, limits=limits)) as port:
        rest = Rest("127.0.0.1", port)
        yield rest
        rest.close()


@pytest.mark.parametrize("sent", [b"", HALF_HEAD, HALF_BODY], ids=["nothing", "head", "body"])
def test_200_half_open(rest: Rest, sent: bytes) -> None:
    """200 half-open connections do not delay others: each of 50 GETs takes under half a second."""
    with ExitStack() as stack:
        for _ in range(200):
            sock = stack.enter_context(socket.create_connection((rest.host, rest.port)))
            sock.sendall(sent)
        slowest = 0.0
        for _ in range(50):
            started = time.monotonic()
            assert rest.get("/znodes/v1/").status == 200
            slowest = max(slowest, time.monotonic() - started)
    assert slowest < 0.5


@pytest.mark.parametrize("sent", [b"", HALF_HEAD, HALF_BODY], ids=["nothing", "head", "body"])
def test_half_open_is_ended(impatient: Rest, sent: bytes) -> None:
    """A request that does not arrive in time is 408."""
    started = time.monotonic()
    with socket.create_connection((impatient.host, impatient.port), 10) as sock:
        sock.sendall(sent)
        assert sock.recv(65536).startswith(b"HTTP/1.1 408 ")
    assert 0.9 < time.monotonic() - started < 3


def test_one_byte_at_a_time(impatient: Rest) -> None:
    """Sending a byte now and then does not prolong the time for a head."""
    with socket.create_connection((impatient.host, impatient.port), 10) as sock:
        started = time.monotonic()
        sock.settimeout(0.2)
        for byte in HALF_HEAD:
            sock.sendall(bytes([byte]))
            try:
                assert sock.recv(65536).startswith(b"HTTP/1.1 408 ")
                break
            except TimeoutError:
                continue
    assert time.monotonic() - started < 3


def test_idle_connection_is_kept(impatient: Rest) -> None:
    """The time for a head begins with a request, not with the end of the one before."""
    assert impatient.get("/healthz").status == 200
    time.sleep(1.5)
    assert impatient.get("/healthz").status == 200
