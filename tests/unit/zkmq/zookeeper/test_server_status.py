"""What servers say of themselves is read, and what is no answer is told as none."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from zkmq.zookeeper import server_status
from zkmq.zookeeper.server_status import ServerStatus, ask_servers, read_status

SAID = """Zookeeper version: 3.9.3-c26634f34490bb0ea7a09cc51e05ede3b4e320ee, built on 2024-10-17
Latency min/avg/max: 0/0.5217/14
Received: 24
Sent: 23
Connections: 1
Outstanding: 0
Zxid: 0x100000005
Mode: leader
Node count: 19
"""


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no machine that stands still decide whether a server answers."""
    monkeypatch.setattr(server_status, "ASK_WITHIN_S", 60.0)


@contextmanager
def serving(said: bytes) -> Iterator[str]:
    """Answer one connection with these bytes; give the address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(4) == b"srvr"
                connection.sendall(said)

        thread = threading.Thread(target=answer, daemon=True)  # nobody may ever ask
        thread.start()
        yield "{}:{}".format(*server.getsockname())
        thread.join()


def test_an_answer_is_read() -> None:
    """As servers of 3.9 give it."""
    with serving(SAID.encode()) as address:
        assert ask_servers(f"{address}/chroot") == [
            ServerStatus(
                address,
                mode="leader",
                version="3.9.3",
                zxid="0x100000005",
                latency_ms=0.5217,
                connections=1,
                outstanding=0,
                nodes=19,
            )
        ]


@pytest.mark.parametrize(
    "said",
    [
        "",
        "srvr is not executed because it is not in the whitelist.\n",
        "This ZooKeeper instance is not currently serving requests\n",
        "Latency min/avg/max: 0/1.2.3/4\nConnections: many\nMode:\n",
        "\udcff\0" * 50,
    ],
)
def test_any_other_answer_says_nothing(said: str) -> None:
    """Of a server that may not answer, serves nothing, or is none."""
    assert read_status("a:1", said) == ServerStatus("a:1")


def test_a_server_that_is_away_is_shown_as_such() -> None:
    """And the others all the same, in their order."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        away = "{}:{}".format(*server.getsockname())
    with serving(SAID.encode()) as address:
        found = ask_servers(f"{away},{address}")
    assert [(each.address, each.mode) for each in found] == [(away, None), (address, "leader")]
