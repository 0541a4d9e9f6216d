"""Decide whether a fault is injected now, waits, or is skipped."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from harness.nemesis.injection import Injection
from harness.scenario import budget
from harness.target import DOWN, Clients, Quorum

WITHIN_S = 30.0  # how long a planned fault waits; a follower may look for its leader for ever
STEP_S = 1.0  # at most this counts of the time between two tries: another fault may take long


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why an injection must wait, or be skipped.

    Attributes:
        within_s: seconds in which the obstacle should clear by itself; 0 if it may never clear.
    """

    why: str
    within_s: float = 0.0


def still_waits(injection: Injection, obstacle: Obstacle, now_s: float) -> bool:
    """Note the obstacle that an injection met, and tell whether it still waits for its end.

    Only the time counts in which it was tried again and again.
    """
    if injection.tried_s is not None:
        injection.waited_s += min(now_s - injection.tried_s, STEP_S)
    injection.tried_s = now_s
    injection.waits_for = obstacle.why
    return injection.waited_s < obstacle.within_s


class Room:
    """Tracks which voters are disabled, from a fault's injection until the node serves again.

    Observers are not counted, since they are not part of any majority.
    """

    def __init__(
        self, quorum: Quorum, clients: Clients, wanted: str, voters: Collection[int]
    ) -> None:
        self._quorum, self._clients, self._voters = quorum, clients, frozenset(voters)
        self._most = budget.allowed(wanted, len(voters))
        self._hurt: set[int] = set()
        self._had: set[str] = set()
        self._first: Injection | None = None  # of a mix; it waits, and room is kept for it

    def take(self, injection: Injection) -> None:
        """Count the nodes that this injection disables from now on."""
        self._hurt |= self._hurts(injection)

    def note_installed(self, name: str) -> None:
        """Note that an entry has taken effect, so that its further draws of a mix do not wait."""
        self._had.add(name)

    def obstacle(self, injection: Injection, in_force: Sequence[Injection]) -> Obstacle | None:
        """Return why an injection must wait or be skipped; None if it can happen now.

        An injection waits for an obstacle that clears by itself. One of a random mix does so only
        as long as its entry was never installed. Room is kept for the first that does: other draws
        that disable voters come after it, or it would never find all that it needs free.
        """
        beside = [i for i in in_force if i.planned.name != injection.entry.replaces]
        drawn_again = injection.entry.weight is not None and injection.planned.name in self._had
        within_s = 0.0 if drawn_again else WITHIN_S
        found = (
            self._excluded(injection, beside, within_s)
            or self._over_budget(injection, in_force, within_s)
            or self._kept(injection, within_s)
            or self._would_miss(injection, within_s)
            or self._ended(injection, within_s)
        )
        if self._first is None or self._first is injection or self._first.state != "pending":
            waits = found is not None and found.within_s > 0 and injection.entry.weight is not None
            self._first = injection if waits else None
        return found

    def _kept(self, injection: Injection, within_s: float) -> Obstacle | None:
        first = self._first
        if first is None or first is injection or first.state != "pending":
            return None
        if injection.entry.weight is None or not self._hurts(injection):
            return None
        return Obstacle(why=f"room is kept for {first.planned.name!r}", within_s=within_s)

    def _excluded(
        self, injection: Injection, beside: Sequence[Injection], within_s: float
    ) -> Obstacle | None:
        for other in beside:
            held = budget.Held(name=other.planned.name, slot=other.fault.slot, nodes=other.nodes)
            if budget.excluder(injection.fault, injection.nodes, [held]) is not None:
                return Obstacle(
                    why=f"excluded by {held.name!r}, in force on nodes {sorted(held.nodes)}",
                    within_s=0.0 if other.heal_at_s is None else within_s,
                )
        return None

    def _over_budget(
        self, injection: Injection, in_force: Sequence[Injection], within_s: float
    ) -> Obstacle | None:
        stay = {id for i in in_force if i.heal_at_s is None for id in self._hurts(i)}
        wanted = self._hurts(injection)
        self._forget_recovered(in_force)
        if len(self._hurt | wanted) <= self._most:
            return None
        return Obstacle(
            why=f"budget: nodes {sorted(self._hurt | wanted)} would be hurt at once",
            within_s=within_s if len(stay | wanted) <= self._most else 0.0,
        )

    def _would_miss(self, injection: Injection, within_s: float) -> Obstacle | None:
        why = injection.fault.misses(self._clients, injection.nodes)
        return None if why is None else Obstacle(why=why, within_s=within_s)

    def _ended(self, injection: Injection, within_s: float) -> Obstacle | None:
        """Look whether the servers run: another fault may have ended one, or a defect of its own.

        The engine is asked, since a fault may hide a server that runs.
        """
        if not injection.fault.of_running:
            return None
        ended = [id for id in injection.nodes if self._quorum.nodes[id].process in DOWN]
        return Obstacle(why=f"nodes {ended} do not run", within_s=within_s) if ended else None

    def _hurts(self, injection: Injection) -> set[int]:
        hurt = injection.fault.hurts(injection.nodes, sorted(self._voters))
        return set(hurt) & self._voters

    def _forget_recovered(self, in_force: Sequence[Injection]) -> None:
        """Stop counting nodes that serve, and so are in sync, unless a fault disables them."""
        held = {id for i in in_force for id in self._hurts(i)}
        serving = {s.node for s in self._quorum.statuses() if s.serving}
        self._hurt -= serving - held
