"""Which clients a fault means."""

from collections.abc import Sequence

from harness.target import Clients


def chosen(clients: Clients, workload: str, number: int | None) -> Sequence[int]:
    """Return the running clients of a workload (`any`: of all), or the one of that place."""
    running = clients.running(workload)
    return running if number is None else running[number : number + 1]
