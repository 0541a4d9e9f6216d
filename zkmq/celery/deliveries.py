"""A message in this process, and the part of a channel that took it."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from zkmq.celery.broker_tree import Letter
from zkmq.tree.item import Hold
from zkmq.working.job import Job

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


class Intake(Protocol):
    """One queue of a channel, as the channel sees it."""

    name: str

    def get(self) -> Delivery | None:
        """Take one message for `basic_get`; None if there is none."""

    def consume(self, *, on: bool) -> None:
        """Begin to take messages for the consumers, or stop."""

    def end(self, delivery: Delivery, how: End) -> None:
        """End a message, soon; from any thread."""

    def flush(self) -> None:
        """Wait until the messages that were ended are ended on the servers too, for a while."""

    def close(self) -> None:
        """End what is to be ended, give back the rest, and stop."""
