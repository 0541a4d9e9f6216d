"""The original's check_all: take items one after the other until there are no more."""

from dataclasses import dataclass

from harness.clients.client import Client
from harness.common.settings.setting_types import Clients, Count, Rate, Seconds
from harness.workloads import Workload, workloads

IDLE_HZ = 20.0  # how often an unpaced client looks again at an empty queue


@workloads.register("check-all")
@dataclass(frozen=True, slots=True, kw_only=True)
class CheckAll(Workload):
    """Reserve and acknowledge until the queue is empty and no workload puts any more.

    With `sync` each reserve sees all that was over when it began. What was taken is worked on for
    `work_s`, and every `release_every`-th delivery of a client is given back instead.
    """

    clients: Clients = 1
    """How many clients, a process each."""
    rate_hz: Rate | None = None
    """Reserves of all clients together. None: as fast as they are answered."""
    batch: Count = 1
    """How many items one reserve may give."""
    wait_s: Seconds = 0.0
    """How long a reserve waits for an item."""
    work_s: Seconds = 0.0
    """How long each client works on what it took, before it acknowledges."""
    release_every: Count | None = None
    """Give every n-th delivery of a client back instead. None: none."""
    sync: bool = False
    """Whether each reserve sees all that was over when it began."""
    after: str | None = None
    """The workload of the phase that must be over before this one begins."""

    def run(self, client: Client, number: int) -> None:
        """Take; `rate_hz` counts the reserves of all clients together."""
        rate_hz = self.rate_hz / self.clients if self.rate_hz is not None else None
        began_s, step, taken = client.now_s(), 0, 0
        while True:
            client.pace(rate_hz, step, began_s)
            puts_were_over = client.puts_over()  # before the reserve: what it misses came later
            items = client.reserve(self.batch, self.wait_s, sync=self.sync)
            if items:
                taken += 1
                client.work(self.work_s)
                if self.release_every is not None and taken % self.release_every == 0:
                    client.release(items)
                else:
                    client.done(items)
            elif puts_were_over and client.found_empty:
                return
            elif rate_hz is None and not self.wait_s:
                client.pace(IDLE_HZ, 1, client.now_s())
            step += 1
