"""Resolve targets to the nodes of this run: names of `bind`, roles, and random choices."""

from collections.abc import Callable, Mapping, Sequence
from random import Random

from harness.common.harness_errors import RunError
from harness.common.polling import wait_until
from harness.common.server_states import NodeStatus
from harness.nemesis.admission import Obstacle
from harness.nemesis.injection import Injection
from harness.recorded import Recorded
from harness.scenario import plan, roles
from harness.scenario.schema import Scenario
from harness.target import Target

LOOK_S = 0.2
ROLE_WITHIN_S = 30.0  # after an election, or a start, no node has the role for a moment


class Aim:
    """Resolves targets to nodes, at random where a role fits several.

    Args:
        pinned: an earlier run. All names and roles then mean the same nodes as in that run.
    """

    def __init__(self, scenario: Scenario, pinned: Recorded | None) -> None:
        self._scenario, self._pinned = scenario, pinned
        self._observers = scenario.cluster.observers
        self._streams: dict[str, Random] = {}
        self._bound: dict[str, int] = {}

    def bind(self, look: Callable[[], Sequence[NodeStatus]]) -> Mapping[str, int]:
        """Resolve the scenario's `bind` names to nodes, once, when all servers answer.

        On a busy machine one may not for a moment. It would be left out, so another node would be
        drawn than by the same seed elsewhere.

        Raises:
            RunError: no node is left for a name.
        """
        if self._pinned is not None:
            self._bound = dict(self._pinned.bound)
        elif wanted := self._scenario.bind:
            seen = wait_until(look, _all_serve, within_s=ROLE_WITHIN_S, every_s=LOOK_S)
            try:
                self._bound = roles.bind(wanted, seen, self._stream("bind"), self._observers)
            except ValueError as error:
                raise RunError(str(error)) from error
        return self._bound

    def take(self, injection: Injection, statuses: Sequence[NodeStatus]) -> Obstacle | None:
        """Set the nodes that an injection means now; return an obstacle if no node fits."""
        target = injection.fault.target
        if self._pinned is not None and (id := injection.planned.id) in self._pinned.nodes:
            injection.nodes = list(self._pinned.nodes[id])
            return None
        rng = self.stream_of(injection)
        injection.nodes = roles.resolve(target, statuses, self._bound, rng, self._observers)
        if injection.nodes and injection.fault.of_host:
            injection.nodes = self._scenario.cluster.beside(injection.nodes[0])
        if injection.nodes or target == []:
            return None
        return Obstacle(why=f"no node was {target!r}", within_s=ROLE_WITHIN_S)

    def node_of(self, target: str | int, statuses: Sequence[NodeStatus]) -> int | None:
        """Return the node that a trigger means now; None if no node has the role."""
        wanted: Target = {"node": target} if isinstance(target, int) else target
        rng = self._stream("triggers")
        found = roles.resolve(wanted, statuses, self._bound, rng, self._observers)
        return next(iter(found), None)

    def bound(self, node: str | int) -> int:
        """Return the node of a bound name or a number."""
        return int(self._bound.get(str(node), node))

    def stream_of(self, injection: Injection) -> Random:
        """Return the random stream from which all injections of this name draw their nodes."""
        return self._stream("roles", injection.planned.name)

    def _stream(self, *names: str) -> Random:
        """Return the random stream of these names. Streams do not influence each other."""
        key = "/".join(names)
        return self._streams.setdefault(key, plan.stream(self._scenario.seed, *names))


def _all_serve(statuses: Sequence[NodeStatus]) -> bool:
    return all(status.serving for status in statuses)
