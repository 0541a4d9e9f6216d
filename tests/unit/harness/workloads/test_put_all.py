"""A producer that puts until the faults of its phase are over."""

from typing import cast

from harness.clients.client import Client
from harness.workloads.put_all import PutAll


class Recorded:
    """A client that hears of the end of the faults after so many puts."""

    def __init__(self, over_after: int) -> None:
        self.put_values: list[int] = []
        self._over_after = over_after

    def put(self, value: int, priority: int, *, size_bytes: object = None) -> bool:
        """Note it."""
        self.put_values.append(value)
        return True

    def faults_over(self) -> bool:
        """Tell by the number of puts."""
        return len(self.put_values) >= self._over_after

    def now_s(self) -> float:
        """Stand still."""
        return 0.0

    def pace(self, rate_hz: float | None, step: int, began_s: float) -> None:
        """Do not wait."""


def put_by(workload: PutAll, over_after: int) -> list[int]:
    """Return what a workload puts."""
    client = Recorded(over_after)
    workload.run(cast(Client, client), 0)
    return client.put_values


def test_it_ends_with_the_faults_or_its_count() -> None:
    """Whichever comes first; without `while_faults` the end of the faults is nothing to it."""
    assert put_by(PutAll(count=9, while_faults=True), 3) == [1, 2, 3]
    assert put_by(PutAll(count=2, while_faults=True), 3) == [1, 2]
    assert put_by(PutAll(count=5), 3) == [1, 2, 3, 4, 5]
