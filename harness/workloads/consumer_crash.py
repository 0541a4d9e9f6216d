"""A consumer that dies with an item in its hand, as the original's tests had it."""

import os
import signal
from dataclasses import dataclass
from typing import ClassVar

from harness.clients.client import Client
from harness.workloads import Workload, workloads

WAIT_S = 5.0


@workloads.register("consumer-crash")
@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerCrash(Workload):
    """Reserve one item and die by SIGKILL with it in hand."""

    after: str | None = None
    """The workload of the phase that must be over before this one begins."""
    clients: ClassVar[int] = 1
    dies: ClassVar[bool] = True
    sync: ClassVar[bool] = True

    def run(self, client: Client, number: int) -> None:
        """Wait for an item, reserve it and die by SIGKILL."""
        while not client.reserve(1, WAIT_S, sync=True):
            pass
        os.kill(os.getpid(), signal.SIGKILL)
