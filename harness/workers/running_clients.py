"""What faults do to client processes; and a stand-in for a quorum without clients."""

import signal
from collections.abc import Collection, Sequence
from typing import Final

from harness.common import process_group
from harness.common.harness_errors import TargetError, UnsupportedError
from harness.common.polling import wait_until
from harness.target import Evidence
from harness.workers.pool import Worker, Workers

STATE_TIMEOUT_S = 30.0  # a machine may stand still
_POLL_S = 0.005


class RunningClients:
    """The workers of a run; see `harness.target.Clients`. A client's number is its process."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def running(self, workload: str) -> Sequence[int]:
        return [
            worker.job.process
            for worker in self._workers.all
            if worker.running and workload in {"any", worker.job.kind}
        ]

    def crash(self, client: int) -> Evidence:
        worker = self._worker(client)
        worker.dies = True
        worker.send(signal.SIGKILL)
        return {"client": client, "exit_code": worker.process.wait(STATE_TIMEOUT_S)}

    def pause(self, client: int) -> Evidence:
        """Freeze a client with SIGSTOP, and wait until the kernel says so."""
        return self._signal(client, signal.SIGSTOP, frozen=True)

    def resume(self, client: int) -> Evidence:
        """Let it go on with SIGCONT, and wait until the kernel says so."""
        return self._signal(client, signal.SIGCONT, frozen=False)

    def connections(self, client: int, nodes: Collection[int]) -> int:
        forwarder = self._worker(client).forwarder
        return 0 if forwarder is None else forwarder.connections(nodes)

    def cut(self, client: int, nodes: Collection[int]) -> Evidence:
        """Let nothing through between it and these nodes."""
        worker = self._worker(client)
        if worker.forwarder is None:
            raise UnsupportedError(f"client {client}: expected a forwarder of its own, got none")
        connections = self.connections(client, nodes)
        worker.forwarder.cut(nodes)
        return {
            "client": client,
            "nodes": sorted(nodes),
            "held": worker.forwarder.held,
            "connections": connections,
        }

    def mend(self, client: int, nodes: Collection[int]) -> Evidence:
        worker = self._worker(client)
        if worker.forwarder is not None:
            worker.forwarder.mend(nodes)
        return {"client": client, "held": self.held(client)}

    def held(self, client: int) -> int:
        forwarder = self._worker(client).forwarder
        return 0 if forwarder is None else forwarder.held

    def _worker(self, client: int) -> Worker:
        return next(worker for worker in self._workers.all if worker.job.process == client)

    def _signal(self, client: int, number: signal.Signals, *, frozen: bool) -> Evidence:
        worker = self._worker(client)
        worker.send(number)
        state = wait_until(
            lambda: _state(worker),
            lambda state: state == "ended" or (state == "T") is frozen,
            within_s=STATE_TIMEOUT_S,
            every_s=_POLL_S,
            late=lambda state: TargetError(
                f"client {client}: expected it {'frozen' if frozen else 'running'} within "
                f"{STATE_TIMEOUT_S:g} s, got state {state}"
            ),
        )
        return {"client": client, "state": state}


class NoClients:
    """No workload runs: a quorum by hand."""

    def running(self, workload: str) -> Sequence[int]:
        """Return no client: there is none."""
        return []

    def crash(self, client: int) -> Evidence:
        """Refuse: faults of clients need a run."""
        raise UnsupportedError(f"client {client}: expected a run with a workload, got none")

    pause = crash

    def resume(self, client: int) -> Evidence:
        """Do nothing: the clients of a harness that is gone ended with it."""
        return {"client": client, "state": "ended"}

    def connections(self, client: int, nodes: Collection[int]) -> int:
        """Return 0: there is no client."""
        return 0

    def cut(self, client: int, nodes: Collection[int]) -> Evidence:
        """Refuse: faults of clients need a run."""
        return self.crash(client)

    def mend(self, client: int, nodes: Collection[int]) -> Evidence:
        """Do nothing: the forwarders of a harness that is gone ended with it."""
        return {"client": client, "held": 0}

    def held(self, client: int) -> int:
        """Return 0: nothing was ever cut."""
        return 0


NO_CLIENTS: Final = NoClients()


def _state(worker: Worker) -> str:
    """Return `T` if the client, and all that it has started, are stopped; else another state."""
    if not worker.running:
        return "ended"
    states = process_group.members(worker.process.pid).values()
    return next((state for state in states if state != "T"), "T" if states else "ended")
