"""One phase of a run: its workloads, each when those it waits for have ended, beside its faults."""

import time
from collections.abc import Callable
from functools import partial
from itertools import chain

from harness.common.harness_errors import RunError
from harness.common.polling import wait_until
from harness.common.progress import Progress
from harness.nemesis.phase_faults import PhaseOfFaults
from harness.scenario.schema import Phase, WorkloadEntry
from harness.workers import pool
from harness.workers.pool import Worker, Workers

TICK_S = 0.02


class RunningPhase:
    """A phase until its workloads end, or its faults if it has no workload."""

    def __init__(
        self,
        phase: Phase,
        workers: Workers,
        faults: PhaseOfFaults,
        *,
        progress: Progress,
        say: Callable[[str], None],
    ) -> None:
        self._phase, self._workers, self._faults = phase, workers, faults
        self._progress, self._say = progress, say
        self._started: dict[int, list[Worker]] = {}  # by the workload's place in the phase

    def play(self, check: Callable[[], None]) -> None:
        """Run it to its end; call `check` all the time, which raises if the run cannot go on.

        Raises:
            RunError: it did not end within its limit; says which workloads still run.
        """
        deadline_s = time.monotonic() + self._phase.limit_s
        self._start_due()
        # A fault that is over before any call shows nothing.
        self._workers.await_first_calls(chain.from_iterable(self._started.values()))
        awaited = any(getattr(e.workload, "while_faults", False) for e in self._phase.workload)

        def over() -> bool:
            self._start_due()
            self._workers.all_call()
            self._workers.reap()
            self._faults.raise_failure()
            check()
            if awaited and self._faults.over:
                self._workers.faults_over()
            idle = len(self._started) == len(self._phase.workload) and not self._still()
            return idle and (bool(self._phase.workload) or self._faults.over)

        with self._faults:
            wait_until(
                over,
                within_s=deadline_s - time.monotonic(),
                every_s=TICK_S,
                late=lambda _: RunError(
                    f"{self._progress.phase}: expected its end within {self._phase.limit_s:g} s; "
                    f"still running: {', '.join(self._still()) or 'its faults'}"
                ),
            )

    def _start_due(self) -> None:
        """Start the workloads whose predecessors ended; tell workers when the puts are over."""
        entries = self._phase.workload

        def ended(of: Callable[[WorkloadEntry], bool]) -> bool:
            places = [place for place, entry in enumerate(entries) if of(entry)]
            return all(p in self._started and pool.all_ended(self._started[p]) for p in places)

        for place, entry in enumerate(entries):
            if place not in self._started and ended(partial(_is_of_kind, entry.workload.after)):
                self._say(f"start {entry.kind}")
                self._started[place] = self._workers.start(entry)
        if ended(lambda e: e.workload.reach() != 0):
            self._workers.puts_over()

    def _still(self) -> list[str]:
        """Return the kinds of the workloads that run."""
        running = [p for p, group in self._started.items() if not pool.all_ended(group)]
        return [self._phase.workload[place].kind for place in running]


def _is_of_kind(kind: str | None, entry: WorkloadEntry) -> bool:
    return entry.kind == kind
