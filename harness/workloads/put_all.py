"""The original's put_all: numbered items, one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.clients.client import Client
from harness.common.settings.setting_types import Clients, Count, Priority, Rate, Sizes
from harness.workloads import Workload, workloads


@workloads.register("put-all")
@dataclass(frozen=True, slots=True, kw_only=True)
class PutAll(Workload):
    """Put the values first, first + 1, ... one at a time, shared out over the clients in turn."""

    count: Count = 500
    """How many items."""
    clients: Clients = 1
    """How many clients, a process each."""
    rate_hz: Rate | None = None
    """Puts of all clients together. None: as fast as they are answered."""
    priority: Priority = 100
    """Of all items; the smaller number is served first."""
    size_bytes: Sizes | None = None
    """The least and the most bytes of a payload; each value has its size. None: just the value."""
    groups: Count | None = None
    """Put the values into so many groups in turn: g0, g1, ... None: they have no group."""
    first: int = 1
    """The first value."""
    while_faults: bool = False
    """Whether it ends once the faults of its phase are over, before all `count` are put."""
    after: str | None = None
    """The workload of the phase that must be over before this one begins."""
    sync: ClassVar[bool] = True

    def values(self) -> Sequence[range]:
        """Return first, first + 1, ... `count` of them."""
        return [range(self.first, self.first + self.count)]

    def run(self, client: Client, number: int) -> None:
        """Put every `clients`-th value; `rate_hz` is for all clients together."""
        rate_hz = self.rate_hz / self.clients if self.rate_hz is not None else None
        began_s = client.now_s()
        for step, value in enumerate(
            range(self.first + number, self.first + self.count, self.clients)
        ):
            if self.while_faults and client.faults_over():
                return
            if step == 1 and rate_hz is not None:
                began_s = client.await_all_calls()
            client.pace(rate_hz, step, began_s)
            group = None if self.groups is None else f"g{value % self.groups}"
            client.put(value, self.priority, group=group, size_bytes=self.size_bytes)
