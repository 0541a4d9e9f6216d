"""A producer's ticket: made when it is first needed, replaced when it is deleted or worn."""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from zkmq.tree.compatibility import registrations
from zkmq.tree.paths import QueueTree
from zkmq.tree.ticket import Ticket
from zkmq.zookeeper.retries import commit_idempotent
from zkmq.zookeeper.server_clock import ServerClock
from zkmq.zookeeper.store import Code, Create, Delete, Pending, Store


class ProducerTicket:
    """The ticket of one producer. Not thread-safe.

    `about` is the client's announcement (`zkmq.tree.compatibility.registrations`).
    """

    def __init__(
        self, store: Store, tree: QueueTree, clock: ServerClock, about: Mapping[str, Any]
    ) -> None:
        self.id = _new_id()
        self.current: Ticket | None = None
        self._store = store
        self._tree = tree
        self._clock = clock
        self._label = json.dumps(about).encode()
        self._mark = registrations.mark(about[registrations.VERSION_KEY])

    def ready(self, deadline_s: float) -> Ticket:
        """Return the ticket to use now; make it if there is none.

        Raises:
            NoQuorumError: no answer before the deadline.
            AccessDeniedError: the servers refused.
        """
        if self.current is None:
            path = f"{self._tree.producers}/{self.id}"
            create = Create(path, self._label)
            commit_idempotent(
                self._store, "create", [create], deadline_s, as_good={Code.NODE_EXISTS}
            )
            self.current = Ticket(self._store, path, self._clock, mark=self._mark)
        return self.current

    def renew(self) -> None:
        """Use a new ticket from now on, because this one was deleted or is worn."""
        self.id = _new_id()
        self.current = None

    def leave(self) -> Pending | None:
        """Delete the ticket, if there is one. After that, nothing in doubt can take effect."""
        return self._store.submit([Delete(self.current.path)]) if self.current else None


def _new_id() -> str:
    return f"producer-{secrets.token_hex(8)}"
