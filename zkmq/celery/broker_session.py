"""One session with the broker: its queues and mailboxes, opened when they are first needed."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from zkmq.celery.broker_tree import BrokerTree
from zkmq.celery.broker_url import BrokerOptions, BrokerUrl
from zkmq.celery.credits import Credits
from zkmq.celery.deliveries import Delivery, Intake
from zkmq.celery.mailbox_intake import MailboxIntake
from zkmq.celery.publishing import Publisher
from zkmq.celery.queue_intake import QueueIntake, TakingQueue
from zkmq.errors import ClosedError, ZkmqError
from zkmq.queue import Queue
from zkmq.working.working import Spawn, daemon
from zkmq.zookeeper.session.kazoo_store import KazooStore
from zkmq.zookeeper.store import Store

CLOSE_WITHIN_S = 1.0


class BrokerSession:
    """A session, and what is open on it. Thread-safe; usable only in the process that made it.

    `spawn` starts the loops of intakes; `settings` are more settings for each queue.
    """

    def __init__(
        self,
        store: Store,
        url: BrokerUrl,
        options: BrokerOptions,
        *,
        spawn: Spawn = daemon,
        **settings: Any,
    ) -> None:
        self._store = store
        self.options = options
        self._spawn = spawn
        self._settings = settings
        self._process = os.getpid()
        self._closed = False
        self._lock = threading.Lock()
        self._queues: dict[str, Queue] = {}
        self._mailboxes: set[str] = set()
        self.tree = BrokerTree(store, url.path)
        self.publisher = Publisher(store, self.tree, self.queue, options.deadline_s)

    @classmethod
    def connect(cls, url: BrokerUrl, options: BrokerOptions, timeout_s: float) -> "BrokerSession":
        """Open a session.

        Raises:
            NoQuorumError: no session in time.
            AccessDeniedError: the servers refused the credentials.
        """
        store = KazooStore.connect(
            url.hosts,
            session_timeout_s=options.session_timeout_s,
            connect_timeout_s=timeout_s,
            security=options.credentials(url),
        )
        return cls(store, url, options)

    @property
    def store(self) -> Store:
        """The session with the servers.

        Raises:
            ClosedError: it was closed, or belongs to another process.
        """
        if not self.is_open:
            raise ClosedError("the connection is closed, or another process's; connect a new one")
        return self._store

    @property
    def is_open(self) -> bool:
        """Whether this process may use it."""
        return not self._closed and self._process == os.getpid()

    def deadline(self) -> float:
        """The deadline of a call that begins now."""
        return self.store.now() + self.options.deadline_s

    def queue(self, name: str) -> Queue:
        """The queue of that name, for putting; makes it if there is none."""
        found = self._queues.get(name)
        if found is None:
            # Half of the time is for a put, and the other for what may have become of it.
            opened = self._opened(Queue, name, self.options.deadline_s / 2, janitor=False)
            with self._lock:
                found = self._queues.setdefault(name, opened)
        return found

    def is_queue(self, name: str) -> bool:
        """Whether there is a queue of that name."""
        return name in self._queues or self.tree.is_queue(name, self.deadline())

    def is_mailbox(self, name: str) -> bool:
        """Whether there is a mailbox of that name."""
        if name in self._mailboxes:
            return True
        return name not in self._queues and self.tree.is_mailbox(name, self.deadline())

    def own_mailbox(self, name: str) -> None:
        """Let a mailbox live as long as this session."""
        if name not in self._mailboxes:
            self.tree.own_mailbox(name, self.deadline())
            self._mailboxes.add(name)

    def delete(self, name: str) -> None:
        """Delete a queue or mailbox, with all messages and bindings."""
        self._mailboxes.discard(name)
        with self._lock:
            queue = self._queues.pop(name, None)
        if queue is not None:
            queue.close()
        self.tree.unbind_queue(name, self.deadline())
        for path in (self.tree.mailbox(name), self.tree.queue(name)):
            self.tree.remove_tree(path, self.deadline())

    def open_intake(
        self,
        name: str,
        credit: Credits,
        deliver: Callable[[Delivery], None],
        fail: Callable[[BaseException], None],
    ) -> Intake:
        """Begin to take from a queue or mailbox, on a thread."""
        intake: Intake
        deadline_s = self.options.deadline_s
        if self.is_mailbox(name):
            self.own_mailbox(name)
            intake = MailboxIntake(
                name, self.tree, self.store, credit, deadline_s=deadline_s, deliver=deliver,
                fail=fail,
            )  # fmt: skip
        else:
            queue = self._opened(
                TakingQueue, name, deadline_s, order=self.options.order,
                max_deliveries=self.options.max_deliveries,
            )  # fmt: skip
            intake = QueueIntake(name, queue, self.store, credit, deliver=deliver, fail=fail)
        self._spawn(f"zkmq-celery-{name}", intake.run)
        return intake

    def close(self) -> None:
        """Close the queues and end the session. In a forked child this ends nothing."""
        if not self.is_open:
            return
        self._closed = True
        queues, self._queues = list(self._queues.values()), {}
        for queue in queues:
            with suppress(ZkmqError):
                queue.close()
        self._store.close(self._store.now() + CLOSE_WITHIN_S)

    def _opened(self, kind: type[Any], name: str, deadline_s: float, **settings: Any) -> Any:
        settings |= {"deadline_s": deadline_s, "label": f"celery {name}"[:1000]} | self._settings
        return kind(self.store, self.tree.queue(name), **settings)
