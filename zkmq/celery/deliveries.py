"""A message in this process, and the part of a channel that took it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from zkmq.celery.broker_tree import Letter
from zkmq.celery.credits import Credits
from zkmq.errors import ClosedError
from zkmq.tree.item import Hold
from zkmq.working.job import Job
from zkmq.zookeeper.store import Store

# The longest wait of a loop that takes messages, if nothing wakes it before.
TURN_S = 60.0
# How long it waits after a call to which no server could answer.
PAUSE_S = 0.2
# How long the end of a channel waits for acknowledgements that are under way.
STOP_WITHIN_S = 5.0


class End(Enum):
    """What a consumer wants to become of a message."""

    DONE = "acknowledged"
    BACK = "requeued"
    DEAD = "rejected"


@dataclass(eq=False, slots=True)
class Delivery:
    """One message in this process, from its taking, at `came_s`, to its end."""

    intake: "Intake"
    data: bytes
    redelivered: bool
    handle: Job | Letter
    came_s: float

    @property
    def is_lost(self) -> bool:
        """Whether the session that held it is over."""
        return isinstance(self.handle, Job) and self.handle.item.hold is Hold.LOST


class Intake(ABC):
    """One queue of a channel: it takes messages on a thread, from `run` to `close`.

    `deliver` gets each message, on that thread. An error that nothing can mend goes to `fail`, and
    ends the thread.
    """

    def __init__(
        self,
        name: str,
        store: Store,
        credit: Credits,
        *,
        deliver: Callable[[Delivery], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self.name = name
        self._store = store
        self._credits = credit
        self._deliver = deliver
        self._fail = fail
        # Wakes the loop; wakes who waits for what it does.
        self._signal, self._changed = store.signal(), store.signal()
        self._is_taking = self._is_stopping = False
        self.is_over = False

    @abstractmethod
    def get(self) -> Delivery | None:
        """Take one message for `basic_get`, without waiting; None if there is none."""

    @abstractmethod
    def end(self, delivery: Delivery, how: End) -> None:
        """End a message, soon; from any thread."""

    @abstractmethod
    def flush(self) -> None:
        """Wait until the messages that were ended are ended on the servers too, for a while."""

    def consume(self, *, on: bool) -> None:
        """Begin to take messages, or stop; what is here already is delivered or goes back."""
        self._is_taking = on
        self.wake()

    def wake(self) -> None:
        """Let the loop see what is new, from any thread."""
        self._signal.set()

    def run(self) -> None:
        """Turn until `close`."""
        try:
            while not self._is_stopping:
                self._turn()
            self._wind_up()
        except ClosedError as error:
            if not self._is_stopping:
                self._fail(error)
        except Exception as error:  # noqa: BLE001 - the connection tells it to whoever drains it
            self._fail(error)
        finally:
            self.is_over = True
            self._credits.leave(self)
            self._changed.set()

    def close(self) -> None:
        """End what is to be ended, give back the rest, and stop; wait for that for a while."""
        self._is_stopping = True
        self.wake()
        until_s = self._store.now() + STOP_WITHIN_S
        while not self.is_over and self._store.now() < until_s:
            self._changed.wait(until_s)

    @abstractmethod
    def _turn(self) -> None:
        """Do what there is to do, or wait for it."""

    def _wind_up(self) -> None:  # noqa: B027 - a mailbox has nothing left
        """End what is left, after the last turn."""
