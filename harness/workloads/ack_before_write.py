"""A broken producer on purpose: the control of every run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.clients.client import Client
from harness.common.settings.setting_types import Count, Rate
from harness.workloads import Workload, workloads


@workloads.register("ack-before-write")
@dataclass(frozen=True, slots=True, kw_only=True)
class AckBeforeWrite(Workload):
    """A control: acknowledge puts from a buffer and write them later, all but the last few."""

    count: Count = 100
    """How many items."""
    unwritten: Count = 10
    """How many of them, the last, are never written."""
    rate_hz: Rate | None = None
    """Acknowledgements. None: as fast as possible."""
    first: int = 1
    """The first value."""
    after: str | None = None
    """The workload of the phase that must be over before this one begins."""
    sync: ClassVar[bool] = True
    clients: ClassVar[int] = 1

    def values(self) -> Sequence[range]:
        """Return first, first + 1, ... `count` of them."""
        return [range(self.first, self.first + self.count)]

    def run(self, client: Client, number: int) -> None:
        """Acknowledge all; write the oldest, and lose the buffer's tail as a crash would."""
        began_s = client.now_s()
        for step in range(self.count):
            if step == 1 and self.rate_hz is not None:
                began_s = client.await_all_calls()
            client.pace(self.rate_hz, step, began_s)
            client.put(self.first + step, buffered=step >= self.count - self.unwritten)
