"""The gateway's socket and its certificate: who holds on to them, and who replaces them."""

import asyncio
import select
import socket
import ssl
from contextlib import closing
from pathlib import Path

import pytest

from worlds.certificates import Authority
from zkmq.rest.http.http_errors import ConfigError
from zkmq.rest.server import serving
from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig, Tls

WITHIN_S = 60.0


@pytest.mark.medium
def test_a_client_that_takes_nothing_is_cut_off() -> None:
    """It holds neither its answer nor its connection for ever."""
    with (
        closing(serving.listen("127.0.0.1", 0, unread_s=1)) as listener,
        closing(socket.create_connection(listener.getsockname())),
        closing(listener.accept()[0]) as served,
    ):
        served.setblocking(False)  # noqa: FBT003 -- the socket's own signature
        with pytest.raises(BlockingIOError):
            fill(served)
        poller = select.poll()
        poller.register(served, select.POLLOUT)
        assert [events & select.POLLERR for _, events in poller.poll(WITHIN_S * 1000)] == [
            select.POLLERR
        ]


def fill(sock: socket.socket) -> None:
    """Send until there is no room."""
    while True:
        sock.send(bytes(65536))


def test_an_encrypted_key_is_refused(tmp_path: Path) -> None:
    """OpenSSL does not ask the terminal for its password, which would stop a running gateway."""
    certificate = Authority(tmp_path, "ca").sign("encrypted", password="secret")  # noqa: S106
    with pytest.raises(ConfigError, match="expected a key without a password"):
        serving.tls_context(Tls(certificate=certificate, key=certificate))
    right = Tls(certificate=certificate, key=certificate, password="secret")  # noqa: S106
    assert isinstance(serving.tls_context(right), ssl.SSLContext)


def test_a_certificate_that_is_just_being_replaced_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that finds files missing, or of two pairs, does not end the looking."""
    certificate = Authority(tmp_path, "ca").sign("gateway")
    tls = Tls(certificate=certificate, key=certificate, check_s=0.001)
    server = serving.GatewayServer(
        GatewayConfig(endpoints=(EndpointConfig(hosts="h"),), port=0, tls=tls)
    )
    troubles = iter([FileNotFoundError(2, "gone"), ssl.SSLError("mismatch")])
    loaded = asyncio.Event()

    def load(context: ssl.SSLContext, files: Tls) -> bool:
        for trouble in troubles:
            raise trouble
        loaded.set()
        return True

    stamps = iter(range(1000))
    monkeypatch.setattr(serving, "_stamps", lambda _: [next(stamps)])
    monkeypatch.setattr(serving, "_load", load)

    async def run() -> None:
        looking = asyncio.create_task(server._watch_certificate())
        await asyncio.wait_for(loaded.wait(), WITHIN_S)
        looking.cancel()

    asyncio.run(run())
