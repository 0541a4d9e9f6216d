"""How every run ends: heal, look, drain, look again; each with a limit, whatever servers do."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from harness.common.harness_errors import TargetError
from harness.common.polling import wait_until
from harness.common.progress import Progress
from harness.common.run_clock import Clock
from harness.common.server_states import NodeStatus
from harness.history.record import ENDED, RECOVERED, Event, HistoryWriter
from harness.nemesis.nemesis import Nemesis
from harness.scenario.schema import WorkloadEntry
from harness.target import Quorum
from harness.workers.pool import Workers, all_ended
from harness.workloads import drain as drains
from harness.workloads import exec_command
from harness.workloads.drain import Drain
from harness.workloads.exec_command import ExecDrain

READY_WITHIN_S = 90.0
LED_WITHIN_S = 180.0  # in addition, if nobody leads: all may just have had too little processor
LAST_CALL_S = 10.0  # how long the last call of a drain may take once its limit is over
TICK_S = 0.02
DRAIN = Drain()

Notes = Iterable[tuple[str, Mapping[str, Any]]]


class Ending:
    """The last part of a run, while the quorum is up; what it sees goes to the harness' history."""

    def __init__(
        self,
        quorum: Quorum,
        history: HistoryWriter,
        *,
        clock: Clock,
        progress: Progress,
        say: Callable[[str], None],
    ) -> None:
        self._quorum, self._history = quorum, history
        self._clock, self._progress, self._say = clock, progress, say

    def heal(self, nemesis: Nemesis) -> bool:
        """Undo every fault, wait until all servers serve, and note how soon they did.

        Returns whether a majority serves, so that the queue can be drained.

        Raises:
            TargetError: something could not be undone, or the engine is gone.
        """
        self._progress.begin("heal", limit_s=self._clock.now_s() + READY_WITHIN_S)
        nemesis.heal_all()
        try:
            took_s = self._ready_after_s()
        except TargetError as error:
            return self._goes_on_without_some(error)
        self.note(RECOVERED, {"took_s": round(took_s, 3), "lost": []})
        self._say(f"healed; all servers serve after {took_s:.1f} s; draining")
        return True

    def drain(
        self,
        workers: Workers,
        check: Callable[[], None],
        settings: Drain = DRAIN,
        *,
        by: WorkloadEntry | None = None,
    ) -> None:
        """Drain the queue; a drain that waits for servers that are gone is ended after its limit.

        It calls `check` while it waits, which raises if the run cannot go on. The drain is done
        with the subject, or by the drain command of a workload.
        """
        within_s = settings.limit_s + LAST_CALL_S
        self._progress.begin("drain", limit_s=self._clock.now_s() + within_s)
        if by is None:
            drain = workers.start_kind(drains.NAME, asdict(settings))
        else:
            command = asdict(ExecDrain(command=by.workload.drain))
            drain = workers.start_kind(exec_command.DRAIN, command, where=f"{by.where}.drain")

        def over() -> bool:
            check()
            return all_ended(drain)

        if not wait_until(over, within_s=within_s, every_s=TICK_S):
            workers.end(drain)
            why = f"{within_s:g} s after it began its last call still had no answer"
            self.note(drains.NAME, drains.ended(complete=False, why=why))
            self._say(f"the drain was given up: {why}")
        workers.reap()

    def skip_drain(self) -> None:
        """Note that the queue was not drained, as no majority serves."""
        self.note(
            drains.NAME, drains.ended(complete=False, why="no majority of the servers serves")
        )

    def look(self, seen: Notes, *, when: str) -> None:
        """Note what was seen of the servers, and when."""
        for f, value in seen:
            self.note(f, {"when": when, **value})

    def mark(self) -> None:
        """Write the last note; a run without it did not come to its end, and is never valid."""
        self.note(ENDED, {})

    def note(self, f: str, value: Mapping[str, Any]) -> None:
        """Append a note of the harness."""
        self._history.append(Event.note(self._clock.now_ns(), f, value))

    def _ready_after_s(self) -> float:
        """Wait until all servers serve; return the seconds it took.

        Raises:
            TargetError: some do not, while another leads; or all had longer, and none does.
        """
        try:
            return self._quorum.wait_ready(within_s=READY_WITHIN_S)
        except TargetError:
            if _is_led(self._quorum.statuses()):
                raise
        self._progress.begin("heal", limit_s=self._clock.now_s() + LED_WITHIN_S)
        self._say(f"healed; no server leads: they have {LED_WITHIN_S:g} s more")
        return READY_WITHIN_S + self._quorum.wait_ready(within_s=LED_WITHIN_S)

    def _goes_on_without_some(self, error: TargetError) -> bool:
        """Note the servers that do not come back; tell whether a majority serves.

        Raises:
            TargetError: the engine is gone, or all servers serve and none leads.
        """
        statuses = self._quorum.statuses()
        lost = [seen.node for seen in statuses if not seen.serving]
        if not lost:
            raise error
        led = _is_led(statuses)
        self.note(RECOVERED, {"took_s": None, "lost": lost, "why": str(error)})
        then = "draining what the others serve" if led else "nothing can be drained"
        self._say(f"healed; {error}; {then}")
        return led


def _is_led(statuses: Iterable[NodeStatus]) -> bool:
    return any(seen.mode == "leader" for seen in statuses)
