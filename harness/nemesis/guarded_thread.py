"""A thread whose failure is not lost: it is raised in the run."""

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from harness.common.harness_errors import HarnessError, RunError, told


class GuardedThread(ABC):
    """Runs `_work` in a thread while its `with` block lasts, and joins it at the end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._guarded, name=name, daemon=True)
        self._failure: Exception | None = None

    @abstractmethod
    def _work(self) -> None:
        """Work until `_stop` is set."""

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
        """Raise the error of the thread, if it failed.

        Raises:
            RunError: the run cannot go on, or cannot be judged.
        """
        if self._failure is not None:
            # Our own errors explain themselves. Any other may have no text, so add its type.
            ours = isinstance(self._failure, HarnessError)
            why = str(self._failure) if ours else told(self._failure)
            raise RunError(f"{self._name}: {why}") from self._failure

    def _guarded(self) -> None:
        try:
            self._work()
        except Exception as failure:  # noqa: BLE001 -- raised in the run by raise_failure
            self._failure = failure
