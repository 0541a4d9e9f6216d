"""The server in memory speaks ZooKeeper's protocol well enough for the real client."""

import socket
import threading
from collections.abc import Iterator

import pytest

from harness.common.polling import wait_until
from worlds.proxy import link
from worlds.proxy.faults import Fault
from worlds.proxy.protocol import (
    HANDSHAKE_REPLY,
    REPLY_HEADER,
    REQUEST_HEADER,
    Opcode,
    frame,
    write_handshake,
)
from worlds.proxy.proxy import Proxy
from worlds.proxy.session import receive
from worlds.wire.zookeeper import WireZooKeeper
from zkmq import Queue
from zkmq.errors import AccessDeniedError, ZkmqError
from zkmq.zookeeper.session.kazoo_store import KazooStore
from zkmq.zookeeper.store import (
    Committed,
    Create,
    Delete,
    GetChildren,
    GetData,
    Rejected,
    SetData,
    Znode,
    is_there,
)

SOON_S = 60.0


@pytest.fixture
def store(server: WireZooKeeper) -> Iterator[KazooStore]:
    """A real client of it."""
    connected = KazooStore.connect(server.address)
    yield connected
    connected.close()


def test_a_queue_works_on_it(server: WireZooKeeper) -> None:
    """Put, reserve, acknowledge, give back, wait, look and count, through the real connection."""
    with Queue.connect(server.address, "/q", order="strict") as queue:
        queue.put_many([b"a", b"b", b"c"])
        queue.put(b"urgent", priority=1, ttr_s=60)
        first, second = queue.reserve(2).items
        queue.done(first)
        queue.release(second)
        assert [item.data for item in queue.reserve(9, sync=True).items] == [b"a", b"b", b"c"]
        assert queue.reserve(timeout_s=0.01).items == ()
        assert queue.stats().held == 3
    assert wait_until(
        lambda: not [path for path in server.dump() if path.startswith("/q/consumers/")],
        within_s=SOON_S,
        every_s=0.02,
    )


@pytest.mark.parametrize("guards_stats", [True, False])
def test_a_node_that_may_not_be_read_is_there(
    server: WireZooKeeper, store: KazooStore, *, guards_stats: bool
) -> None:
    """Whether or not the servers still tell its stat; a node that is missing is not."""
    until_s = store.now() + SOON_S
    store.commit([Create("/a")], until_s)
    server.leader.guards_stats = guards_stats
    server.leader.allowed["/a"] = 0
    denied: list[str] = []
    assert is_there(store, "/a", until_s, denied.append)
    assert denied == ["/a"] * guards_stats
    assert not is_there(store, "/b", until_s)
    if guards_stats:
        with pytest.raises(AccessDeniedError, match="/a"):
            store.exists("/a", until_s)
    else:
        assert store.exists("/a", until_s) is not None


def test_a_multi_is_all_or_none(store: KazooStore) -> None:
    """What is refused names the operation and the code; what commits has its paths and zxid."""
    until_s = store.now() + SOON_S
    done = store.commit([Create("/a"), Create("/a/n-", b"x", sequence=True)], until_s)
    assert isinstance(done, Committed)
    assert done.created == ["/a", "/a/n-0000000000"]
    refused = store.commit([SetData("/a", b"new", 0), Delete("/a")], until_s)
    assert isinstance(refused, Rejected)
    assert (refused.index, refused.code.name) == (1, "NOT_EMPTY")
    node, names, nothing = store.read_many(
        [GetData("/a"), GetChildren("/a"), GetData("/b")], until_s
    ).results
    assert isinstance(node, Znode)
    assert (node.data, node.version, node.children) == (b"", 0, 1)
    assert (names, nothing) == (["n-0000000000"], None)


def test_a_watch_is_called_once(server: WireZooKeeper, store: KazooStore) -> None:
    """A change of the children, and the coming of a node, are told to who asked."""
    until_s = store.now() + SOON_S
    came, changed = threading.Event(), threading.Event()
    store.commit([Create("/a")], until_s)
    assert store.exists("/b", until_s, came.set) is None
    assert store.list("/a", until_s, changed.set) == []
    with server.leader_now() as leader:
        leader.multi(leader.open_session(), [Create("/a/c"), Create("/b")])
    assert came.wait(SOON_S)
    assert changed.wait(SOON_S)


def test_a_session_ends_with_its_client(server: WireZooKeeper) -> None:
    """Of a client that has gone silent nothing ephemeral is left after its time-out."""
    server.shortest_timeout_ms = 0
    with Proxy(server.address) as proxy:
        store = KazooStore.connect(proxy.address, session_timeout_s=0.5)
        store.commit([Create("/here", ephemeral=True)], store.now() + SOON_S)
        proxy.refusing = True
        proxy.cut()
        assert wait_until(lambda: "/here" not in server.dump(), within_s=SOON_S, every_s=0.02)
        store.close()


def test_it_refuses_what_it_is_told_to(server: WireZooKeeper) -> None:
    """A quota is told as servers tell it, and nothing is applied."""
    with Queue.connect(server.address, "/q") as queue:
        queue.put(b"a")
        server.refuses = lambda *_: (-125, False)
        with pytest.raises(ZkmqError):
            queue.put(b"b")
        server.refuses = lambda *_: None
        assert [item.data for item in queue.reserve(9, sync=True).items] == [b"a"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("number", "fault"), [(2, Fault.CUT_BEFORE), (1, Fault.CUT_AFTER)])
def test_a_proxy_waits_for_no_answer_on_a_broken_connection(
    monkeypatch: pytest.MonkeyPatch, number: int, fault: Fault
) -> None:
    """A fault that first lets answers pass, or needs one, knows when none can come any more."""
    monkeypatch.setattr(link, "ANSWERED_WITHIN_S", 3600.0)
    sync = REQUEST_HEADER.pack(1, Opcode.SYNC) + frame(b"/")
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        Proxy(f"127.0.0.1:{silent.getsockname()[1]}") as proxy,
        socket.create_connection(("127.0.0.1", int(proxy.address.rpartition(":")[2]))) as client,
    ):
        proxy.arm({number: fault})
        client.sendall(frame(write_handshake(0, bytes(16), 1000)) + frame(sync))
        proxy._await(lambda: len(proxy.journal) == number)
        proxy.cut()


@pytest.mark.timeout(60)
def test_a_silence_ends_when_the_server_has_answered() -> None:
    """What became of a request that came just before its end is known, and no error is seen."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        Proxy(f"127.0.0.1:{listening.getsockname()[1]}", silence_s=3600.0) as proxy,
        socket.create_connection(("127.0.0.1", int(proxy.address.rpartition(":")[2]))) as client,
    ):
        proxy.arm({2: Fault.LOSE_REPLY})
        server, _ = listening.accept()
        with server:
            client.sendall(frame(write_handshake(0, bytes(16), 1000)))
            receive(server)
            server.sendall(frame(HANDSHAKE_REPLY.pack(0, 1000, 7) + frame(bytes(16))))
            (way,) = proxy._links
            ending = threading.Thread(target=way._end_silence)
            for xid in (1, 2):
                client.sendall(frame(REQUEST_HEADER.pack(xid, Opcode.SYNC) + frame(b"/")))
                receive(server)
                if xid == 2:
                    ending.start()
                    ending.join(0.2)
                    assert ending.is_alive()
                server.sendall(frame(REPLY_HEADER.pack(xid, 1, 0) + frame(b"/")))
            ending.join()
        assert [each.applied for each in proxy.journal] == [True, True, True]
        assert proxy.errors == []
