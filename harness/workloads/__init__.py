"""Workloads: what clients ask of the queue; one file each, in processes of their own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol

from harness.registry import Registry

if TYPE_CHECKING:
    from harness.clients.client import Client


class Workload(Protocol):
    """A workload registers itself; its dataclass fields are its YAML keys.

    Attributes:
        drains: whether it takes until the queue is empty, so that it may end a run.
    """

    drains: ClassVar[bool]

    @property
    def clients(self) -> int:
        """Return how many client processes it runs."""
        ...

    def reach(self) -> int | None:
        """Return how many puts it can acknowledge at most; None for a workload that puts none."""
        ...

    def values(self) -> Sequence[range]:
        """Return the values that it puts, as ranges; no two workloads may put the same."""
        ...

    def run(self, client: "Client", number: int) -> None:
        """Be client `number` (from 0) of this workload, in a process of its own, to the end."""
        ...


workloads: Registry[Workload] = Registry("workload", "harness.workloads")

__all__: Sequence[str] = ("Workload", "workloads")
