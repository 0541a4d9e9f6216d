"""The broker's znodes: queues, bindings of queues to exchanges, and mailboxes.

<path>/queues/<queue>                            a queue of zkmq: what survives its consumers
<path>/mailboxes/<queue>                         a queue that lives as long as its owners' sessions
<path>/mailboxes/<queue>/owner-<session>         ephemeral
<path>/mailboxes/<queue>/m-<id>                  a message
<path>/bindings/<exchange>/<key>,<queue>,<session>   ephemeral if the queue is a mailbox
"""

import logging
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import quote, unquote

from zkmq.errors import AccessDeniedError, NoQuorumError, OutcomeUnknownError, ServerRefusedError
from zkmq.tree.bounded_set import BoundedSet
from zkmq.zookeeper.refusal import refusal
from zkmq.zookeeper.request_sizes import MAX_CALL_BYTES, cut, read_each
from zkmq.zookeeper.retries import commit_answered, commit_idempotent, may_retry
from zkmq.zookeeper.store import (
    Code,
    Committed,
    Create,
    Delete,
    GetChildren,
    GetData,
    Lost,
    Op,
    Rejected,
    Store,
    Watcher,
    Znode,
)

OWNER, MESSAGE = "owner-", "m-"
# How long after its making a mailbox without an owner is left alone.
ORPHANED_AFTER_MS = 60_000
MOST_IN_A_CALL = 200

log = logging.getLogger("zkmq.celery")


class Binding(NamedTuple):
    """One queue that gets what is published to an exchange with this routing key."""

    key: str
    queue: str


class Letter(NamedTuple):
    """One message of a mailbox: its id, which is the same in every copy, and its data."""

    id: str
    data: bytes


def quoted(text: str) -> str:
    """Return a name that a znode may have, and that has no comma."""
    name = quote(text, safe="")
    return name.replace(".", "%2E") if name in {".", ".."} else name


class BrokerTree:
    """The part of the broker that is no queue of zkmq. Thread-safe.

    Every write is idempotent, and is repeated until it is answered or its deadline passes. The
    methods raise NoQuorumError then; it may have taken effect, which does no harm when it is
    repeated.
    """

    def __init__(self, store: Store, path: str) -> None:
        self._store = store
        self.path = path
        self._told = BoundedSet()

    def queue(self, name: str) -> str:
        """The path of a queue of zkmq."""
        return f"{self.path}/queues/{quoted(name)}"

    def mailbox(self, name: str) -> str:
        """The path of a mailbox."""
        return f"{self.path}/mailboxes/{quoted(name)}"

    def is_queue(self, name: str, deadline_s: float) -> bool:
        """Whether there is a queue of zkmq of that name."""
        return self._store.exists(self.queue(name), deadline_s) is not None

    def is_mailbox(self, name: str, deadline_s: float) -> bool:
        """Whether there is a mailbox of that name."""
        return self._store.exists(self.mailbox(name), deadline_s) is not None

    def bind(self, exchange: str, binding: Binding, deadline_s: float, *, owned: bool) -> None:
        """Bind a queue to an exchange; if `owned`, for as long as this session lives."""
        folder = f"{self.path}/bindings/{quoted(exchange)}"
        session = f"{self._session(deadline_s):x}" if owned else ""
        name = f"{quoted(binding.key)},{quoted(binding.queue)},{session}"
        self._make([Create(f"{folder}/{name}", ephemeral=owned)], deadline_s)

    def unbind(self, exchange: str, binding: Binding, deadline_s: float) -> None:
        """Remove a binding, whoever made it."""
        folder = f"{self.path}/bindings/{quoted(exchange)}"
        for name in self._store.list(folder, deadline_s) or []:
            if _binding(name) == binding:
                self._remove(f"{folder}/{name}", deadline_s)

    def unbind_queue(self, queue: str, deadline_s: float) -> None:
        """Remove all bindings of a queue."""
        root = f"{self.path}/bindings"
        for exchange in self._store.list(root, deadline_s) or []:
            for binding in self.bindings(unquote(exchange), deadline_s):
                if binding.queue == queue:
                    self.unbind(unquote(exchange), binding, deadline_s)

    def bindings(self, exchange: str, deadline_s: float) -> list[Binding]:
        """The bindings of an exchange, each once, in order."""
        folder = f"{self.path}/bindings/{quoted(exchange)}"
        found = {_binding(name) for name in self._store.list(folder, deadline_s) or []}
        return sorted(binding for binding in found if binding is not None)

    def own_mailbox(self, name: str, deadline_s: float) -> None:
        """Make a mailbox, or share it, for as long as this session lives. Sweep orphaned ones."""
        box = self.mailbox(name)
        owner = f"{box}/{OWNER}{self._session(deadline_s):x}"
        while True:
            self._make([Create(owner, ephemeral=True)], deadline_s)
            (node,) = read_each(self._store, [owner], deadline_s)
            if node is not None:
                break
        self._sweep(node.ctime_ms, deadline_s)

    def post(self, mailboxes: Iterable[str], letter: Letter, deadline_s: float) -> None:
        """Put one message into several mailboxes, in one write; those that are gone get none.

        A copy of a repeated write is found by the id: by the servers, or by the reader.

        Raises:
            OutcomeUnknownError: no answer before the deadline. To post it again is safe.
        """
        names = list(mailboxes)
        while names:
            ops = [
                Create(f"{self.mailbox(name)}/{MESSAGE}{letter.id}", letter.data) for name in names
            ]
            if len(names) > 1 and self._store.weigh(ops) > MAX_CALL_BYTES:
                half = len(names) // 2
                self.post(names[:half], letter, deadline_s)
                names = names[half:]
                continue
            match self._store.commit(ops, deadline_s):
                case Committed() | Rejected(_, Code.NODE_EXISTS):
                    return
                case Rejected(index, Code.NO_NODE):
                    del names[index]
                case Rejected(index, code, number):
                    raise refusal(ops[index].path, "publish", code, number)
                case Lost(reason):
                    if not may_retry(self._store, deadline_s):
                        raise OutcomeUnknownError(f"publish: no answer in time ({reason})")

    def read(self, name: str, deadline_s: float, watch: Watcher | None = None) -> list[Letter]:
        """The messages of a mailbox, in the order in which they came."""
        box = self.mailbox(name)
        listed = self._store.list(box, deadline_s, watch) or []
        ids = [child for child in listed if child.startswith(MESSAGE)]
        found: list[tuple[int, Letter]] = []
        for part in cut(ids, MOST_IN_A_CALL):
            reads = [GetData(f"{box}/{child}") for child in part]
            nodes = self._store.read_many(reads, deadline_s, denied=self._deny).results
            found += [
                (node.czxid, Letter(child.removeprefix(MESSAGE), node.data))
                for child, node in zip(part, nodes, strict=True)
                if isinstance(node, Znode)
            ]
        return [letter for _, letter in sorted(found)]

    def count(self, name: str, deadline_s: float) -> int:
        """The number of messages in a mailbox."""
        listed = self._store.list(self.mailbox(name), deadline_s) or []
        return sum(child.startswith(MESSAGE) for child in listed)

    def take(self, name: str, letters: Sequence[Letter], deadline_s: float) -> list[Letter]:
        """Delete messages; return those that this call deleted, and no other reader.

        What a lost answer leaves in doubt counts as taken: a mailbox delivers at most once to
        several readers, and exactly once to a single one.
        """
        box, taken = self.mailbox(name), list[Letter]()
        for part in map(list, cut(letters, MOST_IN_A_CALL)):
            doubtful = False
            while part:
                ops: list[Op] = [Delete(f"{box}/{MESSAGE}{letter.id}") for letter in part]
                match self._store.commit(ops, deadline_s):
                    case Committed():
                        break
                    case Rejected(index, Code.NO_NODE):
                        gone = part.pop(index)
                        taken += [gone] if doubtful else []
                    case Rejected(index, code, number):
                        raise refusal(ops[index].path, "get", code, number)
                    case Lost(reason):
                        doubtful = True
                        if not may_retry(self._store, deadline_s):
                            raise NoQuorumError(f"{box}: get: no answer in time ({reason})")
            taken += part
        return taken

    def remove_tree(self, path: str, deadline_s: float) -> None:
        """Delete a znode and all that is below it, also what comes while it does so."""
        while (children := self._store.list(path, deadline_s)) is not None:
            for child in children:
                self.remove_tree(f"{path}/{child}", deadline_s)
            if self._remove(path, deadline_s):
                return

    def _remove(self, path: str, deadline_s: float) -> bool:
        """Delete one znode; False if it has children."""
        match commit_answered(self._store, f"{path}: delete", [Delete(path)], deadline_s):
            case Committed() | Rejected(_, Code.NO_NODE):
                return True
            case Rejected(_, Code.NOT_EMPTY):
                return False
            case Rejected(_, code, number):
                raise refusal(path, "delete", code, number)

    def _make(self, ops: Sequence[Create], deadline_s: float) -> None:
        """Create nodes, and what is above them, whoever else does the same."""
        while True:
            match commit_answered(self._store, ops[0].path, ops, deadline_s):
                case Committed() | Rejected(_, Code.NODE_EXISTS):
                    return
                case Rejected(index, Code.NO_NODE):
                    parts = ops[index].path.strip("/").split("/")
                    for depth in range(1, len(parts)):
                        above = Create("/" + "/".join(parts[:depth]))
                        commit_idempotent(
                            self._store, "create", [above], deadline_s, as_good={Code.NODE_EXISTS}
                        )
                case Rejected(index, code, number):
                    raise refusal(ops[index].path, "create", code, number)

    def _session(self, deadline_s: float) -> int:
        while (session := self._store.session_id) is None:
            if not may_retry(self._store, deadline_s):
                raise NoQuorumError("declare: no session in time")
        return session

    def _sweep(self, now_ms: int, deadline_s: float) -> None:
        """Delete the mailboxes whose owners are gone."""
        root = f"{self.path}/mailboxes"
        boxes = [f"{root}/{name}" for name in self._store.list(root, deadline_s) or []]
        for part in cut(boxes, MOST_IN_A_CALL):
            reads = [GetChildren(box) for box in part]
            listed = self._store.read_many(reads, deadline_s, denied=self._deny).results
            for box, children in zip(part, listed, strict=True):
                if isinstance(children, list) and not any(c.startswith(OWNER) for c in children):
                    self._remove_orphan(box, now_ms, deadline_s)

    def _remove_orphan(self, box: str, now_ms: int, deadline_s: float) -> None:
        """Delete a mailbox if it is old; one that may not be deleted stops no client."""
        try:
            (node,) = read_each(self._store, [box], deadline_s)
            if node is not None and node.ctime_ms < now_ms - ORPHANED_AFTER_MS:
                self.remove_tree(box, deadline_s)
        except (AccessDeniedError, ServerRefusedError) as error:
            self._tell(box, f"it has no owner, and cannot be deleted: {error}")

    def _deny(self, path: str) -> None:
        self._tell(path, "its ACL lets this client not read it")

    def _tell(self, path: str, reason: str) -> None:
        """Log once that a node is left alone."""
        if path not in self._told:
            self._told.add(path)
            log.warning("skipped: %s: %s; mend, move or delete it", path, reason)


def _binding(name: str) -> Binding | None:
    """Read a binding's name; None if it is foreign."""
    parts = name.split(",")
    return Binding(unquote(parts[0]), unquote(parts[1])) if len(parts) == 3 else None
