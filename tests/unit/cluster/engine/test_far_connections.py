"""An engine on another machine: what happens to requests when nothing is heard of it any more."""

import errno
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest
import requests

from cluster.cluster_errors import EngineGoneError
from cluster.engine import containers, engine, far_connections
from cluster.engine.far_connections import SILENT_S, FarAdapter
from cluster.engine.reach import LOOPBACK

WAITS_S = 60.0  # much longer than any of these tests lasts


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def asking(port: int) -> Iterator[engine.Engine]:
    """Lend a client on what listens there."""
    url = f"tcp://{LOOPBACK}:{port}"
    with closing(engine.Engine("host-2", base_url=url, version="1.43", timeout=WAITS_S)) as client:
        yield client


def test_a_connection_ends_when_the_other_kernel_is_silent(silent: int) -> None:
    """The kernel looks for the other one, whether or not something was sent."""
    adapter = FarAdapter(pool_maxsize=1)
    with (
        closing(adapter),
        closing(
            adapter.poolmanager.connection_from_url(f"http://{LOOPBACK}:{silent}")._new_conn()
        ) as connection,
    ):
        connection.connect()
        assert connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        probes = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
        idle_s, each_s, count, unacknowledged_ms = (
            connection.sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in probes
        )
        assert idle_s + count * each_s == SILENT_S
        assert unacknowledged_ms == SILENT_S * 1000


def test_a_machine_that_takes_no_connection_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the engine and its machine; the next request is not even tried."""
    monkeypatch.setattr(far_connections, "CONNECT_WITHIN_S", 0.3)
    with ExitStack() as open_, socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen(0)
        port = server.getsockname()[1]
        for _ in range(2):  # more than its queue holds: it is silent to the next
            waiting = open_.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex((LOOPBACK, port))
        with asking(port) as client:
            for _ in range(2):
                with pytest.raises(EngineGoneError, match=r"host-2: .* is its machine cut off\?"):
                    client.containers.list()
                monkeypatch.setattr(far_connections, "CONNECT_WITHIN_S", WAITS_S)


def test_an_engine_that_hangs_is_given_up_with_all_that_waits_for_it(silent: int) -> None:
    """A request that was sent before ends at once, as those do that come after."""
    refused: list[Exception] = []
    with asking(silent) as client:

        def wait() -> None:
            try:
                client.containers.list()
            except EngineGoneError as error:
                refused.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        with pytest.raises(EngineGoneError, match=r"host-2: .* has it been stopped\?") as told:
            engine.require(client, within_s=0.5)
        waiting.join(WAITS_S)
        assert [str(error) for error in refused] == [str(told.value)]
        with pytest.raises(EngineGoneError, match=r"has it been stopped\?"):
            client.containers.list()


def test_a_command_whose_connection_breaks_names_the_engine(
    silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is raised in the middle of its output comes from the socket, past docker's client."""

    def broken(_: object, *, demux: bool) -> bytes:
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    with asking(silent) as client:
        monkeypatch.setattr(client.api, "exec_create", lambda *_, **__: {"Id": "x"})
        monkeypatch.setattr(client.api, "exec_start", broken)
        container = client.containers.prepare_model({"Id": "c", "Name": "/node"})
        with pytest.raises(EngineGoneError, match=r"host-2: .* is its machine cut off\?"):
            containers.execute(container, ["true"])
        assert client.api.lost is not None


def raised(cause: OSError, error: OSError) -> OSError:
    """Return an error that was raised because of another one."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "silent"),
    [
        (requests.ConnectTimeout(), True),
        (OSError(errno.EHOSTUNREACH, "No route to host"), True),
        (raised(TimeoutError(errno.ETIMEDOUT, "timed out"), requests.ReadTimeout()), True),
        (raised(TimeoutError("timed out"), requests.ReadTimeout()), False),
        (raised(ConnectionRefusedError(errno.ECONNREFUSED, ""), OSError()), False),
        (ConnectionResetError(errno.ECONNRESET, ""), False),
    ],
)
def test_a_silent_machine_is_told_from_a_slow_engine(error: OSError, *, silent: bool) -> None:
    """An answer that is late, or a refusal, comes from a machine that is there."""
    assert far_connections.is_silent(error) is silent
