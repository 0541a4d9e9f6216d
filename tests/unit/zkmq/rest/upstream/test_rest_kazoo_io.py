"""kazoo's sockets with buffers."""

import asyncio
import socket
import threading

import pytest

from zkmq.rest.upstream.async_session import Mailbox
from zkmq.rest.upstream.kazoo_io import BufferedSocket, LoopHandler


@pytest.fixture
def handler() -> LoopHandler:
    """A handler whose loop is never used."""
    return LoopHandler(None)  # type: ignore[arg-type]


def test_reads_ahead() -> None:
    """What came together is received once and read in parts; the end is empty bytes."""
    left, right = socket.socketpair()
    with left, right:
        ours = BufferedSocket(left)
        right.sendall(b"abcdef")
        assert ours.recv(2) == b"ab"
        assert ours.pending() == 4
        assert [ours.recv(3), ours.recv(3)] == [b"cde", b"f"]
        right.shutdown(socket.SHUT_WR)
        assert ours.recv(1) == b""


def test_sends_behind(handler: LoopHandler) -> None:
    """Nothing is sent before kazoo waits; then all at once, and nothing is lost."""
    left, right = socket.socketpair()
    with left, right:
        left.settimeout(0)
        right.settimeout(0)
        ours = BufferedSocket(left)
        ours.send(b"a")
        ours.send(b"b")
        with pytest.raises(BlockingIOError):
            right.recv(10)
        assert handler.select([ours], [], [], 0) == ([], [], [])
        assert right.recv(10) == b"ab"


def test_flush_waits_for_room() -> None:
    """More than the kernel takes is sent whole once the peer reads."""
    left, right = socket.socketpair()
    with left, right:
        left.settimeout(0)
        ours = BufferedSocket(left)
        received = bytearray()

        def read() -> None:
            while len(received) < 3_000_000:
                received.extend(right.recv(65536))

        reader = threading.Thread(target=read)
        reader.start()
        ours.send(bytes(3_000_000))
        ours.flush()
        reader.join(60)
        assert len(received) == 3_000_000


def test_select_prefers_requests(handler: LoopHandler) -> None:
    """Requests still to send come before replies that wait."""
    left, right = socket.socketpair()
    reader, writer = handler.create_socket_pair()
    with left, right:
        ours = BufferedSocket(left)
        right.sendall(b"reply")
        writer.send(b"\0")
        assert handler.select([ours, reader], [], [], 0)[0] == [reader]
        reader.recv(1)
        assert handler.select([ours, reader], [], [], 0)[0] == [ours]
        ours.recv(1)
        assert handler.select([ours, reader], [], [], 0)[0] == [ours]
    reader.close()
    writer.close()


def test_wake_counts(handler: LoopHandler) -> None:
    """Three wake-ups cost one byte in the socket, and are taken three times."""
    reader, writer = handler.create_socket_pair()
    for _ in range(3):
        writer.send(b"\0")
    taken = 0
    while handler.select([reader], [], [], 0)[0]:
        reader.recv(1)
        taken += 1
    assert taken == 3
    assert reader.recv(1) == b""
    reader.close()
    writer.close()


def test_mailbox_keeps_order() -> None:
    """Calls from a thread run in the loop, all of them, in order."""

    async def run() -> list[int]:
        seen: list[int] = []
        mailbox = Mailbox(asyncio.get_running_loop())
        done = asyncio.Event()

        def post() -> None:
            for number in range(999):
                mailbox.post(seen.append, number)
            mailbox.post(done.set)

        thread = threading.Thread(target=post)
        thread.start()
        await asyncio.wait_for(done.wait(), 60)
        thread.join()
        return seen

    assert asyncio.run(run()) == list(range(999))


def test_mailbox_after_the_loop() -> None:
    """A call posted after the loop's end is dropped, not an error in kazoo's thread."""
    loop = asyncio.new_event_loop()
    mailbox = Mailbox(loop)
    loop.close()
    mailbox.post(print, "never")
