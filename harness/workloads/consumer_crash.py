"""A consumer that dies with an item in its hand, as the original's tests had it."""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.clients.client import Client
from harness.workloads import workloads

WAIT_S = 5.0


@workloads.register("consumer-crash")
@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerCrash:
    """Reserve one item and die by SIGKILL with it in hand."""

    after: str | None = None
    clients: ClassVar[int] = 1
    drains: ClassVar[bool] = False
    dies: ClassVar[bool] = True
    sync: ClassVar[bool] = False

    def reach(self) -> int | None:
        """It puts nothing."""
        return 0

    def values(self) -> Sequence[range]:
        """Return none: it puts nothing."""
        return []

    def run(self, client: Client, number: int) -> None:
        """Take one, then die."""
        while not client.reserve(1, WAIT_S):
            pass
        os.kill(os.getpid(), signal.SIGKILL)
