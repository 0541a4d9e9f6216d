"""The queue's errors, each saying whether the call certainly took no effect.

ZkmqError                       definite = False: may have taken effect, or may yet
├── OutcomeUnknownError         no answer before the deadline; its own `resolve()` can settle it
│   └── AckUnknownError         the session ended with the operation in doubt: never known
├── PartlyPutError              put_many: some are put, the others certainly not
└── NotAppliedError             definite = True: certainly took no effect
    ├── BadArgumentError        a value this queue cannot take
    │   ├── BadPriorityError
    │   └── ValueTooLargeError
    ├── NotHeldError            the item is not, or no longer, held by this consumer
    │   └── ConsumerLostError   because the consumer's session ended
    ├── QueueFullError
    ├── ClosedError
    ├── NoQuorumError           no server answered before the deadline
    ├── AccessDeniedError
    ├── ServerRefusedError      by a rule of the servers: a quota, a throttle; `code` is theirs
    ├── ClientsTooOldError      the tree is not raised: some who use it are too old
    └── IncompatibleTreeError   the tree is not a queue's, or
        └── OutdatedClientError was raised to a version that this client is too old for
"""

from typing import Any

from zkmq.doubt import Doubt, Settled


class ZkmqError(Exception):
    """Root of what this package raises; unmarked means unknown, the safe side."""

    definite = False


class OutcomeUnknownError(ZkmqError):
    """No answer before the deadline: the operation may have taken effect, or may yet.

    Attributes:
        applied: of `put_many`, what is known to be put all the same, from the first item on.
        doubtful: of `put_many`, how many items after these are in doubt; those behind them are
            certainly not put.
        doubt: the call that raised this; None if nothing can tell what became of it.
    """

    applied: tuple[object, ...] = ()
    doubtful: int = 1
    doubt: Doubt | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the doubt behind: only the process whose call it was can settle it."""
        about = {name: value for name, value in self.__dict__.items() if name != "doubt"}
        return type(self), self.args, about

    def resolve(self) -> tuple[Settled, ...]:
        """Say what became of the call that raised this; any thread may ask, and again.

        One answer for each write that was in doubt, in their order. What has not taken effect by
        now never will. `took_effect` is None where nothing can tell any more.

        Raises:
            OutcomeUnknownError: still no answer before the deadline.
            ClosedError: the queue was closed before there was one.
        """
        return (self.doubt or Doubt.for_ever("call")).resolve()

    def tell(self, applied: tuple[object, ...], doubtful: int, count: int) -> None:
        """Say of a put of `count` items which of them are put, in doubt, and certainly not."""
        self.applied, self.doubtful = applied, doubtful
        if count > 1:
            rest = count - len(applied) - doubtful
            told = (
                f"put_many: of {count} items the first {len(applied)} are put, the next "
                f"{doubtful} in doubt, which `error.resolve()` can settle, and the last {rest} "
                f"certainly not; {self}"
            )
            self.args = (told,)


class AckUnknownError(OutcomeUnknownError):
    """The session ended with the operation in doubt: it took effect before that, or never will."""


class PartlyPutError(ZkmqError):
    """Some items of a `put_many` are put, `applied`, and the others certainly not."""

    def __init__(self, applied: tuple[object, ...], count: int, cause: Exception) -> None:
        super().__init__(f"put_many: {len(applied)} of {count} are put; then: {cause}")
        self.applied = applied


class NotAppliedError(ZkmqError):
    """The call certainly took no effect."""

    definite = True


class BadArgumentError(NotAppliedError):
    """A value outside what the call takes; nothing was sent."""


class BadPriorityError(BadArgumentError):
    """A priority outside 0 to 999."""

    def __init__(self, priority: object) -> None:
        super().__init__(f"put: priority: expected an integer from 0 to 999, got {priority!r}")


class ValueTooLargeError(BadArgumentError):
    """A value that no single request can carry."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"put: data: expected at most {limit} bytes, got {size}; "
            "store large values elsewhere and put a reference"
        )


class NotHeldError(NotAppliedError):
    """The item is not, or no longer, held by this consumer."""


class ConsumerLostError(NotHeldError):
    """The session that held the items ended; they go, or went, to other consumers."""


class QueueFullError(NotAppliedError):
    """The backlog reached `max_items`."""


class ClosedError(NotAppliedError):
    """The queue was closed by this process."""


class NoQuorumError(NotAppliedError):
    """No server answered before the deadline."""


class AccessDeniedError(NotAppliedError):
    """The servers refused these credentials."""


class ServerRefusedError(NotAppliedError):
    """The servers refused for a reason of their own, such as a quota.

    Attributes:
        code: ZooKeeper's number for it; 0 if it gave none.
    """

    def __init__(self, what: str, code: int, name: str) -> None:
        super().__init__(f"{what}: the servers refused with error {code} ({name})")
        self.code = code


class IncompatibleTreeError(NotAppliedError):
    """The tree was made for other versions of zkmq, or is not a queue."""


class OutdatedClientError(IncompatibleTreeError):
    """The tree has been raised to a version of zkmq that this client is too old for."""


class ClientsTooOldError(NotAppliedError):
    """The tree is not raised, because some who use it could not go on.

    Attributes:
        clients: they, for people.
    """

    def __init__(self, least: int, clients: tuple[str, ...]) -> None:
        super().__init__(
            f"upgrade: expected every client at version {least} or later, got {len(clients)} "
            f"older: {'; '.join(clients)}; restart them with the new release, or force it: "
            "then they stop with an error, and nothing is lost"
        )
        self.clients = clients
