"""What a channel takes from a mailbox."""

import logging
from collections.abc import Callable

from zkmq.celery.broker_tree import BrokerTree, Letter
from zkmq.celery.credits import Credits
from zkmq.celery.deliveries import PAUSE_S, TURN_S, Delivery, End, Intake
from zkmq.errors import NoQuorumError
from zkmq.tree.bounded_set import BoundedSet
from zkmq.zookeeper.armed_watches import ArmedWatches
from zkmq.zookeeper.store import Store

# How often a mailbox is read, since a watch can be lost with its server.
LOOK_AGAIN_S = 3.0

log = logging.getLogger("zkmq.celery")


class MailboxIntake(Intake):
    """Takes from a mailbox. A message is removed when it is taken."""

    def __init__(
        self,
        name: str,
        tree: BrokerTree,
        store: Store,
        credit: Credits,
        *,
        deadline_s: float,
        deliver: Callable[[Delivery], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        super().__init__(name, store, credit, deliver=deliver, fail=fail)
        self._tree = tree
        self._deadline_s = deadline_s
        self._watches, self._path = ArmedWatches(self._signal), tree.mailbox(name)
        self._seen = BoundedSet()

    def get(self) -> Delivery | None:
        """Take one message without waiting."""
        deadline_s = self._store.now() + self._deadline_s
        for letter in self._tree.read(self.name, deadline_s):
            if self._tree.take(self.name, [letter], deadline_s) and self._is_new(letter):
                self._credits.get()
                return self._opened(letter)
        return None

    def end(self, delivery: Delivery, how: End) -> None:
        """Requeue a message; any other end has happened when it was taken."""
        letter = delivery.handle
        assert isinstance(letter, Letter)
        if how is End.BACK:
            again = Letter(f"{letter.id}+", letter.data)
            self._tree.post([self.name], again, self._store.now() + self._deadline_s)

    def flush(self) -> None:
        """Do nothing: messages are removed when they are taken."""

    def _turn(self) -> None:
        deadline_s = self._store.now() + self._deadline_s
        if not self._is_taking:
            self._signal.wait(self._store.now() + TURN_S)
            return
        try:
            letters = self._tree.read(self.name, deadline_s, self._watches.arm(self._path))
            taken = self._tree.take(self.name, letters, deadline_s)
        except NoQuorumError as error:
            log.warning("%s: no answer, goes on trying: %s", self.name, error)
            self._signal.wait(self._store.now() + PAUSE_S)
            return
        for letter in filter(self._is_new, taken):
            self._credits.use(self, 1)
            self._deliver(self._opened(letter))
        if not letters and not self._is_stopping:
            self._signal.wait(self._store.now() + LOOK_AGAIN_S)

    def _opened(self, letter: Letter) -> Delivery:
        again = letter.id.endswith("+")
        return Delivery(self, letter.data, again, letter, self._store.now())

    def _is_new(self, letter: Letter) -> bool:
        """Whether it is no copy of a message that a repeated write put a second time."""
        if letter.id in self._seen:
            return False
        self._seen.add(letter.id)
        return True
