"""Put given values with given priorities, in the order of the list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.clients.client import Client
from harness.common.settings.setting_types import Priority
from harness.workloads import Workload, workloads


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedItem:
    """A value to put, and its priority."""

    value: int
    """A number, or text."""
    priority: Priority = 100
    """The smaller number is served first."""


@workloads.register("put-list")
@dataclass(frozen=True, slots=True, kw_only=True)
class PutList(Workload):
    """Put the listed values with their priorities, one after the other, by one client."""

    items: list[ListedItem]
    """The items, in order."""
    after: str | None = None
    """The workload of the phase that must be over before this one begins."""
    sync: ClassVar[bool] = True
    clients: ClassVar[int] = 1

    def values(self) -> Sequence[range]:
        """Return each listed value as a range of its own."""
        return [range(item.value, item.value + 1) for item in self.items]

    def run(self, client: Client, number: int) -> None:
        """Put the items; the only client does all of it."""
        for item in self.items:
            client.put(item.value, item.priority)
