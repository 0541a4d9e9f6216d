"""Errors of the asyncio queue: a task awaits an unknown outcome, and gets an error of its own."""

from collections.abc import Awaitable, Callable
from typing import Any

from zkmq.doubt import Doubt, Settled
from zkmq.errors import AckUnknownError, NotAppliedError, OutcomeUnknownError, ZkmqError

Ask = Callable[[], Awaitable[tuple[Settled, ...]]]


class AsyncOutcomeUnknownError(OutcomeUnknownError):
    """An OutcomeUnknownError whose `resolve()` is awaited."""

    ask: Ask | None = None

    async def resolve(self) -> tuple[Settled, ...]:  # type: ignore[override]
        """Find out what became of the call that raised this, also repeatedly, from any task.

        Returns one answer for each write that was in doubt, with the number of items in it that
        were this call's. A write that has not taken effect by now never will. `took_effect` is None
        if the outcome can never be known.

        Raises:
            AsyncOutcomeUnknownError: still no answer before the deadline.
            ClosedError: the queue was closed before there was one.
        """
        if self.ask is None:
            return Doubt.for_ever("call", self.doubtful).resolve()
        return await self.ask()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the means to resolve it, which only this event loop has."""
        about = {name: value for name, value in self.__dict__.items() if name != "ask"}
        return type(self), self.args, about


class AsyncAckUnknownError(AsyncOutcomeUnknownError, AckUnknownError):
    """An AckUnknownError whose `resolve()` is awaited."""


class WrongLoopError(NotAppliedError):
    """The queue belongs to another event loop."""

    def __init__(self) -> None:
        super().__init__(
            "the queue belongs to the event loop that connected it; connect one in each loop, or "
            "use zkmq.Queue, which is thread-safe"
        )


def awaitable(
    error: OutcomeUnknownError,
    ask: Ask | None,
    said: str = "",
    *,
    applied: tuple[object, ...] = (),
    doubtful: int = 1,
) -> AsyncOutcomeUnknownError:
    """Turn an error of the synchronous queue into that of one task."""
    kind = AsyncAckUnknownError if isinstance(error, AckUnknownError) else AsyncOutcomeUnknownError
    mine = kind(said) if said else kind(*error.args)
    mine.ask, mine.applied, mine.doubtful = ask, applied, doubtful
    mine.__cause__ = error
    return mine


def clone(error: ZkmqError) -> ZkmqError:
    """Copy an error, because tasks that raise the same one would mix up its traceback."""
    # Without __init__, whose arguments are not those of the message in all classes.
    twin = type(error).__new__(type(error), *error.args)
    twin.__dict__.update(error.__dict__)
    twin.__cause__ = error.__cause__
    return twin
