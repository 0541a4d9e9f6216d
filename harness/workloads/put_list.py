"""Put given values with given priorities, in the order of the list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.clients.client import Client
from harness.registry import Priority
from harness.workloads import workloads


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedItem:
    """One item to put."""

    value: int
    priority: Priority = 100


@workloads.register("put-list")
@dataclass(frozen=True, slots=True, kw_only=True)
class PutList:
    """Put the listed values with their priorities, one after the other, by one client."""

    items: list[ListedItem]
    after: str | None = None
    clients: ClassVar[int] = 1
    drains: ClassVar[bool] = False

    def reach(self) -> int | None:
        """Each item is put once."""
        return len(self.items)

    def values(self) -> Sequence[range]:
        """Return the values it puts, each by itself."""
        return [range(item.value, item.value + 1) for item in self.items]

    def run(self, client: Client, number: int) -> None:
        """Put them."""
        for item in self.items:
            client.put(item.value, item.priority)
