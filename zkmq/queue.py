"""The queue as an application sees it."""

import json
import os
import socket
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Literal, Self

from zkmq.consumer import Consumer, Done, Reservation
from zkmq.errors import BadArgumentError, ClosedError, ZkmqError
from zkmq.item import Item
from zkmq.janitor import Janitor, OnReturned
from zkmq.janitor_thread import JanitorThread
from zkmq.kazoo_store import KazooStore
from zkmq.layout import open_tree
from zkmq.producer import Producer, Put
from zkmq.store import Store
from zkmq.ticket import Settled
from zkmq.tree import Tree
from zkmq.waiting import Waiter

OnLost = Callable[[str, Sequence[Item]], None]


class Queue:
    """A queue with priorities and at-least-once delivery.

    A put that returned is in the queue exactly once. An item has one owner at any zxid; a
    consumer that dies, or loses its session, before `done` causes redelivery, so an item can
    arrive twice, and late. `done` takes effect at most once, and never after the consumer's
    session has expired. Within a priority items come in the order of their puts; one that comes
    back comes back in its old place.

    One client: one producer, one consumer registration made at the first reserve, one session.
    Thread-safe. Every call ends before its deadline: it returned and took effect, or it raised a
    ZkmqError whose `definite` says whether it certainly took none.

    Args:
        store: an open session; `Queue.connect` opens one.
        path: the queue's root.
        on_crash: what becomes of this consumer's items if it dies: "requeue" to their old
            place, or "partial", put aside as by the original.
        max_deliveries: an item that was delivered so often and comes back is dead instead.
        janitor: run a janitor thread; one client's is elected.
        deadline_s: how long a call may take, besides the time a reserve may wait for items.
        lost: called with (consumer, items) from a thread of its own, or from the call that
            finds out, when items are no longer this consumer's.
        on_returned: called by the elected janitor for items it made available again.
        label: for people who look at the tree.
        close_store: whether `close` ends the session too.
    """

    def __init__(
        self,
        store: Store,
        path: str = "/queue",
        *,
        order: Literal["strict", "relaxed"] = "strict",
        on_crash: Literal["requeue", "partial"] = "requeue",
        max_deliveries: int | None = None,
        janitor: bool = True,
        deadline_s: float = 30.0,
        lost: OnLost | None = None,
        on_returned: OnReturned | None = None,
        label: str = "",
        close_store: bool = False,
    ) -> None:
        _checked_choice("order", order, ("strict", "relaxed"))
        _checked_choice("on_crash", on_crash, ("requeue", "partial"))
        self._store = store
        self._tree = Tree(path.rstrip("/"))
        self._deadline_s = deadline_s
        self._close_store = close_store
        self._closed = False
        self._producing = threading.Lock()
        self._consuming = threading.RLock()
        self.root = open_tree(store, self._tree, self._deadline())
        self._producer = Producer(store, self._tree)
        registration = json.dumps(
            {
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "label": label,
                "on_crash": on_crash,
                "max_deliveries": max_deliveries,
            }
        )
        self._consumer = Consumer(
            store, self._tree, label=registration, on_lost=lost or _nobody_asked
        )
        store.on_session_lost(self._consumer.session_ended)
        self._waiter = Waiter(store, self._tree)
        self._janitor: JanitorThread | None = None
        if janitor:
            core = Janitor(store, self._tree, name=self._producer.id, on_returned=on_returned)
            self._janitor = JanitorThread(core, store)
            self._janitor.start()

    @classmethod
    def connect(
        cls,
        hosts: str,
        path: str = "/queue",
        *,
        connection: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Self:
        """Open a session and the queue on it; `hosts` as in `host:port,host:port/chroot`.

        `connection` holds settings of `KazooStore.connect`, `settings` those of the class.

        Raises:
            NoQuorumError: no session in time.
            IncompatibleTreeError: the tree at `path` is none this version may use.
        """
        store = KazooStore.connect(hosts, **(connection or {}))
        try:
            return cls(store, path, close_store=True, **settings)
        except BaseException:
            store.close()
            raise

    @property
    def session_id(self) -> int | None:
        """The ZooKeeper session; None while there is none."""
        return self._store.session_id

    @property
    def consumer_id(self) -> str | None:
        """The consumer's registration; None until the first reserve, and after its end."""
        return self._consumer.id

    @property
    def producer_id(self) -> str:
        """The producer's ticket."""
        return self._producer.id

    def put(self, data: bytes, *, priority: int = 100) -> Put:
        """Append an item; 0 is the most urgent priority, 999 the least. One quorum write.

        Raises:
            OutcomeUnknownError: no answer before the deadline; `resolve` can tell.
            BadArgumentError: a priority or a value this queue cannot take.
            NoQuorumError: certainly not put.
        """
        with self._producing:
            return self._producer.put(data, priority, self._deadline())

    def reserve(
        self, n: int = 1, *, timeout_s: float = 0.0, done: Sequence[Item] = (), sync: bool = False
    ) -> Reservation:
        """Take up to `n` items, most urgent and oldest first, and hold them until `done`.

        Waits up to `timeout_s` for the first item. `done` acknowledges other items in the same
        write. `sync` first makes this client see all that was committed before the call; without
        it an item just put by another client may be missed.

        Raises:
            OutcomeUnknownError: no answer before the deadline; whatever was claimed comes with
                the next reserve.
            NotHeldError: an item of `done` is not held; nothing took effect.
            NoQuorumError: nothing took effect.
        """
        until_s = self._store.now() + timeout_s
        while True:
            with self._consuming:
                self._demand_open()
                found = self._consumer.reserve(
                    n, list(done), sync=sync, deadline_s=self._deadline()
                )
            if found.items or found.done or self._store.now() >= until_s:
                return found
            self._waiter.wait(self._consumer.cache, until_s)

    def done(self, *items: Item) -> Done:
        """Acknowledge items, all or none: they are removed for ever. One quorum write.

        Raises:
            NotHeldError: one is not held any more; nothing took effect.
            AckUnknownError: the session ended with this in doubt; they may be delivered again.
            OutcomeUnknownError: no answer before the deadline.
        """
        with self._consuming:
            self._demand_open()
            return self._consumer.done(_some(items), self._deadline())

    def release(self, *items: Item, to: Literal["place", "back"] = "place") -> Done:
        """Give items back, all or none: to their old place, or to the back of their priority.

        Raises:
            NotHeldError: one is not held any more; nothing took effect.
            AckUnknownError: the session ended with this in doubt.
            OutcomeUnknownError: no answer before the deadline.
        """
        _checked_choice("to", to, ("place", "back"))
        with self._consuming:
            self._demand_open()
            return self._consumer.release(_some(items), to=to, deadline_s=self._deadline())

    def resolve(self) -> Settled | None:
        """Say what became of the last put whose outcome was unknown; None if there was none.

        If it has not taken effect by now, it never will.

        Raises:
            OutcomeUnknownError: still no answer before the deadline.
        """
        with self._producing:
            self._producer.settle(self._deadline())
            return self._producer.settled

    def close(self) -> None:
        """Return what is held, remove the registration, and end the session if it is ours."""
        if self._closed:
            return
        self._closed = True
        if self._janitor is not None:
            self._janitor.stop()
        try:
            with self._consuming:
                self._consumer.close(self._deadline())
        except ZkmqError:
            pass  # the end of the session does the same, a little later
        finally:
            if self._close_store:
                self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _deadline(self) -> float:
        return self._store.now() + self._deadline_s

    def _demand_open(self) -> None:
        if self._closed:
            raise ClosedError("the queue was closed; connect a new one")


def _nobody_asked(consumer: str, items: Sequence[Item]) -> None:
    """The items themselves say that they are lost."""


def _some(items: Sequence[Item]) -> Sequence[Item]:
    if not items:
        raise BadArgumentError("items: expected at least one, got none")
    if len(set(map(id, items))) < len(items):
        raise BadArgumentError("items: expected each once")
    return items


def _checked_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise BadArgumentError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")
