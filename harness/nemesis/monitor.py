"""Watch the servers' roles, and note every change in the history."""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from harness.harness_errors import RunError
from harness.history.record import Event, HistoryWriter
from harness.progress import Progress
from harness.run_clock import Clock
from harness.server_states import NodeStatus
from harness.target import Quorum

PERIOD_S = 0.25


class Monitor:
    """A thread that looks at all servers four times a second while its `with` block lasts."""

    def __init__(
        self, quorum: Quorum, history: HistoryWriter, clock: Clock, progress: Progress
    ) -> None:
        self._quorum, self._history, self._clock = quorum, history, clock
        self._progress = progress
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="monitor", daemon=True)
        self._modes: dict[str, str] = {}
        self._last_leader: int | None = None
        self._failure: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        if error is None:
            self.raise_failure()

    def raise_failure(self) -> None:
        """Raise the error of the thread, if it failed: the engine may be gone.

        Raises:
            RunError: the run cannot go on.
        """
        if self._failure is not None:
            raise RunError(f"monitor: {self._failure}") from self._failure

    def _watch(self) -> None:
        try:
            while not self._stop.is_set():
                self._note(self._quorum.statuses())
                self._stop.wait(PERIOD_S)
        except Exception as failure:  # noqa: BLE001 -- a thread: __exit__ raises it in its caller
            self._failure = failure

    def _note(self, seen: Sequence[NodeStatus]) -> None:
        modes = {str(s.node): s.mode for s in seen}
        leaders = [s.node for s in seen if s.mode == "leader"]
        if len(leaders) == 1 and leaders[0] != self._last_leader:
            if self._last_leader is not None:
                self._progress.elections += 1
            self._last_leader = leaders[0]
        self._progress.statuses = seen
        if modes != self._modes:
            self._modes = modes
            self._history.append(
                Event(
                    time_ns=self._clock.now_ns(),
                    process="harness",
                    type="info",
                    f="status",
                    value=modes,
                )
            )
