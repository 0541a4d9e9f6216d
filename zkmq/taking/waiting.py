"""The waiting line: wait for an item without polling and without a herd effect.

A consumer that finds the queue empty joins the line with an ephemeral sequential node. Only the
first three watch the queue. Each other consumer watches the one three places ahead. So a put wakes
three clients, however many wait, and each departure moves exactly one client up. Three clients
watch, because the first may be dead while its session has not expired yet. They look one after the
other, so that normally only one finds the item. The claim also deletes the place in the line.
"""

import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress

from zkmq.errors import NoQuorumError, ZkmqError
from zkmq.tree import item_names
from zkmq.tree.paths import QueueTree
from zkmq.tree.skipped_nodes import SkippedNodes
from zkmq.zookeeper.armed_watches import ArmedWatches
from zkmq.zookeeper.refusal import require_access
from zkmq.zookeeper.retries import may_retry
from zkmq.zookeeper.store import Code, Committed, Create, Delete, Lost, Op, Pending, Rejected, Store

WATCHERS = 3
STAGGER_S = 0.02
# A watch can be lost with its server, so look again at least this often.
LOOK_AGAIN_S = 3.0
# In strict order: how long a consumer lets those ahead in the line claim first.
PATIENCE_S = 0.25
# How long an interrupted call looks for the place that it may have taken.
LEAVE_S = 0.25

Seen = Iterable[tuple[str, frozenset[str]]]


class WaitingLine:
    """One client's place in the waiting line. For one thread at a time."""

    def __init__(self, store: Store, tree: QueueTree) -> None:
        self._store = store
        self._root = tree.place("waiting")
        self._groups = tree.groups
        self._prefix = f"w-{secrets.token_hex(4)}-"
        self._path: str | None = None
        # The last place that was left, until its deletion is certain.
        self._left: tuple[str, Pending] | None = None
        # A place was asked for, and was not seen in a listing yet.
        self._joining = False
        # Epochs whose ACLs keep this client out. They are foreign, or somebody changed them.
        self._closed = SkippedNodes(store, tree)
        self._signal = store.signal()
        self._watches = ArmedWatches(self._signal, wanted=lambda: self._rank < WATCHERS)
        self._ahead = ArmedWatches(self._signal)
        self._rank = 0

    def departure(self) -> Sequence[Op]:
        """The operations that leave the line, to be sent with a claim."""
        return [] if self._path is None else [Delete(self._path)]

    def leave(self, *, done: bool) -> None:
        """Leave the line. `done`: a claim has deleted the place. Does not wait for the answer."""
        if self._joining:
            self._leave_unknown()
        elif self._path is not None and not done:
            self._delete(self._path)
        elif self._left is not None:
            self._delete_again(*self._left)
        self._path = None

    def wake(self) -> None:
        """Wake the thread that waits, from any thread."""
        self._signal.set()

    def wait(self, seen: Seen, until_s: float, deadline_s: float) -> None:
        """Return when an item may have come, or at `until_s`, or after LOOK_AGAIN_S.

        `seen` are the listings of the look that found the queue empty, as (path, children).

        Raises:
            NoQuorumError: no answer before `deadline_s`.
            AccessDeniedError, ServerRefusedError: the servers refused a place in the line.
        """
        until_s = min(until_s, self._store.now() + LOOK_AGAIN_S)
        ahead = self._take_place(deadline_s)
        self._rank = len(ahead)
        if len(ahead) >= WATCHERS:
            if self._there(ahead[-WATCHERS], deadline_s):
                self._signal.wait(until_s)
            return
        # Arm all watches before looking at any result, else an item could be missed.
        changed = [
            self._watch(path, known, deadline_s)
            for path, known in seen
            if path not in self._watches
        ]
        if any(changed) or self._signal.wait(until_s):
            self._store.sleep(len(ahead) * STAGGER_S)

    def await_turn(self, deadline_s: float) -> None:
        """Let those ahead claim first, for a moment."""
        until_s = min(deadline_s, self._store.now() + PATIENCE_S)
        while self._store.now() < until_s:
            ahead = self._take_place(deadline_s)
            self._rank = WATCHERS  # changes of the queue must not wake this wait
            if not ahead:
                return
            if self._there(ahead[-1], deadline_s):
                self._signal.wait(until_s)

    def _take_place(self, deadline_s: float) -> list[str]:
        """Join the line if need be; return the places ahead, in order."""
        while True:
            line = self._list(deadline_s)
            mine = [path for path in line if self._prefix in path]
            if mine:
                # A lost reply can hide the first place and cause a second. Keep the first.
                for path in mine[1:]:
                    self._store.submit([Delete(path)])
                self._path, self._joining = mine[0], False
                return line[: line.index(mine[0])]
            self._join(deadline_s)

    def _join(self, deadline_s: float) -> None:
        epoch = self._last_epoch(deadline_s)
        node = Create(f"{self._root}/{epoch}/{self._prefix}", ephemeral=True, sequence=True)
        self._joining = True
        reply = self._store.commit([node], deadline_s)
        if isinstance(reply, Committed):
            return
        if isinstance(reply, Rejected):
            if reply.code is Code.NO_NODE:
                path = f"{self._root}/{epoch}"
                reply = self._store.commit([Create(path)], deadline_s)
            elif reply.code is Code.NO_AUTH:
                self._closed.add(f"{self._root}/{epoch}", "its ACL lets this client not wait in it")
                return
            require_access(node.path, reply)
        if not may_retry(self._store, deadline_s):
            raise NoQuorumError("reserve: no answer in time while waiting for items")

    def _last_epoch(self, deadline_s: float) -> str:
        """The epoch to join: the last one that lets this client in, or else a new one."""
        epochs = item_names.buckets(self._store.list(self._root, deadline_s) or [])
        is_open = [each for each in epochs if f"{self._root}/{each}" not in self._closed]
        return is_open[-1] if is_open else item_names.free_bucket(epochs)

    def _leave_unknown(self) -> None:
        """Delete a place whose creation was interrupted; without an answer, try again later."""
        with suppress(NoQuorumError):
            line = self._list(self._store.now() + LEAVE_S)
            for path in line:
                if self._prefix in path:
                    self._store.submit([Delete(path)])
            self._joining = False

    def _delete(self, path: str) -> None:
        self._left = (path, self._store.submit([Delete(path)]))

    def _delete_again(self, path: str, pending: Pending) -> None:
        """Delete the last place again, if no answer to its deletion has come."""
        self._left = None
        with suppress(ZkmqError):
            if isinstance(pending.reply(self._store.now()), Lost):
                self._delete(path)

    def _list(self, deadline_s: float) -> list[str]:
        """All places in the line, in order: older epochs first."""
        line: list[str] = []
        for epoch in item_names.buckets(self._store.list(self._root, deadline_s) or []):
            path = f"{self._root}/{epoch}"
            listed = self._store.list(path, deadline_s, denied=self._closed.deny) or []
            places = item_names.waiters(listed)
            line += [f"{path}/{name}" for name in places]
        return line

    def _there(self, path: str, deadline_s: float) -> bool:
        """Whether a place still exists. Arms a watch that wakes when it is gone.

        It is a watch on children, since one on a place that is gone already would stay for ever.
        """
        denied: list[str] = []
        watch = self._ahead.arm(path)
        children = self._store.list(path, deadline_s, watch, denied=denied.append)
        if children is None:
            self._ahead.disarm(path)
        return children is not None or bool(denied)

    def _watch(self, path: str, known: frozenset[str], deadline_s: float) -> bool:
        """Arm one watch; True if there is already a new child, or a group was unlocked."""
        denied: list[str] = []
        watch = self._watches.arm(path)
        children = self._store.list(path, deadline_s, watch, denied=denied.append)
        if children is None:
            self._watches.disarm(path)
            return not denied
        if path == self._groups:
            return known != frozenset(children)
        return not known.issuperset(children)
