"""Publish a message: into each queue exactly once, across lost answers and kombu's retries.

kombu repeats a publish that failed, with the same properties. So the properties carry a
`Publication`, which knows what is put already and what is in doubt. A repeated publish settles the
doubt before it puts anything.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from uuid import uuid4

from zkmq.celery.broker_errors import UnsettledPublishError
from zkmq.celery.broker_tree import BrokerTree, Letter
from zkmq.errors import ClosedError, NoQuorumError, NotAppliedError, OutcomeUnknownError
from zkmq.putting.entry import Entry
from zkmq.queue import Queue
from zkmq.zookeeper.store import Store


@dataclass(eq=False)
class Publication:
    """One message on its way.

    `queues` and `mailboxes` are those that it is not in yet; None before it was routed. `doubt` is
    about the first of `queues`.
    """

    id: str = field(default_factory=lambda: uuid4().hex)
    queues: list[str] | None = None
    mailboxes: list[str] = field(default_factory=list)
    doubt: OutcomeUnknownError | None = None

    def __deepcopy__(self, _: object) -> "Publication":
        return self

    def route(self, queues: Iterable[str], mailboxes: Iterable[str]) -> None:
        """Note where it goes. It keeps its first way: a retry routes nothing anew."""
        self.queues, self.mailboxes = list(queues), list(mailboxes)


class Publisher:
    """Puts messages for one connection. `open_queue` gives the queue of a name. Thread-safe."""

    def __init__(
        self, store: Store, tree: BrokerTree, open_queue: Callable[[str], Queue], deadline_s: float
    ) -> None:
        self._store = store
        self._tree = tree
        self._open_queue = open_queue
        self._deadline_s = deadline_s

    def publish(self, publication: Publication, entry_of: Callable[[str], Entry]) -> None:
        """Put a routed message where it is not yet; `entry_of` makes it for the queue of a name.

        Raises:
            OutcomeUnknownError: still in doubt at the deadline. The same publication again settles
                that first.
            UnsettledPublishError: the connection that knows the outcome was closed.
            NoQuorumError: no server answered. The same publication again puts what is missing.
        """
        deadline_s = self._store.now() + self._deadline_s
        if publication.mailboxes:
            letter = Letter(publication.id, entry_of(publication.mailboxes[0]).data)
            self._tree.post(publication.mailboxes, letter, deadline_s)
            publication.mailboxes.clear()
        while publication.queues:
            if publication.doubt is None or not self._settled(publication.doubt, deadline_s):
                publication.doubt = None
                try:
                    name = publication.queues[0]
                    self._open_queue(name).put_many([entry_of(name)])
                except OutcomeUnknownError as error:
                    publication.doubt = error
                    continue
            publication.doubt = None
            publication.queues.pop(0)

    def _settled(self, doubt: OutcomeUnknownError, deadline_s: float) -> bool:
        """Find out whether a put took effect."""
        while True:
            try:
                (settled,) = doubt.resolve() or (None,)
            except ClosedError as error:
                raise UnsettledPublishError(
                    f"publish: the connection was closed before this was known: {doubt}; the "
                    "message may be in the queue: publish again only what may be done twice"
                ) from error
            except (OutcomeUnknownError, NoQuorumError) as error:
                if self._store.now() >= deadline_s:
                    raise doubt from error
            except NotAppliedError as error:
                raise doubt from error
            else:
                if settled is not None and settled.took_effect is None:
                    raise UnsettledPublishError(f"publish: the outcome can never be known: {doubt}")
                return settled is not None and bool(settled.took_effect)
