"""Workloads: what clients ask of the queue; one file each, in processes of their own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from harness.common.settings.registry import Registry

if TYPE_CHECKING:
    from harness.clients.client import Client


class Workload(Protocol):
    """What a number of clients do; every workload derives from it.

    A workload registers itself, and its dataclass fields are its YAML keys.

    Attributes:
        dies: whether its clients end by SIGKILL, so that their death is no failure.
    """

    dies: ClassVar[bool] = False

    @property
    def clients(self) -> int:
        """Return how many client processes it runs."""
        ...

    @property
    def after(self) -> str | None:
        """Return the workload of its phase that must be over before it begins; None for none."""
        ...

    @property
    def sync(self) -> bool:
        """Tell whether each of its reserves syncs first; True for a workload without reserves."""
        return False

    def values(self) -> Sequence[range]:
        """Return the values that it puts, as ranges; no two workloads may put the same."""
        return ()

    def reach(self) -> int:
        """Return how many puts it can acknowledge at most: each value is put once."""
        return sum(map(len, self.values()))

    def run(self, client: "Client", number: int) -> None:
        """Be client `number` (from 0) of this workload, in a process of its own, to the end."""
        ...


workloads: Final[Registry[Workload]] = Registry("workload", "harness.workloads", Workload)
