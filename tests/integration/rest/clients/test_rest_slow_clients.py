"""Slow and half-open clients do not delay others, and do not stay for ever."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from integration.rest.exchange import HANGS_S, Rest, running

from worlds.wire.starvation import Starvation
from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig, Limits

pytestmark = pytest.mark.docker

HALF_HEAD = b"GET /znodes/v1/ HTTP/1.1\r\nHost: h\r\nX-Half"
# How long a gateway waits for a head that was told nothing else; for a body, longer.
DEFAULT_S = 10.0
LONG_HEAD = HALF_HEAD + b"-" * 200
HALF_BODY = b"PUT /znodes/v1/rest HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc"


@contextmanager
def waiting(hosts: str, seconds: float) -> Iterator[Rest]:
    """A gateway that waits so long for heads and bodies."""
    limits = Limits(header_timeout_s=seconds, body_timeout_s=seconds)
    endpoint = EndpointConfig(hosts=hosts)
    with running(GatewayConfig(endpoints=(endpoint,), port=0, limits=limits)) as port:
        rest = Rest("127.0.0.1", port)
        yield rest
        rest.close()


@pytest.fixture
def impatient(hosts: str) -> Iterator[Rest]:
    """A gateway that waits one second for heads and bodies."""
    with waiting(hosts, 1) as rest:
        yield rest


@pytest.fixture
def patient(hosts: str) -> Iterator[Rest]:
    """A gateway that waits for longer than any test lasts."""
    with waiting(hosts, 3600) as rest:
        yield rest


def is_left_open(sock: socket.socket) -> bool:
    """Whether the gateway has neither answered nor hung up."""
    sock.setblocking(False)  # noqa: FBT003 - the socket's own signature
    try:
        sock.recv(1)
    except BlockingIOError:
        return True
    return False


@pytest.mark.parametrize("sent", [b"", HALF_HEAD, HALF_BODY], ids=["nothing", "head", "body"])
def test_200_half_open(patient: Rest, sent: bytes) -> None:
    """200 half-open connections do not delay others: 50 GETs are answered while all stay open.

    A gateway that served one connection after the other would be at the first for an hour.
    """
    with ExitStack() as stack:
        half_open = [
            stack.enter_context(socket.create_connection((patient.host, patient.port)))
            for _ in range(200)
        ]
        for sock in half_open:
            sock.sendall(sent)
        for _ in range(50):
            assert patient.get("/znodes/v1/").status == 200
        assert all(map(is_left_open, half_open))


@pytest.mark.parametrize("sent", [b"", HALF_HEAD, HALF_BODY], ids=["nothing", "head", "body"])
def test_half_open_is_ended(impatient: Rest, sent: bytes) -> None:
    """A request that does not arrive in time is 408."""
    started = time.monotonic()
    with (
        Starvation() as starvation,
        socket.create_connection((impatient.host, impatient.port), HANGS_S) as sock,
    ):
        sock.sendall(sent)
        assert sock.recv(65536).startswith(b"HTTP/1.1 408 ")
        assert starvation.ran_s(started) < DEFAULT_S
    assert time.monotonic() - started > 0.9


def test_one_byte_at_a_time(impatient: Rest) -> None:
    """Sending a byte now and then does not prolong the time for a head."""
    with socket.create_connection((impatient.host, impatient.port), 10) as sock:
        sock.settimeout(0.2)
        for byte in LONG_HEAD:
            sock.sendall(bytes([byte]))
            try:
                assert sock.recv(65536).startswith(b"HTTP/1.1 408 ")
                break
            except TimeoutError:
                continue
        else:
            pytest.fail("each byte prolonged the time")


def test_idle_connection_is_kept(impatient: Rest) -> None:
    """The time for a head begins with a request, not with the end of the one before."""
    assert impatient.get("/healthz").status == 200
    time.sleep(1.5)
    assert impatient.get("/healthz").status == 200
