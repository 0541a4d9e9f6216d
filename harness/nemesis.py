"""Inject faults, record what was observed of each, and heal.

Every injection and every heal ends `installed`, `skipped` (nothing was done, and why) or
`indeterminate` (it may have been done, or never came to it). Only `installed` counts as a fault.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness import plan, roles
from harness.clock import Clock
from harness.errors import RunError, TargetError
from harness.faults import Fault
from harness.injection import Injection
from harness.plan import Planned
from harness.progress import Progress
from harness.record import Event, HistoryWriter
from harness.schema import FaultEntry, Scenario
from harness.target import Evidence, Quorum

TICK_S = 0.02
ROLE_WITHIN_S = 15.0  # how long an injection waits for its role to be filled


class Nemesis:
    """Injects and heals; when, is for `harness.phase` to say. Not thread-safe."""

    def __init__(
        self,
        scenario: Scenario,
        quorum: Quorum,
        history: HistoryWriter,
        *,
        clock: Clock,
        progress: Progress,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._scenario, self._quorum = scenario, quorum
        self._history, self._clock, self._progress, self._say = history, clock, progress, say
        self._rng = plan.stream(scenario.seed, "roles")
        self._bound: dict[str, int] = {}
        self._in_force: list[Injection] = []
        self._hurt: set[int] = set()

    def bind(self) -> Mapping[str, int]:
        """Resolve the scenario's `bind` names to nodes, once.

        Raises:
            RunError: nobody is left for a name.
        """
        try:
            self._bound = roles.bind(self._scenario.bind, self._quorum.statuses(), self._rng)
        except ValueError as error:
            raise RunError(str(error)) from error
        return self._bound

    def injections(self, number: int, planned: Sequence[Planned]) -> list[Injection]:
        """Return the injections of one phase, in the order of the plan."""
        entries = self._scenario.phases[number].faults
        return [Injection(planned=p, entry=entries[p.entry]) for p in planned if p.phase == number]

    def inject(self, injection: Injection) -> None:
        """Resolve the target now and hurt it, or heal what the entry names; record both."""
        entry = injection.entry
        if entry.kind == "heal":
            self._heal_named(entry.heal or "all")
            injection.state = "over"
            return
        injection.nodes = self._resolve(entry)
        if not injection.nodes:
            self._end(injection, "skipped", {"why": f"no node was {entry.fault.target!r}"})
        elif self._over_budget(entry, injection.nodes):
            hurt = sorted(self._hurt | set(injection.nodes))
            self._end(injection, "skipped", {"why": f"budget: nodes {hurt} would be hurt at once"})
        else:
            self._inject(injection, entry.fault)

    def heal(self, injection: Injection) -> None:
        """Undo one injection; a failure is recorded as indeterminate and raised.

        Raises:
            TargetError: it could not be undone.
        """
        fault: Fault = injection.entry.fault
        try:
            evidence = fault.heal(self._quorum, injection.nodes)
        except TargetError as error:
            self._record(injection, "heal", "indeterminate", {"error": str(error)})
            raise
        self._record(injection, "heal", "installed", evidence)
        self._say(f"heal {injection.planned.name} {_nodes(injection.nodes)}")
        self._forget(injection)

    def heal_all(self) -> None:
        """Undo everything still in force, newest first.

        Raises:
            TargetError: the first of what could not be undone, after all the others were tried.
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
            self._end(injection, "indeterminate", {"why": "the phase ended before its time came"})
        injection.state = "over"

    def _inject(self, injection: Injection, fault: Fault) -> None:
        before = {str(s.node): s.mode for s in self._quorum.statuses()}
        self._in_force.append(injection)
        self._hurt |= set(injection.nodes)
        began_ns = self._clock.now_ns()
        try:
            evidence = fault.inject(self._quorum, injection.nodes)
        except TargetError as error:
            self._end(injection, "indeterminate", {"error": str(error), "before": before})
            raise
        evidence |= {"before": before, "took_ms": (self._clock.now_ns() - began_ns) // 1_000_000}
        outcome = "installed" if fault.bit(evidence) else "indeterminate"
        self._record(injection, "inject", outcome, evidence, time_ns=began_ns)
        roles_now = "/".join(sorted({before[str(id)] for id in injection.nodes}))
        self._say(f"{injection.planned.name} {_nodes(injection.nodes)} ({roles_now}): {outcome}")
        self._settle(injection, fault)

    def _settle(self, injection: Injection, fault: Fault) -> None:
        """Decide when an injection that took place is over."""
        hold_s = injection.entry.hold_s
        if not fault.lasting:
            self._forget(injection)
        elif hold_s is not None:
            injection.state = "in force"
            injection.heal_at_s = self._clock.now_s() + hold_s
        else:
            injection.state = "over"  # for the schedule: it stays until somebody heals it
        if injection.state != "over" or fault.lasting:
            self._progress.in_force[injection.planned.id] = (
                f"{injection.planned.name} {_nodes(injection.nodes)}"
            )
        if injection.entry.until is not None:
            self._wait_until(injection)

    def _wait_until(self, injection: Injection) -> None:
        until = injection.entry.until
        assert until is not None
        node = self._bound.get(str(until.node), until.node)
        deadline_s = self._clock.now_s() + until.within_s
        while True:
            seen = {s.node: s for s in self._quorum.statuses()}.get(int(node))
            if seen and (seen.mode == until.mode or (until.mode == "serving" and seen.serving)):
                return
            if self._clock.now_s() > deadline_s:
                raise TargetError(
                    f"fault {injection.planned.name}: expected node {node} {until.mode} within "
                    f"{until.within_s:g} s, got {seen.mode if seen else 'no such node'}"
                )
            time.sleep(TICK_S)

    def _heal_named(self, name: str) -> None:
        for injection in reversed(self._in_force.copy()):
            if name in {"all", injection.planned.name}:
                self.heal(injection)

    def _resolve(self, entry: FaultEntry) -> list[int]:
        """Return who has the role now; right after an election nobody may have it for a moment."""
        target = entry.fault.target
        deadline_s = self._clock.now_s() + ROLE_WITHIN_S
        while True:
            found = roles.resolve(target, self._quorum.statuses(), self._bound, self._rng)
            if found or self._clock.now_s() > deadline_s:
                return found
            time.sleep(TICK_S)

    def _over_budget(self, entry: FaultEntry, nodes: Sequence[int]) -> bool:
        """Tell whether more than a minority would be hurt at once, without leave."""
        if self._scenario.budget == "majority" or not entry.fault.lasting:
            return False
        self._hurt -= self._recovered()
        most = (len(self._quorum.nodes) - 1) // 2
        return len(self._hurt | set(nodes)) > most

    def _recovered(self) -> set[int]:
        """Return the hurt nodes that no fault holds any more and that serve, so are synced."""
        held = {id for injection in self._in_force for id in injection.nodes}
        serving = {s.node for s in self._quorum.statuses() if s.serving}
        return {id for id in self._hurt if id not in held and id in serving}

    def _forget(self, injection: Injection) -> None:
        injection.state = "over"
        if injection in self._in_force:
            self._in_force.remove(injection)
        self._progress.in_force.pop(injection.planned.id, None)

    def _end(self, injection: Injection, outcome: str, evidence: Evidence) -> None:
        self._record(injection, "inject", outcome, evidence)
        self._say(f"{injection.planned.name}: {outcome}: {evidence.get('why', evidence)}")
        injection.state = "over"

    def _record(
        self,
        injection: Injection,
        phase: str,
        outcome: str,
        evidence: Evidence,
        *,
        time_ns: int | None = None,
    ) -> None:
        value: dict[str, Any] = {
            "id": injection.planned.id,
            "name": injection.planned.name,
            "phase": phase,
            "target": getattr(injection.entry.fault, "target", None),
            "nodes": injection.nodes,
            "outcome": outcome,
            "evidence": evidence,
        }
        self._history.append(
            Event(
                time_ns=self._clock.now_ns() if time_ns is None else time_ns,
                process="nemesis",
                type="info",
                f=injection.planned.kind,
                value=value,
            )
        )


def _nodes(ids: Sequence[int]) -> str:
    return f"node {ids[0]}" if len(ids) == 1 else f"nodes {', '.join(map(str, ids))}"
