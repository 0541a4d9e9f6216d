"""The client under test: a queue on a real connection through the proxy, here or in a process.

It is the queue as applications have it, but for its pauses, which are shorter, and its clock,
which the proxy can move past a call's deadline.
"""

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from kazoo.retry import KazooRetry

from zkmq.janitor.janitor import Janitor
from zkmq.queue import Queue
from zkmq.tree import ticket
from zkmq.tree.item import Item
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.security import Security
from zkmq.zookeeper.session import kazoo_client, kazoo_store
from zkmq.zookeeper.session.kazoo_answers import PendingMulti
from zkmq.zookeeper.session.kazoo_store import KazooStore
from zkmq.zookeeper.signals import ThreadSignal
from zkmq.zookeeper.store import Op, Reply

SESSION_TIMEOUT_S = 60.0  # the proxy ends sessions; a machine that stands still ends none
# How long a client waits for an answer on a connection that has gone silent.
PATIENCE_S = 0.05
PAUSE_S = 0.002
DEADLINE_S = 20.0
# What is no part of the judged call has time enough on a machine that others keep busy.
PATIENT_S = 60.0


@contextlib.contextmanager
def short_pauses() -> Iterator[None]:
    """Let clients of this process resend at once: a proxy has no server to spare."""
    before = ticket.RESEND_PAUSE_S, kazoo_store.READ_AGAIN_PAUSE_S
    ticket.RESEND_PAUSE_S = kazoo_store.READ_AGAIN_PAUSE_S = PAUSE_S
    try:
        yield
    finally:
        ticket.RESEND_PAUSE_S, kazoo_store.READ_AGAIN_PAUSE_S = before


class SteeredStore(KazooStore):
    """The real store, on a clock that can pass a deadline at a chosen moment."""

    _ahead_s = 0.0

    @classmethod
    def open(cls, hosts: str, patience_s: float = SESSION_TIMEOUT_S) -> "SteeredStore":
        """Open a session; a request without an answer is lost after `patience_s`."""
        retry = KazooRetry(max_tries=-1, delay=PAUSE_S, max_delay=0.02)
        client = kazoo_client.make_client(hosts, SESSION_TIMEOUT_S, Security(), retry=retry)
        store = cls(client, patience_s=patience_s)
        store.start(store.now() + PATIENT_S)
        return store

    def now(self) -> float:
        """The clock that deadlines are on."""
        return super().now() + self._ahead_s

    def pass_deadline(self) -> None:
        """Move the clock past the deadline of every call that is under way."""
        self._ahead_s = 3600.0

    def heal(self) -> None:
        """Move it back."""
        self._ahead_s = 0.0

    def submit(self, ops: Sequence[Op]) -> "_SteeredPending":
        """Send a multi without waiting."""
        return _SteeredPending(super().submit(ops), self)

    def signal(self) -> "_SteeredSignal":
        """Make a signal."""
        return _SteeredSignal(self)

    def wait_connected(self, deadline_s: float) -> bool:
        """Wait for a connection."""
        return super().wait_connected(self.real(deadline_s))

    def real(self, deadline_s: float) -> float:
        """A deadline on the machine's clock; in the past if it was passed by force."""
        return deadline_s - self._ahead_s

    def _answer(self, result: Any, request: Any, deadline_s: float) -> Any:
        return super()._answer(result, request, self.real(deadline_s))

    def _pause(self, error: Exception, deadline_s: float) -> None:
        super()._pause(error, self.real(deadline_s))


class _SteeredPending(PendingMulti):
    """A multi on its way, on the same clock."""

    def __init__(self, pending: PendingMulti, store: SteeredStore) -> None:
        super().__init__(pending.result, pending.longest_s)
        self._store = store

    def reply(self, deadline_s: float) -> Reply:
        """Wait for the answer."""
        return super().reply(self._store.real(deadline_s))


class _SteeredSignal(ThreadSignal):
    """A signal, on the same clock."""

    def __init__(self, store: SteeredStore) -> None:
        super().__init__()
        self._store = store

    def wait(self, until_s: float) -> bool:
        """Wait until set or until then; clear."""
        return super().wait(self._store.real(until_s))


@dataclass
class Client:
    """What an operation of the table works with."""

    hosts: str
    root: str
    patience_s: float = SESSION_TIMEOUT_S
    settings: dict[str, Any] = field(default_factory=dict)
    held: list[Item] = field(default_factory=list)
    release: type[Queue] = Queue
    _store: SteeredStore | None = None
    _queue: Queue | None = None
    _janitor: Janitor | None = None

    @property
    def opened(self) -> bool:
        """Whether there is a queue, and it is not closed."""
        return self._queue is not None and not self._queue._closed

    @property
    def store(self) -> SteeredStore:
        """The session; opened when it is first needed."""
        if self._store is None:
            self._store = SteeredStore.open(self.hosts, self.patience_s)
        return self._store

    @property
    def queue(self) -> Queue:
        """The queue; opened when it is first needed."""
        if self._queue is None:
            self._queue = self.release(
                self.store, self.root, janitor=False, deadline_s=DEADLINE_S, **self.settings
            )
        return self._queue

    @property
    def janitor(self) -> Janitor:
        """A janitor of this client's, to be stepped by hand."""
        if self._janitor is None:
            self._janitor = Janitor(
                self.queue._bound, QueueTree(self.root), name="client", segment_items=2
            )
        return self._janitor

    def pass_deadline(self) -> None:
        """Let the deadline of the call that is under way pass."""
        self.store.pass_deadline()

    def tidy(self) -> bool:
        """Let the janitor do all there is to do."""
        return self.janitor.step(self.store.now() + DEADLINE_S)

    def close(self) -> None:
        """Close the queue and end the session."""
        if self._queue is not None:
            self._queue.close()
        if self._store is not None:
            self._store.close()


def run_in_process(name: str, client: Client, parent: Connection) -> None:
    """Do one operation of the table in this process, which is killed meanwhile."""
    from worlds.crash_points.table import OPERATIONS  # noqa: PLC0415 - the table imports this

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    operation = OPERATIONS[name]
    with short_pauses():
        operation.ready(client)
        parent.send(os.getpid())
        parent.recv()
        operation.call(client)
        parent.send("survived")
        client.close()
