"""TLS: whom a client believes, who it says it is, and what it says when that fails."""

import asyncio
import gc
import logging
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from worlds.certificates import Authority
from zkmq.errors import AccessDeniedError, BadArgumentError, NoQuorumError
from zkmq.rest.upstream.async_session import AsyncSession
from zkmq.rest.upstream.gateway_config import EndpointConfig
from zkmq.zookeeper.security import Security
from zkmq.zookeeper.session.kazoo_store import KazooStore

SECRET = "the key's own password"  # noqa: S105 - of a test
SESSION = 0x1234


class Server:
    """Opens a session for everybody who gets through the handshake, and answers its end."""

    def __init__(self, certificate: Path, client_ca: Path | None = None) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        if client_ca is not None:
            self._context.load_verify_locations(client_ca)
            self._context.verify_mode = ssl.CERT_REQUIRED
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.clients: list[str] = []
        self.tried = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept nobody any more."""
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._socket.accept()
            except OSError:
                return
            self.tried += 1
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        try:
            with self._context.wrap_socket(raw, server_side=True) as connection:
                (length,) = struct.unpack("!i", connection.recv(4))
                connection.recv(length)
                subject = (connection.getpeercert() or {}).get("subject", ())
                self.clients.append(str(subject))
                # Protocol version, time-out in ms, session, password.
                answer = struct.pack("!iiqi16s", 0, 10_000, SESSION, 16, b"p" * 16)
                connection.sendall(struct.pack("!i", len(answer)) + answer)
                (length,) = struct.unpack("!i", connection.recv(4))
                xid, _ = struct.unpack("!ii", connection.recv(length)[:8])
                # The only request of these tests is the one that ends the session.
                connection.sendall(struct.pack("!iiqi", 16, xid, 0, 0))
        except (OSError, struct.error):
            pass  # whom it does not believe, or who does not believe it, is gone


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    """Give the authority that both sides know."""
    return Authority(tmp_path, "ours")


@pytest.fixture
def server(ours: Authority) -> Iterator[Server]:
    """Give a server with a certificate for its address."""
    found = Server(ours.sign("127.0.0.1"))
    yield found
    found.close()


def connect(server: Server, security: Security) -> int | None:
    """Open a session, and close it; its id."""
    store = KazooStore.connect(
        f"127.0.0.1:{server.port}", security=security, connect_timeout_s=60.0, multi_read=True
    )
    try:
        return store.session_id
    finally:
        store.close()


def test_a_server_that_proves_who_it_is(ours: Authority, server: Server) -> None:
    """Its certificate is signed by the authority given, for the address connected to."""
    assert connect(server, Security(ca=str(ours.path))) == SESSION


def test_a_server_of_another_authority_is_not_believed(server: Server, tmp_path: Path) -> None:
    """No session, and the error says what to look at."""
    theirs = Authority(tmp_path, "theirs")
    with pytest.raises(NoQuorumError, match="Do they speak TLS there"):
        connect(server, Security(ca=str(theirs.path)))
    assert server.clients == []


def test_a_server_of_another_name_is_not_believed(ours: Authority) -> None:
    """Unless that is asked for."""
    other = Server(ours.sign("elsewhere.example"))
    with pytest.raises(NoQuorumError):
        connect(other, Security(ca=str(ours.path)))
    assert connect(other, Security(ca=str(ours.path), check_names=False)) == SESSION
    other.close()


def test_a_certificate_that_fails_is_told_at_once(server: Server, tmp_path: Path) -> None:
    """No deadline is waited for, and the message says what is wrong with the certificate."""
    theirs = Security(ca=str(Authority(tmp_path, "theirs").path))
    hosts = f"127.0.0.1:{server.port}"
    with pytest.raises(NoQuorumError, match="can be believed: unable to get local issuer"):
        KazooStore.connect(hosts, security=theirs, connect_timeout_s=600.0)
    assert server.tried == 1


def test_a_handshake_that_fails_leaves_no_socket_open(server: Server, tmp_path: Path) -> None:
    """It would stay open until the garbage collector finds it, one for each try."""
    theirs = Security(ca=str(Authority(tmp_path, "theirs").path))
    gc.disable()
    try:
        with pytest.raises(NoQuorumError) as refused:
            connect(server, theirs)
        sockets = [each for each in gc.get_objects() if isinstance(each, ssl.SSLSocket)]
    finally:
        gc.enable()
    assert server.tried
    assert [each for each in sockets if not each.server_side and each.fileno() >= 0] == []
    del refused  # with the frames that a leak would be kept by


def test_one_server_with_a_bad_certificate_is_not_the_end(ours: Authority, server: Server) -> None:
    """The others are tried, and one that can be believed is enough."""
    other = Server(ours.sign("elsewhere.example"))
    for _ in range(5):  # kazoo tries them in a random order
        hosts = f"127.0.0.1:{other.port},127.0.0.1:{server.port}"
        store = KazooStore.connect(
            hosts, security=Security(ca=str(ours.path)), connect_timeout_s=60.0
        )
        assert store.session_id == SESSION
        store.close()
    other.close()


def test_a_gateway_speaks_tls_with_the_servers(ours: Authority, server: Server) -> None:
    """Its sessions take the same certificates as every other client's."""

    async def one_session() -> int:
        endpoint = EndpointConfig(
            hosts=f"127.0.0.1:{server.port}", security=Security(ca=str(ours.path))
        )
        session = AsyncSession(
            endpoint.hosts,
            session_timeout_s=10,
            timeout_s=60,
            connect_wait_s=60,
            arguments=endpoint.kazoo_arguments(),
        )
        await session.ready()
        try:
            return session._client.client_id[0]
        finally:
            await session.close()

    assert asyncio.run(one_session()) == SESSION


@pytest.mark.parametrize("password", [None, SECRET])
def test_a_client_proves_who_it_is(ours: Authority, password: str | None) -> None:
    """With certificate and key in one file, also if the key has a password."""
    server = Server(ours.sign("127.0.0.1"), client_ca=ours.path)
    own = ours.sign("worker", password=password)
    security = Security(ca=str(ours.path), certificate=str(own), key_password=password)
    assert connect(server, security) == SESSION
    assert "worker" in server.clients[0]
    server.close()


def test_a_client_without_the_certificate_that_is_asked_for_is_told_at_once(
    ours: Authority, tmp_path: Path
) -> None:
    """The server refuses it in its handshake, in TLS 1.3 only after the client's part of it."""
    server = Server(ours.sign("127.0.0.1"), client_ca=ours.path)
    theirs = Authority(tmp_path, "theirs").sign("worker")
    for security in (
        Security(ca=str(ours.path)),
        Security(ca=str(ours.path), certificate=str(theirs)),
    ):
        with pytest.raises(AccessDeniedError, match="give one that they believe"):
            KazooStore.connect(
                f"127.0.0.1:{server.port}", security=security, connect_timeout_s=600.0
            )
    assert server.clients == []
    server.close()


def test_files_that_cannot_be_used_are_told_at_once(
    ours: Authority, server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As bad arguments, with the file's name, and without a password in error or log."""
    caplog.set_level(logging.DEBUG)
    own = ours.sign("worker", password=SECRET)
    for security, name in (
        (Security(ca=str(tmp_path / "nowhere.pem")), "nowhere.pem"),
        (Security(ca=__file__), "test_tls.py"),
        (Security(ca=str(ours.path), certificate=str(tmp_path / "none.pem")), "none.pem"),
        (Security(ca=str(ours.path), certificate=str(own)), own.name),
        (Security(ca=str(ours.path), certificate=str(own), key_password="wrong"), own.name),  # noqa: S106
    ):
        with pytest.raises(BadArgumentError, match=name) as refused:
            connect(server, security)
        assert SECRET not in str(refused.value)
    assert SECRET not in caplog.text
    assert server.clients == []
