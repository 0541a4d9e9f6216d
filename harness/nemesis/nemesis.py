"""Inject faults, record what was observed of each, and heal them.

Every injection and every heal ends `installed`, `skipped` (nothing was done, and why) or
`indeterminate` (it may have been done, or its time never came). Only `installed` counts as a fault.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from harness.common.harness_errors import TargetError, UnsupportedError
from harness.common.polling import wait_until
from harness.common.progress import Progress
from harness.common.run_clock import Clock
from harness.common.server_states import NodeStatus
from harness.history.record import HistoryWriter
from harness.nemesis import undo
from harness.nemesis.admission import Room, still_waits
from harness.nemesis.aim import Aim
from harness.nemesis.failpoint_watch import FailpointWatch
from harness.nemesis.injection import Injection
from harness.nemesis.log_watch import LogWatch
from harness.nemesis.outcome_log import OutcomeLog
from harness.recorded import Recorded
from harness.scenario.plan import Planned
from harness.scenario.schema import Scenario
from harness.target import Clients, Evidence, Gateway, Quorum, System

TICK_S = 0.02
LOOK_S = 0.2  # how often a fault is looked at that waits for a server; costs a request each


class Nemesis:
    """Injects and heals faults; `harness.nemesis.phase_faults` decides when. Not thread-safe."""

    def __init__(
        self,
        scenario: Scenario,
        quorum: Quorum,
        clients: Clients,
        history: HistoryWriter,
        *,
        clock: Clock,
        progress: Progress,
        say: Callable[[str], None] = lambda _: None,
        pinned: Recorded | None = None,
        gateway: Gateway | None = None,
    ) -> None:
        self._scenario = scenario
        self._system = System(quorum=quorum, clients=clients, gateway=gateway)
        self._quorum, self._aim = quorum, Aim(scenario, pinned)
        self._clock, self._progress = clock, progress
        self._log = OutcomeLog(history, clock, say)
        self._in_force: list[Injection] = []
        self._room = Room(quorum, clients, scenario.budget, scenario.cluster.voters)
        self._looked_s = 0.0

    def bind(self) -> Mapping[str, int]:
        """Resolve the scenario's `bind` names to nodes, once.

        Raises:
            RunError: no node is left for a name.
        """
        return self._aim.bind(self._quorum.statuses)

    def injections(self, number: int, planned: Sequence[Planned]) -> list[Injection]:
        """Return the injections of one phase, in the order of the plan."""
        entries = self._scenario.phases[number].faults
        return [Injection(planned=p, entry=entries[p.entry]) for p in planned if p.phase == number]

    def inject(self, injection: Injection) -> None:
        """Resolve the target and inject the fault now, or heal what the entry names; record it.

        If an obstacle may clear by itself the injection stays pending: call this again later.
        """
        entry = injection.entry
        if entry.kind == "heal":
            self._heal_named(entry.heal or "all")
            injection.state = "over"
            self._wait_until(injection)
            return
        rng, statuses = self._aim.stream_of(injection), self._quorum.statuses()
        drawn = rng.getstate()
        obstacle = self._aim.take(injection, statuses)
        obstacle = obstacle or self._room.obstacle(injection, self._in_force)
        if obstacle is None:
            self._inject(injection, {str(s.node): s.mode for s in statuses})
        elif still_waits(injection, obstacle, self._clock.now_s()):
            rng.setstate(drawn)  # the next try draws as if it were the first
        else:
            self._skip(injection, obstacle.why)

    def heal(self, injection: Injection) -> None:
        """Undo one injection; a failure is recorded as indeterminate and raised.

        Raises:
            TargetError: it could not be undone.
        """
        fault = injection.fault
        try:
            self._look_at(injection, last=True)
            evidence = fault.heal(self._system_of(injection), injection.nodes)
        except TargetError as error:
            self._log.not_healed(injection, error)
            raise
        self._over(injection, evidence)

    @property
    def all_told(self) -> bool:
        """Tell whether no fault in force still waits to take effect."""
        return all(injection.awaited is None for injection in self._in_force)

    def look(self) -> None:
        """Check, at most every LOOK_S, which of the faults that wait for a server took effect."""
        if not self.all_told and self._clock.now_s() - self._looked_s >= LOOK_S:
            for injection in self._in_force:
                self._look_at(injection)
            self._looked_s = self._clock.now_s()

    def heal_all(self) -> None:
        """Undo every fault in force, newest first.

        Raises:
            TargetError: the first that could not be undone, after all others were tried.
        """
        failures = []
        for injection in reversed(self._in_force.copy()):
            try:
                self.heal(injection)
            except TargetError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def never_fired(self, injection: Injection) -> None:
        """Record a planned fault whose time or trigger did not come within its phase."""
        if injection.planned.round == 0:  # repetitions simply stop with the phase
            why = injection.waits_for or "its phase ended before its time or trigger came"
            self._log.not_injected(injection, "indeterminate", {"why": why})
        injection.state = "over"

    def failpoint_watch(self, injections: Sequence[Injection]) -> FailpointWatch:
        """Begin to hold servers for the injections with the trigger `failpoint`; return the watch.

        An injection whose server cannot be held is skipped.
        """
        watch = FailpointWatch(
            self._quorum,
            lambda target: self._aim.node_of(target, self._quorum.statuses()),
            self._clock,
        )
        for injection in injections:
            at = injection.entry.at
            if at is not None and at.failpoint is not None and injection.state == "pending":
                try:
                    watch.begin(injection.planned.id, at.failpoint)
                except UnsupportedError as error:
                    self._skip(injection, str(error))
        return watch

    def log_watch(self) -> LogWatch:
        """Return a watch for lines that servers write from now on."""
        return LogWatch(
            self._quorum,
            lambda target: self._aim.node_of(target, self._quorum.statuses()),
            self._clock,
        )

    def _inject(self, injection: Injection, before: Mapping[str, str]) -> None:
        fault = injection.fault
        injection.describe(before)
        self._in_force.append(injection)
        injection.clients = list(fault.choose(self._system.clients, injection.nodes))
        self._room.take(injection)
        self._quorum.ledger.begin(
            undo.entry(
                fault,
                id=injection.planned.id,
                name=injection.planned.name,
                kind=injection.planned.kind,
                nodes=injection.nodes,
                clients=injection.clients,
                due_s=undo.due_s(injection.entry.hold_s),
            )
        )
        began_ns = self._clock.now_ns()
        try:
            evidence = fault.inject(self._system_of(injection), injection.nodes)
        except UnsupportedError as error:
            self._forget(injection)
            self._skip(injection, str(error))
            return
        except TargetError as error:
            evidence = {"error": str(error), "before": before}
            self._log.not_injected(injection, "indeterminate", evidence)
            injection.state = "over"
            raise
        took_ms = (self._clock.now_ns() - began_ns) // 1_000_000
        # A fault that looked at the roles itself is judged by what it saw, which may be newer.
        evidence = {"before": before} | evidence | {"took_ms": took_ms, **injection.came_with}
        if fault.patient and not fault.bit(evidence):
            injection.awaited = evidence
            self._log.awaited(injection)
        else:
            self._note(injection, evidence, began_ns)
        self._end_others(injection)
        self._settle(injection)

    def _note(self, injection: Injection, evidence: Evidence, began_ns: int) -> None:
        fault = injection.fault
        bit = fault.bit(evidence)
        if bit:
            self._room.note_installed(injection.planned.name)
        self._log.injected(injection, evidence, bit=bit, time_ns=began_ns)

    def _look_at(self, injection: Injection, *, last: bool = False) -> None:
        """Record a patient fault once it has taken effect; with `last`, whatever was seen."""
        if injection.awaited is None:
            return
        fault = injection.fault
        evidence = injection.awaited | fault.look(self._system_of(injection), injection.nodes)
        if last or fault.bit(evidence):
            injection.awaited = None
            self._note(injection, evidence, self._clock.now_ns())
            if (hold_s := injection.entry.hold_s) is not None:
                injection.heal_at_s = self._clock.now_s() + hold_s

    def _system_of(self, injection: Injection) -> System:
        return replace(self._system, chosen=injection.clients)

    def _end_others(self, injection: Injection) -> None:
        """Record the end of faults that this one ended, by `replaces` or as `start` ends `kill`."""
        by, ends = injection.planned.name, injection.fault.ends
        for other in self._in_force.copy():
            if other is injection:
                continue
            undone = other.planned.kind in ends and set(other.nodes) <= set(injection.nodes)
            if undone or other.planned.name == injection.entry.replaces:
                self._over(other, {"ended_by": by})

    def _settle(self, injection: Injection) -> None:
        """Set when an injection that took place is to be healed, if ever."""
        hold_s = injection.entry.hold_s
        if not injection.fault.lasting:
            self._forget(injection)
        else:
            # Without a duration it is over for the schedule, and stays in force until it is healed.
            injection.state = "over" if hold_s is None else "in force"
            injection.heal_at_s = None if hold_s is None else self._clock.now_s() + hold_s
            if hold_s is not None and injection.awaited is not None:
                injection.heal_at_s = math.inf  # its duration begins when it takes effect
            self._progress.in_force[injection.planned.id] = injection.what
        self._wait_until(injection)

    def _wait_until(self, injection: Injection) -> None:
        """Wait for the node and mode that the entry names, if it names some."""
        if (until := injection.entry.until) is None:
            return
        node = self._aim.bound(until.node)

        def there(seen: NodeStatus | None) -> bool:
            return seen is not None and (
                seen.mode == until.mode or (until.mode == "serving" and seen.serving)
            )

        wait_until(
            lambda: next((s for s in self._quorum.statuses() if s.node == node), None),
            there,
            within_s=until.within_s,
            every_s=TICK_S,
            late=lambda seen: TargetError(
                f"fault {injection.planned.name}: expected node {node} {until.mode} within "
                f"{until.within_s:g} s, got {seen.mode if seen else 'no such node'}"
            ),
        )

    def _heal_named(self, name: str) -> None:
        for injection in reversed(self._in_force.copy()):
            if name in {"all", injection.planned.name}:
                self.heal(injection)

    def _over(self, injection: Injection, evidence: Evidence) -> None:
        self._log.healed(injection, evidence)
        self._forget(injection)

    def _forget(self, injection: Injection) -> None:
        injection.state = "over"
        self._quorum.ledger.end(injection.planned.id)
        if injection in self._in_force:
            self._in_force.remove(injection)
        self._progress.in_force.pop(injection.planned.id, None)

    def _skip(self, injection: Injection, why: str) -> None:
        self._log.not_injected(injection, "skipped", {"why": why})
        injection.state = "over"
