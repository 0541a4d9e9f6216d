"""Calls whose outcome is unknown, and how each of them is told its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an operation whose outcome was unknown.

    `took_effect` is None when nothing can tell any more: its ticket is gone. `zxid` is that of
    the operation, where it took effect and is known. `items` is how many it put, took or ended.
    """

    label: str
    took_effect: bool | None
    zxid: int | None
    items: int = 1


class Doubt:
    """One call whose outcome is unknown: an answer for each of its writes, once there is one.

    The writer settles its ticket before it uses it again, whoever calls; that is when the answers
    come in, in the order of the writes. Any thread may `resolve`.

    Args:
        label: what was asked for.
        sizes: of each write, how many items it had.
        ask: settles what the writer has in doubt, and blocks until it is.
    """

    def __init__(self, label: str, sizes: Sequence[int], ask: Callable[[], None]) -> None:
        self.label = label
        self._sizes = tuple(sizes)
        self._answers: list[Settled] = []
        self._ask = ask

    @classmethod
    def for_ever(cls, label: str, sizes: Sequence[int] = (1,)) -> "Doubt":
        """A call of which nothing can tell any more."""
        doubt = cls(label, sizes, lambda: None)
        doubt.give_up()
        return doubt

    @property
    def left(self) -> int:
        """How many answers are missing."""
        return len(self._sizes) - len(self._answers)

    @property
    def is_open(self) -> bool:
        """Whether an answer is missing."""
        return self.left > 0

    @property
    def answer(self) -> Settled | None:
        """The first write's, if it has come."""
        return self._answers[0] if self._answers else None

    def settle(self, settled: Settled) -> None:
        """Take note of what became of the next write; of none if all are answered."""
        if self.is_open:
            self._answers.append(replace(settled, items=self._sizes[len(self._answers)]))

    def give_up(self) -> None:
        """Take note that nothing can tell of the writes that are left."""
        while self.is_open:
            self.settle(Settled(self.label, None, None))

    def resolve(self) -> tuple[Settled, ...]:
        """Wait for the answers, one for each write; they stay the same for ever.

        Raises:
            OutcomeUnknownError: still no answer before the deadline.
            ClosedError: the queue was closed before there was one.
        """
        if self.is_open:
            self._ask()
        return tuple(self._answers)
