"""The trigger `failpoint`: a thread of a server waits at a point until its fault is injected."""

from collections.abc import Callable
from dataclasses import dataclass

from harness.common.harness_errors import UnsupportedError
from harness.common.run_clock import Clock
from harness.scenario.schedule import AtFailpoint
from harness.target import Evidence, Quorum
from harness.target.disturbances import FailpointRule

PERIOD_S = 0.2  # looking costs a request to the engine
HELD_MS = 10_000  # a thread goes on by itself then: no trigger may disable a server for long


class FailpointWatch:
    """Rules that hold servers for triggers, in force from `begin` until `end`.

    Args:
        quorum: the servers.
        node_of: resolves a role, a bound name or a number to a node; None if no node has the role.
        clock: the run's.
    """

    def __init__(
        self, quorum: Quorum, node_of: Callable[[str | int], int | None], clock: Clock
    ) -> None:
        self._quorum, self._node_of, self._clock = quorum, node_of, clock
        self._rules: dict[int, _Held] = {}

    def begin(self, injection: int, at: AtFailpoint) -> None:
        """Hold the `nth` thread that comes to the point from now on.

        Raises:
            UnsupportedError: the node's server cannot be held there.
        """
        if (node := self._node_of(at.node)) is None:
            raise UnsupportedError(f"no node was {at.node!r} when its phase began")
        name = f"trigger-{injection}"
        rule = FailpointRule(point=at.point, nth=at.nth, most_ms=HELD_MS)
        self._quorum.nodes[node].set_failpoint(name, rule)
        self._rules[injection] = _Held(node=node, name=name, point=at.point)

    def struck(self, injection: int) -> Evidence | None:
        """Return the evidence of the thread that waits for this injection; None if none does.

        Asks the server at most every PERIOD_S; between two looks it returns None.
        """
        held, now_s = self._rules.get(injection), self._clock.now_s()
        if held is None or now_s - held.looked_s < PERIOD_S:
            return None
        held.looked_s = now_s
        seen = self._quorum.nodes[held.node].failpoint_hits(held.name)
        return {"point": held.point, **seen} if seen["struck"] else None

    def end(self, injection: int) -> None:
        """Release the thread that waits for this injection, if there is one."""
        if (held := self._rules.pop(injection, None)) is not None:
            self._quorum.nodes[held.node].clear_failpoint(held.name)

    def end_all(self) -> None:
        """Release all threads that are held."""
        for injection in list(self._rules):
            self.end(injection)


@dataclass(slots=True, kw_only=True)
class _Held:
    node: int
    name: str
    point: str
    looked_s: float = -PERIOD_S
