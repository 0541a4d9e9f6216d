"""The trigger `log`: whether a server has written a certain line since the phase began."""

import re
from collections.abc import Callable

from harness.common.run_clock import Clock
from harness.common.server_states import end_of, written_since
from harness.scenario.schedule import LogLine
from harness.target import Quorum

PERIOD_S = 0.25  # reading a log costs a request to the engine


class LogWatch:
    """Searches the part of the servers' logs that is newer than the watch itself.

    Args:
        node_of: resolves a role, a bound name or a number to a node; None if no node has the role.
    """

    def __init__(
        self, quorum: Quorum, node_of: Callable[[str | int], int | None], clock: Clock
    ) -> None:
        self._quorum, self._node_of, self._clock = quorum, node_of, clock
        self._old = {id: end_of(node.log()) for id, node in quorum.nodes.items()}
        self._looked_s: dict[LogLine, float] = {}

    def seen(self, line: LogLine) -> bool:
        """Tell whether the node that is meant now has written such a line since the beginning.

        Reads logs at most every PERIOD_S; between two reads it returns False.
        """
        now_s = self._clock.now_s()
        if now_s - self._looked_s.get(line, -PERIOD_S) < PERIOD_S:
            return False
        self._looked_s[line] = now_s
        node = self._node_of(line.node)
        if node is None:
            return False
        new = written_since(self._quorum.nodes[node].log(), self._old[node])
        return re.search(line.pattern.encode(), new) is not None
