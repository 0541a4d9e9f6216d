"""Calls whose outcome is unknown, and how each caller gets the outcome of its own call later."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


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


@dataclass(slots=True, eq=False)
class Write:
    """One operation of a call: its name, its number of items, and its outcome once that is known.

    Only the first outcome counts, so a caller that may have settled it before can settle it again.
    """

    label: str
    items: int = 1
    settled: Settled | None = None

    def settle(self, *, took_effect: bool | None, zxid: int | None = None) -> None:
        """Tell the outcome; None if it can never be known."""
        if self.settled is None:
            self.settled = Settled(self.label, took_effect, zxid, self.items)


class Doubt:
    """One call whose outcome is unknown, and with it the outcomes of its writes.

    The writer settles what it has in doubt before its next operation, or when a caller asks. A
    write without an outcome after that was never sent. Any thread may `resolve`.

    Attributes:
        is_told: whether a caller got the outcomes.

    Args:
        writes: in the order in which they are sent.
        ask: is called with this doubt, to settle what the writer has in doubt. Blocks until that
            is done, or raises an OutcomeUnknownError with this doubt.
    """

    def __init__(self, writes: Sequence[Write], ask: "Ask") -> None:
        self._writes = tuple(writes)
        self._ask = ask
        self.is_told = False

    @classmethod
    def for_ever(cls, label: str, items: int = 1) -> "Doubt":
        """A call whose outcome can never be known."""
        write = Write(label, items)
        write.settle(took_effect=None)
        return cls([write], lambda _: None)

    def after(self, known: Settled) -> "Doubt":
        """The same call with one write more, which came before these and took effect."""
        write = Write(known.label, known.items, known)
        return Doubt([write, *self._writes], self._ask)

    @property
    def label(self) -> str:
        """The name of the operation."""
        return self._writes[0].label if self._writes else "call"

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many items each write is about."""
        return tuple(write.items for write in self._writes)

    @property
    def answer(self) -> Settled | None:
        """The outcome of the first write; None if it is not known yet."""
        return self._writes[0].settled if self._writes else None

    def settle(self, *, took_effect: bool | None, zxid: int | None = None) -> None:
        """Tell the outcome of all writes that have none."""
        for write in self._writes:
            write.settle(took_effect=took_effect, zxid=zxid)

    def resolve(self) -> tuple[Settled, ...]:
        """Wait for the outcomes, one for each write that was sent. Later calls return the same.

        Raises:
            OutcomeUnknownError: still no answer before the deadline.
            ClosedError: the queue was closed before there was one.
        """
        if not self.is_told and any(write.settled is None for write in self._writes):
            self._ask(self)
        told = tuple(write.settled for write in self._writes if write.settled is not None)
        self.is_told = True  # last, because a signal's handler may raise until here
        return told


Ask = Callable[[Doubt], None]
