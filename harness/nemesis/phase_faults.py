"""The faults of one phase: a thread that injects what is due and heals what is over."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from harness.common.progress import Progress
from harness.common.run_clock import Clock
from harness.nemesis.guarded_thread import GuardedThread
from harness.nemesis.injection import Injection, Since, is_due
from harness.nemesis.nemesis import TICK_S, Nemesis


class PhaseOfFaults(GuardedThread):
    """The thread that runs one phase's faults; leaving the context ends and joins it.

    Triggers count operations from the creation of this object. Times count from when the context is
    entered, after the phase's clients have begun to call; that may be seconds later. A fault with a
    duration is healed when the phase ends at the latest; one without stays in force.
    """

    def __init__(
        self, nemesis: Nemesis, injections: Sequence[Injection], *, clock: Clock, progress: Progress
    ) -> None:
        super().__init__("nemesis")
        self._nemesis, self._injections = nemesis, list(injections)
        self._clock, self._progress = clock, progress
        self._since = Since.now(clock, progress)
        watched = any(i.entry.at is not None and i.entry.at.log is not None for i in injections)
        self._log_watch = nemesis.log_watch() if watched else None
        self._held = nemesis.failpoint_watch(self._injections)

    def __enter__(self) -> Self:
        self._since = replace(self._since, time_s=self._clock.now_s())
        return super().__enter__()

    @property
    def began_s(self) -> float:
        """Return when the phase began: what its times count from."""
        return self._since.time_s

    @property
    def over(self) -> bool:
        """Tell whether every fault was injected and its time is over, or the nemesis failed."""
        return all(i.state == "over" for i in self._injections) or not self._thread.is_alive()

    def _work(self) -> None:
        try:
            self._inject_and_heal()
        finally:
            self._held.end_all()

    def _inject_and_heal(self) -> None:
        while not self._stop.is_set() and not (self.over and self._nemesis.all_told):
            self._step()
            self._stop.wait(TICK_S)
        self._finish()

    def _step(self) -> None:
        self._nemesis.look()
        self._heal_over()
        for place, injection in enumerate(self._injections):
            if self._stop.is_set():
                return
            if injection.state == "pending" and self._due(injection, place):
                self._heal_over()  # an injection takes seconds: what is over must not wait for many
                # Counted before it acts: the next round waits for an election after this moment.
                injection.elections = self._progress.elections
                self._inject(injection)

    def _heal_over(self) -> None:
        now_s = self._clock.now_s()
        for injection in self._injections:
            if injection.state == "in force" and now_s >= (injection.heal_at_s or 0):
                self._nemesis.heal(injection)

    def _due(self, injection: Injection, place: int) -> bool:
        """Tell whether its time or trigger has come, and its planned delay is over."""
        now_s = self._clock.now_s()
        if injection.came_s is None and is_due(
            injection,
            self._injections[:place],
            since=self._since,
            clock=self._clock,
            progress=self._progress,
            server_shows=self._server_shows,
        ):
            injection.came_s = now_s
        return injection.came_s is not None and now_s - injection.came_s >= injection.planned.late_s

    def _server_shows(self, injection: Injection) -> bool:
        """Tell whether the server that an injection waits for has done what it waits for."""
        at = injection.entry.at
        if at is not None and at.log is not None:
            return self._log_watch is not None and self._log_watch.seen(at.log)
        if (seen := self._held.struck(injection.planned.id)) is None:
            return False
        injection.came_with = {"trigger": seen}
        return True

    def _inject(self, injection: Injection) -> None:
        """Inject it, and then let the thread go on that waited for this at a failpoint."""
        self._nemesis.inject(injection)
        if injection.state != "pending":
            self._held.end(injection.planned.id)

    def _finish(self) -> None:
        for injection in self._injections:
            if injection.state == "in force":
                self._nemesis.heal(injection)
            elif injection.state == "pending":
                self._nemesis.never_fired(injection)
