"""What a run tells the person who started it."""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from harness.progress import Progress
from harness.run_clock import Clock


class View(Protocol):
    """A terminal, a log, or nobody."""

    def say(self, text: str) -> None:
        """Tell of one event, now; from any thread."""
        ...

    def live(self, progress: Progress, clock: Clock) -> AbstractContextManager[object]:
        """Show the run's progress while the context lasts."""
        ...


class Silent:
    """A view for runs that nobody watches."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def live(self, progress: Progress, clock: Clock) -> AbstractContextManager[object]:
        """Show nothing."""
        return nullcontext()
