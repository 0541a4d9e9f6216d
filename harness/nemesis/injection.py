"""One planned injection: its state, and whether its time or trigger has come."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from harness.common.progress import Progress
from harness.common.run_clock import Clock
from harness.faults import Fault, description
from harness.scenario.plan import Planned
from harness.scenario.schema import FaultEntry
from harness.target import Evidence


@dataclass(slots=True)
class Injection:
    """One planned injection and what has become of it.

    Attributes:
        nodes, clients: its targets, fixed when it is injected, and its heal's too.
        came_s: when its time or trigger came; None if it has not yet.
        elections: how many there had been when it was injected; the next round waits for one more.
        tried_s: when it last met an obstacle; None if it never did.
        waited_s: for how long it has met obstacles.
        waits_for: the last obstacle that it met.
        came_with: the evidence of its trigger.
        awaited: the latest evidence of a patient fault that has not taken effect yet; None for
            all others.
        what: what it does to whom, once its nodes are known, such as `kill node 5 (leader)`.
    """

    planned: Planned
    entry: FaultEntry
    state: Literal["pending", "in force", "over"] = "pending"
    nodes: list[int] = field(default_factory=list)
    clients: list[int] = field(default_factory=list)
    heal_at_s: float | None = None
    came_s: float | None = None
    elections: int = 0
    tried_s: float | None = None
    waited_s: float = 0.0
    waits_for: str = ""
    came_with: Evidence = field(default_factory=dict)
    awaited: Evidence | None = None
    what: str = ""

    @property
    def fault(self) -> Fault:
        """The fault with its settings; an entry that only heals has none, and asks for none."""
        found: Fault = self.entry.fault
        return found

    def describe(self, modes: Mapping[str, str]) -> None:
        """Set `what`, with the entry's name before it if the scenario gives it one."""
        kind, name, fault = self.planned.kind, self.planned.name, self.entry.fault
        what = kind if fault is None else fault.describe(kind, self.nodes, modes)
        self.what = description.named(what, kind, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """The zero of triggers: counts at the start of a phase, and the time of its first calls."""

    time_s: float
    acknowledged: int
    invoked: int
    elections: int

    @classmethod
    def now(cls, clock: Clock, progress: Progress) -> "Since":
        """Return the present counts and time."""
        return cls(
            time_s=clock.now_s(),
            acknowledged=progress.count("acknowledged"),
            invoked=progress.count("invoked"),
            elections=progress.elections,
        )


def is_due(
    injection: Injection,
    earlier: Iterable[Injection],
    *,
    since: Since,
    clock: Clock,
    progress: Progress,
    server_shows: Callable[[Injection], bool],
) -> bool:
    """Tell whether an injection's time or trigger has come.

    `server_shows` decides for the triggers that watch one server: `log` and `failpoint`.
    """
    if (at_s := injection.planned.at_s) is not None:
        return clock.now_s() - since.time_s >= at_s
    before = list(earlier)
    last = _round_before(injection, before)
    if last is not None and last.state != "over":
        return False
    at = injection.entry.at
    if at is None:
        return all(i.state == "over" for i in _waited_for(injection, before))
    if at.log is not None or at.failpoint is not None:
        return server_shows(injection)
    if at.event is not None:
        return progress.elections > (since.elections if last is None else last.elections)
    return _counted(injection, since, progress)


def _counted(injection: Injection, since: Since, progress: Progress) -> bool:
    """Tell whether as many operations were seen as the plan says; see `plan.Planned.trigger`."""
    ((what, wanted),) = (injection.planned.trigger or {}).items()
    return progress.count(what) - int(getattr(since, what)) >= int(wanted)


def _round_before(injection: Injection, earlier: Sequence[Injection]) -> Injection | None:
    """Return the same entry's injection of the round before; None in the first round."""
    last = earlier[-1] if injection.planned.round > 0 and earlier else None
    return last if last is not None and last.planned.entry == injection.planned.entry else None


def _waited_for(injection: Injection, before: Iterable[Injection]) -> list[Injection]:
    """Return the injections that must end first: of the entry in `after`, or of the one above."""
    if (name := injection.entry.after) is not None:
        return [i for i in before if i.planned.name == name]
    entry = injection.planned.entry
    return [i for i in before if i.planned.entry == entry - 1]
