"""Calls whose outcome is unknown, and how each caller gets the outcome of its own call later."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Settled:
    """The outcome of an operation that was in doubt.

    `took_effect` is None if it can never be known, because the ticket was deleted. `zxid` is that
    of the operation, if it took effect and the zxid is known. `items` is how many items it put,
    took or ended.
    """

    label: str
    took_effect: bool | None
    zxid: int | None
    items: int = 1


class Doubt:
    """One call whose outcome is unknown. It collects an answer for each of its writes.

    The writer settles its ticket before its next operation, or when a caller asks. Then the answers
    come in, in the order of the writes. Any thread may `resolve`.

    Args:
        label: the name of the operation.
        sizes: the number of items of each write.
        ask: settles what the writer has in doubt; blocks until that is done.
    """

    def __init__(self, label: str, sizes: Sequence[int], ask: Callable[[], None]) -> None:
        self.label = label
        self._sizes = tuple(sizes)
        self._answers: list[Settled] = []
        self._ask = ask

    @classmethod
    def for_ever(cls, label: str, sizes: Sequence[int] = (1,)) -> "Doubt":
        """A call whose outcome can never be known."""
        doubt = cls(label, sizes, lambda: None)
        doubt.give_up()
        return doubt

    @property
    def left(self) -> int:
        """The number of missing answers."""
        return len(self._sizes) - len(self._answers)

    @property
    def is_open(self) -> bool:
        """Whether an answer is missing."""
        return self.left > 0

    @property
    def answer(self) -> Settled | None:
        """The answer for the first write; None if it is missing."""
        return self._answers[0] if self._answers else None

    def settle(self, settled: Settled) -> None:
        """Add the outcome of the next write. Ignored if all are answered."""
        if self.is_open:
            self._answers.append(replace(settled, items=self._sizes[len(self._answers)]))

    def give_up(self) -> None:
        """Answer all writes that are left with an outcome that can never be known."""
        while self.is_open:
            self.settle(Settled(self.label, None, None))

    def resolve(self) -> tuple[Settled, ...]:
        """Wait for the answers, one for each write. Later calls return the same.

        Raises:
            OutcomeUnknownError: still no answer before the deadline.
            ClosedError: the queue was closed before there was one.
        """
        if self.is_open:
            self._ask()
        return tuple(self._answers)
