"""Watch the servers' roles, and note every change in the history."""

from collections.abc import Sequence

from harness.common.progress import Progress
from harness.common.run_clock import Clock
from harness.common.server_states import NodeStatus
from harness.history.record import Event, HistoryWriter
from harness.nemesis.guarded_thread import GuardedThread
from harness.target import Quorum

PERIOD_S = 0.25
# The upper half of a zxid: ZooKeeper Internals, "Guarantees, Properties, and Definitions".
EPOCH_BIT = 32


class Monitor(GuardedThread):
    """A thread that looks at all servers four times a second while its `with` block lasts."""

    def __init__(
        self, quorum: Quorum, history: HistoryWriter, clock: Clock, progress: Progress
    ) -> None:
        super().__init__("monitor")
        self._quorum, self._history, self._clock = quorum, history, clock
        self._progress = progress
        self._modes: dict[str, str] = {}
        self._epoch: int | None = None

    def _work(self) -> None:
        while not self._stop.is_set():
            self._note(self._quorum.statuses())
            self._stop.wait(PERIOD_S)

    def _note(self, seen: Sequence[NodeStatus]) -> None:
        modes = {str(s.node): s.mode for s in seen}
        self._count_elections(seen)
        self._progress.statuses = seen
        if modes != self._modes:
            self._modes = modes
            self._history.append(Event.note(self._clock.now_ns(), "status", modes))

    def _count_elections(self, seen: Sequence[NodeStatus]) -> None:
        """Count a leader's new epochs: the same server may win again, and two may say they lead."""
        epochs = [s.zxid >> EPOCH_BIT for s in seen if s.mode == "leader" and s.zxid is not None]
        newest = max(epochs, default=None)
        if newest is None or (self._epoch is not None and newest <= self._epoch):
            return
        if self._epoch is not None:
            self._progress.elections += 1
        self._epoch = newest
