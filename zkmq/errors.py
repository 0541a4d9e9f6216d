"""The queue's errors. Each says whether the call certainly took no effect.

ZkmqError                       definite = False: may have taken effect, or may yet
├── OutcomeUnknownError         no answer before the deadline; call its `resolve()` to find out
│   └── AckUnknownError         the session ended with the operation in doubt: never known
├── PartlyPutError              put_many: some items are put, the others certainly not
└── NotAppliedError             definite = True: certainly took no effect
    ├── BadArgumentError        the call does not accept a value
    │   ├── BadPriorityError
    │   └── ValueTooLargeError
    ├── NotHeldError            the item is not, or no longer, held by this consumer
    │   └── ConsumerLostError   because the consumer's session ended
    ├── ItemHeldError           delete: a consumer holds the item
    ├── QueueFullError
    ├── ClosedError
    ├── NoQuorumError           no server answered before the deadline
    ├── WorkerStuckError        every handler of a worker runs longer than its limit
    ├── AccessDeniedError
    ├── ServerRefusedError      a rule of the servers, such as a quota; `code` is ZooKeeper's
    ├── ClientsTooOldError      upgrade, pause: some clients are too old, and nothing is changed
    └── IncompatibleTreeError   the node at the path is no queue
        └── OutdatedClientError the tree was raised to a version for which this client is too old
"""

from typing import Any

from zkmq.doubt import Doubt, Settled


class ZkmqError(Exception):
    """The root of all errors of this package. By default the outcome is unknown: the safe side."""

    definite = False


class OutcomeUnknownError(ZkmqError):
    """No answer before the deadline: the operation may have taken effect, or may yet.

    Attributes:
        applied: for `put_many`, the `Put`s of the first items, which are certainly put.
        doubtful: for `put_many`, how many items after those are in doubt. Later ones are certainly
            not put.
        doubt: the call that raised this; None if its outcome can never be known.
    """

    applied: tuple[Any, ...] = ()
    doubtful: int = 1
    doubt: Doubt | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the doubt, which only the process of the call can settle."""
        about = {name: value for name, value in self.__dict__.items() if name != "doubt"}
        return type(self), self.args, about

    def resolve(self) -> tuple[Settled, ...]:
        """Find out what became of the call that raised this, from any thread, and repeatedly.

        Returns one answer for each write that was in doubt, in order. A write that has not taken
        effect by now never will. `took_effect` is None if the outcome can never be known.

        Raises:
            OutcomeUnknownError: still no answer before the deadline.
            ClosedError: the queue was closed before there was one.
        """
        return (self.doubt or Doubt.for_ever("call")).resolve()

    def tell(self, applied: tuple[object, ...], doubtful: int, count: int) -> None:
        """Add to the message how many of `count` items are put, in doubt, and certainly not put."""
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
    """Some items of a `put_many` are put, and the others certainly not.

    Attributes:
        applied: the `Put`s of the items that are put, which are the first ones.
    """

    applied: tuple[Any, ...]

    def __init__(self, applied: tuple[object, ...], count: int, cause: Exception) -> None:
        super().__init__(f"put_many: {len(applied)} of {count} are put; then: {cause}")
        self.applied = applied


class NotAppliedError(ZkmqError):
    """The call certainly took no effect."""

    definite = True


class BadArgumentError(NotAppliedError):
    """The call does not accept a value; nothing was sent."""


class BadPriorityError(BadArgumentError):
    """A priority is not an integer from 0 to 999."""

    def __init__(self, priority: object) -> None:
        super().__init__(f"put: priority: expected an integer from 0 to 999, got {priority!r}")


class ValueTooLargeError(BadArgumentError):
    """A payload is too large for a single request."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"put: data: expected at most {limit} bytes, got {size}; "
            "store large values elsewhere and put a reference"
        )


class NotHeldError(NotAppliedError):
    """The item is not, or no longer, held by this consumer."""


class ConsumerLostError(NotHeldError):
    """The session that held the items has ended; they go to other consumers."""


class ItemHeldError(NotAppliedError):
    """A consumer holds the item, so that nobody else may end it."""


class QueueFullError(NotAppliedError):
    """The backlog has reached `max_items`."""


class ClosedError(NotAppliedError):
    """This process closed the queue, or the queue belongs to another process."""


class NoQuorumError(NotAppliedError):
    """No server answered before the deadline."""


class WorkerStuckError(NotAppliedError):
    """Every handler of a worker runs longer than `time_limit_s`, so the worker stopped."""


class AccessDeniedError(NotAppliedError):
    """The servers refused the credentials of this client."""


class ServerRefusedError(NotAppliedError):
    """The servers refused by a rule of their own, such as a quota.

    Attributes:
        code: ZooKeeper's error number; 0 if it gave none.
    """

    def __init__(self, what: str, code: int, name: str) -> None:
        super().__init__(f"{what}: the servers refused with error {code} ({name})")
        self.code = code


class IncompatibleTreeError(NotAppliedError):
    """The node at the path is not the root of a queue, or its data is damaged."""


class OutdatedClientError(IncompatibleTreeError):
    """The tree was raised to a version of zkmq for which this client is too old."""


class ClientsTooOldError(NotAppliedError):
    """The tree was not changed, because some of its clients could not continue, or would not obey.

    Attributes:
        clients: the clients that are too old, described for people.
    """

    def __init__(self, label: str, least: int, clients: tuple[str, ...]) -> None:
        forced = {
            "upgrade": "then they stop with an error, and nothing is lost",
            "pause": "then all others pause, and they go on taking items",
        }
        super().__init__(
            f"{label}: expected every client at version {least} or later, got {len(clients)} "
            f"older: {'; '.join(clients)}; restart them with the new release, or force it: "
            f"{forced[label]}"
        )
        self.clients = clients
