"""The part of a queue that operators use, which needs neither a producer nor a consumer."""

import contextlib
import os
import socket
from collections.abc import Collection
from typing import Any, ClassVar, Literal, Self

from zkmq import checks
from zkmq.errors import BadArgumentError, ClosedError, ZkmqError
from zkmq.operating import by_id, changes, charter_changes, inspection, overview, put_aside
from zkmq.operating.changes import Changed
from zkmq.operating.inspection import Peeked, QueueStats
from zkmq.operating.operator_writes import OperatorWrites
from zkmq.operating.overview import Overview
from zkmq.tree import item_names
from zkmq.tree.compatibility import registrations
from zkmq.tree.compatibility.charter import EDITION, SEGMENT_ITEMS, Charter, Edition
from zkmq.tree.compatibility.open_tree import open_tree
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.session.kazoo_store import KazooStore
from zkmq.zookeeper.store import Store

MOST = 2**31 - 1
MOST_SEGMENT_ITEMS = 10_000
MAX_REASON = 1000
PLACES = ("items", "dead", "partial", "delayed")
ASIDE = ("dead", "partial")
# How long `close` waits for the deletion of a ticket. The janitor does the same after a day.
LEAVE_S = 1.0


class OperatorQueue:
    """A queue for operators: look at items and counts, move and delete items, pause. Thread-safe.

    The arguments are those of `Queue`.
    """

    edition: ClassVar[Edition] = EDITION

    def __init__(
        self,
        store: Store,
        path: str = "/queue",
        *,
        deadline_s: float = 30.0,
        segment_items: int = SEGMENT_ITEMS,
        close_store: bool = False,
        make: bool = True,
    ) -> None:
        checks.number("segment_items", segment_items, 1, MOST_SEGMENT_ITEMS)
        self._store = store
        self._tree = QueueTree(checks.path(path))
        self._deadline_s = checks.seconds("deadline_s", deadline_s, zero=False)
        self._close_store = close_store
        self._closed = False
        self._process = os.getpid()
        self._bound = open_tree(
            store,
            self._tree,
            self._deadline(),
            segment_items=segment_items,
            edition=self.edition,
            make=make,
        )
        about = registrations.about(
            self._bound.edition.version, host=socket.gethostname(), pid=os.getpid()
        )
        self._writes = OperatorWrites(self._bound, self._tree, about, self._deadline)

    @classmethod
    def connect(
        cls,
        hosts: str,
        path: str = "/queue",
        *,
        connection: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Self:
        """Open a session and the queue on it.

        Args:
            hosts: the servers, as in `host:port,host:port/chroot`.
            path: the queue's root.
            connection: how to connect: `session_timeout_s` (10 by default), the silence after
                which the servers end the session, within their limits; `connect_timeout_s` (15),
                how long to wait for it; `security`, a `zkmq.Security`.
            settings: those of the class, such as `max_deliveries=5`.

        Raises:
            NoQuorumError: no session in time.
            AccessDeniedError: the servers refused the credentials.
            IncompatibleTreeError: the node at `path` is no queue, or this version is too old.
        """
        store = KazooStore.connect(hosts, **(connection or {}))
        try:
            return cls(store, path, close_store=True, **settings)
        except BaseException:
            store.close(store.now())
            raise

    @property
    def path(self) -> str:
        """The path of the queue's root."""
        return self._tree.root

    @property
    def deadline_s(self) -> float:
        """How long a call may take; to set it holds for the calls that begin afterwards."""
        return self._deadline_s

    @deadline_s.setter
    def deadline_s(self, seconds: float) -> None:
        self._deadline_s = checks.seconds("deadline_s", seconds, zero=False)

    @property
    def session_id(self) -> int | None:
        """The ZooKeeper session; None while there is none."""
        return self._store.session_id

    @property
    def charter(self) -> Charter:
        """The tree's charter as this client last read it: versions, features, segment size."""
        return self._bound.charter

    def kick(self, n: int, *, place: Literal["dead", "partial"] = "dead") -> Changed:
        """Bring up to `n` items that were put aside back to their places in the queue.

        Raises:
            OutcomeUnknownError: no answer before the deadline; some may have come back. Its
                `resolve()` tells how many, with an answer for each 100.
        """
        checks.choice("place", place, ASIDE)
        checks.number("kick: n", n, 1, MOST)
        return self._move("kick", put_aside.OldPlaces(self._bound, self._tree), place, n)

    def redrive(
        self,
        to: str,
        n: int = 1,
        *,
        ids: Collection[str] | None = None,
        place: Literal["dead", "partial"] = "dead",
    ) -> Changed:
        """Move items that were put aside to the back of another queue on the same servers.

        `to` is the path of that queue. With `ids`, moves those of these items that are there,
        however many they are. Each item is moved in one transaction, so that it is in one of the
        two queues at any zxid. There it is new: its deliveries and its time count from the start.

        Raises:
            IncompatibleTreeError: there is no queue at `to`, or this version is too old for it.
            OutcomeUnknownError: no answer before the deadline; some may have been moved. Its
                `resolve()` tells how many, with an answer for each 100.
        """
        checks.choice("place", place, ASIDE)
        checks.number("redrive: n", n, 1, MOST)
        target = QueueTree(checks.path(to))
        if target == self._tree:
            raise BadArgumentError(f"redrive: to: expected another queue, got {to!r}; use kick")
        if isinstance(ids, str):
            raise BadArgumentError(f"redrive: ids: expected a list of ids, got {ids!r}")
        wanted = None if ids is None else {by_id.checked_id("redrive", each) for each in ids}
        self._require_open()
        bound = open_tree(
            self._bound.inner, target, self._deadline(), edition=self.edition, make=False
        )
        destination = put_aside.OtherQueue(bound, target)
        return self._move("redrive", destination, place, n, wanted)

    def inspect(self, id: str) -> Peeked | None:
        """Look at one item, wherever it is; None if it is done, purged, or was never put.

        `id` is the item's id or name; of a delayed item that was never delivered, the name that
        `peek` tells, which changes when the item is due.
        """
        id = by_id.checked_id("inspect", id)
        self._require_open()
        return by_id.inspect(self._bound, self._tree, id, self._deadline())

    def delete(self, id: str) -> Changed:
        """Delete one item for ever that waits, is delayed, or was put aside. One quorum write.

        The count of the result is 0 if there is no such item any more. `id` as for `inspect`.

        Raises:
            ItemHeldError: a consumer holds it; only that consumer can end it.
            OutcomeUnknownError: no answer before the deadline; its `resolve()` finds out.
        """
        id = by_id.checked_id("delete", id)
        self._require_open()
        deadline_s = self._deadline()
        return self._writes.call(
            deadline_s, lambda: by_id.delete(self._bound, self._tree, id, self._writes, deadline_s)
        )

    def peek(
        self, n: int = 1, *, place: Literal["items", "dead", "partial", "delayed"] = "items"
    ) -> list[Peeked]:
        """Look at the first `n` items without taking them; of delayed ones, those due first."""
        checks.choice("place", place, PLACES)
        checks.number("peek: n", n, 1, MOST)
        self._require_open()
        if place == "items":
            return inspection.peek(self._bound, self._tree, n, self._deadline())
        if place == "delayed":
            return inspection.peek_delayed(self._bound, self._tree, n, self._deadline())
        return inspection.peek_aside(self._bound, self._tree, place, n, self._deadline())

    def stats(self) -> QueueStats:
        """Count the items by place, the consumers and the producers."""
        self._require_open()
        return inspection.stats(self._bound, self._tree, self._deadline())

    def overview(self) -> Overview:
        """Look at everything at once: the counts, and each consumer with what it holds.

        `zkmq.operating.overview.rates` tells the rates between two of these.
        """
        self._require_open()
        return overview.look(self._bound, self._tree, self._deadline())

    def purge(self, *priorities: int) -> Changed:
        """Purge all waiting items of these priorities, or of all, with one write for each priority.

        Items that are held are not purged, and come back if they are released. A consumer that
        looked up to 50 ms before may still take what it saw, unless it reserves with `sync`.
        The count of the result is that of the priorities.

        Raises:
            OutcomeUnknownError: no answer before the deadline; some may have been purged. Its
                `resolve()` has an answer for each priority that was tried.
        """
        for priority in priorities:
            checks.number("purge: priority", priority, 0, item_names.MAX_PRIORITY)
        self._require_open()
        deadline_s = self._deadline()
        return self._writes.call(
            deadline_s,
            lambda: changes.purge(
                self._bound, self._tree, priorities or None, self._writes, deadline_s
            ),
        )

    def pause(self, reason: str = "", *, force: bool = False) -> Charter:
        """Let no consumer take items, of any client, until `resume`. Returns the new charter.

        A reserve then waits as if the queue were empty; what is held may be ended, and puts go on.
        A consumer that looked up to 50 ms before may still take what it saw, unless it reserves
        with `sync`. Consumers of a release that does not know pauses go on taking, so there must
        be none; with `force`, the others pause all the same.

        Raises:
            ClientsTooOldError: some consumers would not obey; nothing is changed.
            OutcomeUnknownError: no answer before the deadline. Call again: it changes nothing if
                the queue is paused for that reason.
        """
        checks.text("pause: reason", reason, MAX_REASON)
        self._require_open()
        return charter_changes.pause(
            self._bound, self._tree, reason, force=force, deadline_s=self._deadline()
        )

    def resume(self) -> Charter:
        """Let consumers take items again; those that wait notice within three seconds.

        Raises:
            OutcomeUnknownError: no answer before the deadline; call again.
        """
        self._require_open()
        return charter_changes.resume(self._bound, self._tree, deadline_s=self._deadline())

    def upgrade(self, *, force: bool = False) -> Charter:
        """Raise the tree to the version of this client, so that its features can be used.

        This needs all consumers and producers of the tree to be new enough. With `force`, older
        ones stop with an OutdatedClientError at their next call, and nothing is lost. An upgrade
        cannot be undone. Returns the new charter.

        Raises:
            ClientsTooOldError: some clients are too old; nothing is changed.
            OutdatedClientError: this client is too old for the tree.
            OutcomeUnknownError: no answer before the deadline. Call again: an upgrade that has
                taken effect changes nothing then, and returns the charter.
        """
        self._require_open()
        return charter_changes.upgrade(
            self._bound, self._tree, force=force, deadline_s=self._deadline()
        )

    def close(self) -> None:
        """Refuse further calls, and end the session if this queue opened it.

        In a forked child this ends nothing, because the queue is the parent's.
        """
        if self._process != os.getpid():
            return
        self._closed = True
        try:
            with contextlib.suppress(ZkmqError):  # the janitor does the same after a day
                self._leave_writes(self._deadline())
        finally:
            self._end_session(self._deadline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _move(
        self,
        label: str,
        destination: put_aside.Destination,
        place: str,
        n: int,
        ids: Collection[str] | None = None,
    ) -> Changed:
        self._require_open()
        deadline_s = self._deadline()
        return self._writes.call(
            deadline_s,
            lambda: put_aside.move(
                self._bound,
                self._tree.place(place),
                destination,
                self._writes,
                label=label,
                n=n if ids is None else len(ids),
                is_wanted=lambda name: ids is None or item_names.base(name) in ids,
                deadline_s=deadline_s,
            ),
        )

    def _leave_writes(self, deadline_s: float) -> None:
        """Delete the ticket of this client's operator calls, if there were any."""
        leaving = self._writes.leave()
        if leaving is not None:
            leaving.reply(min(deadline_s, self._store.now() + LEAVE_S))

    def _end_session(self, deadline_s: float) -> None:
        if self._close_store:
            self._store.close(deadline_s)

    def _deadline(self) -> float:
        return self._store.now() + self._deadline_s

    def _require_open(self) -> None:
        if self._process != os.getpid():
            raise ClosedError(
                f"the queue belongs to process {self._process}; a forked child connects its own"
            )
        if self._closed:
            raise ClosedError("the queue was closed; connect a new one")
