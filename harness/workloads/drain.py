"""The end of every run: a new session takes what is left, until nothing can come back."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from harness.clients.client import Client
from harness.common.settings.setting_types import Count, Seconds
from harness.workloads import Workload, workloads

NAME: Final = "drain"
LOOK_AGAIN_HZ = 2.0


@workloads.register(NAME)
@dataclass(frozen=True, slots=True, kw_only=True)
class Drain(Workload):
    """Take and acknowledge all that is left, waiting for items that dead consumers hold.

    A new session whose first call is a write, so what it then reads is no older than that write:
    an isolated leader could answer an empty queue for a while (ZOOKEEPER-1675).
    """

    batch: Count = 50
    """How many items one reserve may give."""
    limit_s: Seconds = 120.0
    """How long it goes on while items are left; then the run is `unknown`."""
    after: str | None = None
    """The workload of the phase that must be over before this one begins."""
    clients: ClassVar[int] = 1

    def run(self, client: Client, number: int) -> None:
        """Reserve with sync until no client holds an item and none is found, or until `limit_s`.

        It checks in this order. Otherwise it would miss an item that comes back in between.
        """
        client.note(NAME, {"phase": "begin"})
        began_s = client.now_s()
        nobody_holds = complete = False
        while not complete and client.now_s() - began_s < self.limit_s:
            items = client.reserve(self.batch, sync=True)
            if items:
                client.done(items)
            complete = client.found_empty and nobody_holds
            if not complete:
                nobody_holds = client.found_empty and client.leftover() == 0
            if not (items or nobody_holds):
                client.pace(LOOK_AGAIN_HZ, 1, client.now_s())
        why = None if complete else f"its {self.limit_s:g} s were over"
        client.note(NAME, ended(complete=complete, why=why))


def ended(*, complete: bool, why: str | None = None) -> dict[str, Any]:
    """Return the note that a drain is over: complete, or given up and why."""
    return {"phase": "end", "complete": complete} | ({"why": why} if why else {})
