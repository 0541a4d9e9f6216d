"""Client processes as something that faults can hurt, and those of a quorum that has none."""

from collections.abc import Collection, Sequence

from harness.errors import UnsupportedError
from harness.target import Evidence


class NoClients:
    """No workload runs: a quorum by hand."""

    def running(self, workload: str) -> Sequence[int]:
        """Return nobody."""
        return []

    def crash(self, client: int) -> Evidence:
        """Refuse."""
        raise UnsupportedError(f"client {client}: expected a run with a workload, got none")

    pause = resume = mend = crash

    def cut(self, client: int, nodes: Collection[int]) -> Evidence:
        """Refuse."""
        return self.crash(client)
