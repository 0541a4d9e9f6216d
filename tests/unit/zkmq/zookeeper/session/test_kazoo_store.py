"""The real connection, on a ZooKeeper in memory: outages, silence, refusals, secrets."""

import gc
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.security import CREATOR_ALL_ACL

from worlds.proxy.proxy import Proxy
from worlds.wire.silence import Silenced, silenced
from worlds.wire.zookeeper import WireZooKeeper
from zkmq import (
    AccessDeniedError,
    BadArgumentError,
    ClosedError,
    ConsumerLostError,
    Hold,
    Item,
    NoQuorumError,
    Queue,
    Security,
    ServerRefusedError,
    ZkmqError,
)
from zkmq.tree import raw_copy
from zkmq.zookeeper.session import wire
from zkmq.zookeeper.session.kazoo_client import KAZOO_LOG, KazooLogFilter, make_client
from zkmq.zookeeper.session.kazoo_store import KazooStore
from zkmq.zookeeper.store import Committed, Create, GetChildren, GetData, Lost

pytestmark = pytest.mark.medium

# What hung did so for ever; a busy machine may need some seconds.
SOON_S = 60.0
# Of a look at the clock, on a machine that may stand still meanwhile.
TRIES = 5
# More than kazoo's wake-up socket takes while nobody drains it.
MANY = 600
CLOSES_S = 60.0
# A close that does not wait returns within this.
RETURNS_S = 0.2
WRONG = "a-password-that-shows"


@pytest.fixture
def proxy(server: WireZooKeeper) -> Iterator[Proxy]:
    """Give a network to it."""
    with Proxy(server.address) as started:
        yield started


@pytest.fixture
def silent_port() -> Iterator[str]:
    """Give the address of a port that accepts, and stays silent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def soon(call: Callable[[], Any]) -> Any:
    """Call on another thread; fail, and do not hang, if it does not end."""
    ended: list[Any] = []

    def run() -> None:
        try:
            ended.append(call())
        except Exception as error:  # noqa: BLE001 - it is handed to the test
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SOON_S)
    assert ended, "it did not end in time"
    return ended[0]


def until(happened: Callable[[], object]) -> None:
    """Wait until something has happened."""
    until_s = time.monotonic() + SOON_S
    while not happened():
        assert time.monotonic() < until_s, "it did not happen"
        time.sleep(0.005)


def cut_off(proxy: Proxy) -> None:
    """Break the connection, and let none be made."""
    proxy.refusing = True
    proxy.cut()


def test_an_outage_blocks_no_call_and_no_close(proxy: Proxy) -> None:
    """However many calls are made meanwhile, each ends, certainly without effect; then close."""
    queue = Queue.connect(proxy.address, "/q", janitor=False)
    queue._deadline_s = 0.005
    cut_off(proxy)
    until(lambda: not queue._store.wait_connected(0.0))

    def put_many_times() -> list[str]:
        errors = []
        for _ in range(MANY):
            try:
                queue.put(b"a")
            except Exception as error:  # noqa: BLE001 - it is handed to the test
                errors.append(type(error).__name__)
        return errors

    errors = soon(put_many_times)
    assert errors == ["NoQuorumError"] * MANY
    assert soon(queue.close) is None


def test_an_outage_is_over_when_the_server_is_back(server: WireZooKeeper, proxy: Proxy) -> None:
    """What was refused meanwhile is not in the queue, and what is put then is, once."""
    with Queue.connect(proxy.address, "/q", janitor=False) as queue:
        queue.put(b"before")
        cut_off(proxy)
        until(lambda: not queue._store.wait_connected(0.0))
        queue._deadline_s = 0.02
        for _ in range(5):
            with pytest.raises(NoQuorumError):
                queue.put(b"meanwhile")
        proxy.heal()
        queue._deadline_s = SOON_S
        queue.put(b"after")
    waiting = raw_copy.decode(server.dump(), "/q").items
    assert [data for _, data in waiting] == [b"before", b"after"]


def test_memory_is_flat_during_an_outage() -> None:
    """Of a hundred thousand calls without a connection nothing is kept anywhere."""
    client = make_client("127.0.0.1:1", 10.0, Security())
    store = KazooStore(client)

    def submit(times: int) -> None:
        for _ in range(times):
            assert store.submit([Create("/a")]).reply(0.0) == Lost(
                "there is no connection", sent=False
            )

    submit(1000)
    before = len(gc.get_objects())
    submit(100_000)
    assert (len(client._queue), len(client._pending)) == (0, 0)
    assert len(gc.get_objects()) - before < 1000
    store.close()


def test_a_silent_port_is_left_at_the_deadline(silent_port: str) -> None:
    """Where a connection is accepted and nothing is said, connecting ends when it was to end."""
    refused = soon(lambda: KazooStore.connect(silent_port, connect_timeout_s=0.2))
    assert isinstance(refused, NoQuorumError)
    assert "within 0.2 s" in str(refused)


def test_a_server_that_falls_silent_holds_nobody(server: WireZooKeeper) -> None:
    """Calls end at their deadline, and so does close, though the connection stays open."""
    queue = Queue.connect(server.address, "/q", janitor=False)
    queue.put(b"a")
    queue._deadline_s = 0.1
    server.silent = True
    # On a machine that stands still the deadline may be over before anything is sent.
    until(lambda: not soon(lambda: queue.put(b"b")).definite)
    assert isinstance(soon(queue.stats), NoQuorumError)
    assert soon(queue.close) is None


def test_every_close_waits_for_the_end_of_the_session(server: WireZooKeeper) -> None:
    """Also if another close, which a handler may have ended, is at it already."""
    store = KazooStore.connect(server.address)
    session = store.session_id
    with server.leader_now():  # it answers nobody
        end = store._session._client.end
        closes = [threading.Thread(target=end, args=(CLOSES_S,), daemon=True) for _ in "12"]
        for close in closes:
            close.start()
        for close in closes:
            close.join(RETURNS_S)
        assert [close.is_alive() for close in closes] == [True, True]
    for close in closes:
        close.join(CLOSES_S)
    with server.leader_now() as leader:
        assert session not in leader.sessions
    store.close()


def assert_lost(seen: Silenced) -> None:
    """The consumer does not act for what it held, and closes."""
    with pytest.raises((ConsumerLostError, NoQuorumError)):
        seen.queue.done(seen.item)
    soon(seen.queue.close)


@pytest.mark.parametrize("busy", [False, True])
def test_lost_comes_before_the_server_gives_the_items_away(*, busy: bool) -> None:
    """By the time-out that was granted, and not the one asked for; also while calls are made."""
    for _ in range(TRIES):
        with silenced((lambda queue: soon(queue.stats)) if busy else None) as seen:
            if seen.starved and not seen.told_in_time:
                continue
            assert seen.told_in_time
            assert_lost(seen)
            return
    pytest.fail(f"the machine kept the process from running in each of {TRIES} tries")


def test_a_session_told_to_be_lost_is_closed_if_it_still_lives(
    server: WireZooKeeper, proxy: Proxy
) -> None:
    """What its consumer held is free for others, though its application never calls again."""
    server.expires, server.shortest_timeout_ms = False, 0
    for number in range(TRIES):
        if lost_in_an_outage(server, proxy, f"/q{number}"):
            return
    pytest.fail(f"the machine kept the process from running in each of {TRIES} tries")


def lost_in_an_outage(server: WireZooKeeper, proxy: Proxy, path: str) -> bool:
    """Let a session be lost; False if the machine ended it before."""
    told = threading.Event()
    with ExitStack() as stack:
        first = stack.enter_context(
            Queue.connect(
                proxy.address,
                path,
                connection={"session_timeout_s": 0.5},
                janitor=False,
                lost=lambda *_: told.set(),
            )
        )
        items: list[Item] = []
        with suppress(ZkmqError):  # its session ended meanwhile
            first.put(b"a")
            items = first.reserve(sync=True).items
        session = first.session_id
        cut_off(proxy)
        if told.is_set() or session is None or not items:
            proxy.heal()
            return False
        (item,) = items
        assert told.wait(SOON_S)
        assert session in server.leader.sessions
        proxy.heal()
        until(lambda: session in server.leader.ended)
        second = stack.enter_context(Queue.connect(server.address, path))
        assert second.reserve(timeout_s=SOON_S).items[0].data == b"a"
        with pytest.raises(ConsumerLostError):
            first.done(item)
        assert first.session_id != session
    return True


@pytest.mark.parametrize("connected_first", [True, False])
def test_a_session_told_to_be_lost_just_as_it_reconnects_is_not_used(
    server: WireZooKeeper, *, connected_first: bool
) -> None:
    """Its items are free for others at once, and the client goes on in a new session."""
    lost: list[int] = []
    with Queue.connect(server.address, "/q", janitor=False) as queue:
        store = queue._store
        assert isinstance(store, KazooStore)
        queue.put(b"a")
        assert queue.reserve(sync=True).items
        old = store.session_id
        assert old is not None
        store.on_session_lost(lost.append)
        kazoo = store._session
        if connected_first:  # the failure detector has decided, and tells it only now
            kazoo._tell_lost(old)
        else:
            kazoo._connection.drop()
            until(lambda: not kazoo._is_connected or store.session_id != old)
            kazoo._tell_lost(old)
        until(lambda: old in server.leader.ended)
        until(lambda: store.session_id not in {None, old})
        until(lambda: lost == [old])
        with Queue.connect(server.address, "/q") as other:
            (item,) = other.reserve(timeout_s=SOON_S).items
            other.release(item)
        (item,) = queue.reserve(timeout_s=SOON_S).items
        assert item.hold is Hold.HELD
        queue.done(item)


@pytest.mark.parametrize("code", [-125, -127, -999])
@pytest.mark.parametrize("whole", [False, True])
def test_a_refusal_is_told_at_once_with_its_code(
    server: WireZooKeeper, code: int, *, whole: bool
) -> None:
    """Known to us or not, of one operation or of the request; the connection goes on."""
    with Queue.connect(server.address, "/q", janitor=False) as queue:
        queue.put_many([b"a", b"b"])
        (item,) = queue.reserve(sync=True).items
        server.refuses = lambda *_: (code, whole)
        for call in (
            lambda: queue.put(b"b"),
            lambda: queue.put(b"b", priority=7),
            lambda: queue.put_many([b"b"] * 3, batch=1),
            lambda: queue.done(item),
            lambda: queue.release(item),
            lambda: queue.touch(item),
            lambda: queue.bury(item, reason="bad"),
            queue.reserve,
            queue.purge,
        ):
            refused = soon(call)
            assert isinstance(refused, ServerRefusedError), refused
            assert refused.code == code
        server.refuses = lambda *_: None
        queue.done(item)
        assert queue.reserve(sync=True).items[0].data == b"b"


def test_a_refused_copy_tells_nothing_of_the_one_before(server: WireZooKeeper) -> None:
    """A throttled resend of a put that was applied is no refusal of the put."""
    with Queue.connect(server.address, "/q", janitor=False) as queue:
        queue.put(b"a")
        store: Any = queue._bound.inner
        submit, copies = store.submit, []

        class Unanswered:
            def reply(self, deadline_s: float) -> Lost:
                return Lost("made so")

        def lose_the_first(ops: Any) -> Any:
            copies.append(submit(ops))
            if len(copies) > 1:
                return copies[-1]
            assert isinstance(copies[0].reply(time.monotonic() + SOON_S), Committed)
            server.refuses = lambda *_: (-127, True)
            return Unanswered()

        store.submit = lose_the_first
        with pytest.raises(Exception, match="in doubt") as unknown:
            queue.put(b"b")
        assert not unknown.value.definite  # type: ignore[attr-defined]
        server.refuses = lambda *_: None
        assert [settled.took_effect for settled in queue.resolve()] == [True]


def test_an_answer_that_makes_no_sense_costs_only_the_connection(server: WireZooKeeper) -> None:
    """A reply to something that was never asked breaks the connection, and another is made."""
    store = KazooStore.connect(server.address)
    with server.leader_now():
        (connection,) = server._connections.values()
        server._send(connection, wire.INT.pack(16) + wire.REPLY_HEADER.pack(4711, 1, 0))

    def create() -> bool:
        return not isinstance(store.commit([Create("/a")], time.monotonic() + SOON_S), Lost)

    until(create)
    assert "/a" in server.dump()
    store.close()


def test_an_old_server_still_reads_at_one_state(
    server: WireZooKeeper, caplog: pytest.LogCaptureFixture
) -> None:
    """One that cannot read several things at once is found out by asking, and that is said."""
    server.old = True
    store = KazooStore.connect(server.address)
    store.commit([Create("/a", b"1"), Create("/a/b")], store.now() + SOON_S)
    until_s = store.now() + SOON_S
    with caplog.at_level(logging.WARNING, "zkmq"):
        reads = [GetData("/a"), GetChildren("/a"), GetData("/c"), GetChildren("/c")]
        view = store.read_many(reads, until_s)
        store.read_many(reads, until_s)
    node, names, *nothing = view.results
    assert (node.data, names, nothing) == (b"1", ["b"], [None, None])  # type: ignore[union-attr]
    assert view.zxid == server.leader.zxid
    assert caplog.text.count("older than 3.6") == 1
    store.close()


def test_attempts_to_connect_are_logged_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An outage of an hour is no flood; other texts are all there, and at DEBUG all attempts."""
    now_s = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    quiet = KazooLogFilter()

    def shows(level: int, text: str, *arguments: object) -> bool:
        return quiet.filter(logging.LogRecord("zkmq.kazoo", level, "", 0, text, arguments, None))

    dropped = (logging.WARNING, "Connection dropped: %s", "refused")
    shown = 0
    for _ in range(600):
        shown += shows(*dropped)
        now_s += 1.0
    assert shown == 10
    assert shows(logging.WARNING, "Connection dropped: %s", "no route to host")
    assert shows(logging.WARNING, "Session has expired")
    assert shows(logging.WARNING, "Session has expired")
    assert not shows(5, "Sending request")
    assert shows(*dropped)
    assert not shows(*dropped)
    with caplog.at_level(logging.DEBUG, KAZOO_LOG.name):
        assert shows(*dropped)


def test_no_secret_is_in_any_log(server: WireZooKeeper, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the user's password nor the session's, at any level."""
    caplog.set_level(1)
    security = Security(user="worker", password=WRONG)
    with Queue.connect(server.address, "/q", connection={"security": security}) as queue:
        queue.put(b"a")
        session, password = queue._store.credentials  # type: ignore[attr-defined]
    assert session
    assert "Sending request" in caplog.text
    for secret in (WRONG, password.hex(), repr(password)):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    "security",
    [
        Security(sasl={"mechanism": "GSSAPI"}),
        Security(sasl={"mechanism": "DIGEST-MD5", "username": "a", "password": WRONG}),
    ],
)
def test_whoever_proves_who_it_is_makes_nodes_of_its_own(security: Security) -> None:
    """A session of SASL does not leave its nodes to the world."""
    assert security.kazoo_arguments()["default_acl"] == CREATOR_ALL_ACL


def test_a_user_with_a_colon_is_refused() -> None:
    """The servers would take it for another user."""
    with pytest.raises(BadArgumentError, match="without ':'"):
        Security(user="a:b", password=WRONG)


def test_a_missing_chroot_is_named(server: WireZooKeeper) -> None:
    """And nothing is made of it."""
    with pytest.raises(BadArgumentError, match="chroot /nowhere to exist"):
        KazooStore.connect(f"{server.address}/nowhere")
    assert "/nowhere" not in server.dump()


def test_spaces_around_commas_do_not_matter(server: WireZooKeeper) -> None:
    """Nor do those at the ends."""
    hosts = f" {server.address} , {server.address} "
    KazooStore.connect(hosts).close()


def test_a_forked_child_is_told_at_once(server: WireZooKeeper) -> None:
    """Its calls raise ClosedError, its close ends nothing, and the parent's session goes on."""
    with Queue.connect(server.address, "/q", janitor=False) as queue:
        queue.put(b"a")
        child = os.fork()
        if not child:
            statuses = []
            for call in (queue.stats, lambda: queue.put(b"b"), queue.reserve):
                try:
                    call()
                except ClosedError as error:
                    statuses.append("process" in str(error))
            queue.close()
            os._exit(statuses.count(True))
        assert os.waitstatus_to_exitcode(soon(lambda: os.waitpid(child, 0))[1]) == 3
        assert [item.data for item in queue.reserve(9, sync=True).items] == [b"a"]


def test_refused_credentials_end_the_waiting(server: WireZooKeeper) -> None:
    """Who waits for a connection that never will be is told, and so is every later call."""
    store = KazooStore.connect(server.address)
    server.silent = True
    pending = store.submit([Create("/a")])
    store._session._client._session_callback("AUTH_FAILED")
    with pytest.raises(AccessDeniedError):
        soon_or_raise(lambda: pending.reply(time.monotonic() + SOON_S))
    with pytest.raises(AccessDeniedError):
        store.wait_connected(time.monotonic() + SOON_S)
    store.close()


def soon_or_raise(call: Callable[[], Any]) -> Any:
    """Call on another thread, and raise what it raised."""
    ended = soon(call)
    if isinstance(ended, Exception):
        raise ended
    return ended


def test_a_client_that_is_not_ours_is_refused() -> None:
    """A plain KazooClient keeps requests in an outage; the error says what to call instead."""
    with pytest.raises(BadArgumentError, match=r"KazooStore\.connect\(hosts\)"):
        KazooStore(KazooClient())
