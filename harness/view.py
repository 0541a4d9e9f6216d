"""What a run tells the person who started it."""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from harness.common.progress import Progress
from harness.common.run_clock import Clock


class View(Protocol):
    """A terminal, a log, or `Silent`."""

    def say(self, text: str) -> None:
        """Show one event, now; from any thread."""
        ...

    def waiting(self, what: str) -> AbstractContextManager[object]:
        """Show that something takes its time, while the context lasts."""
        ...

    def live(self, progress: Progress, clock: Clock) -> AbstractContextManager[object]:
        """Show the run's progress while the context lasts."""
        ...


class Silent:
    """A view that shows nothing, for the many runs of a search."""

    def say(self, text: str) -> None:
        """Drop the text: there is no reader."""

    def waiting(self, what: str) -> AbstractContextManager[object]:
        """Return a context that does nothing."""
        return nullcontext()

    def live(self, progress: Progress, clock: Clock) -> AbstractContextManager[object]:
        """Return a context that does nothing."""
        return nullcontext()
