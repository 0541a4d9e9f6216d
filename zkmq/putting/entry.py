"""One item to put: a payload with its priority and options, checked before anything is sent."""

import hashlib
from dataclasses import dataclass

from zkmq import checks
from zkmq.errors import BadArgumentError, BadPriorityError, ValueTooLargeError
from zkmq.tree import envelope, item_names

# A request can have 1,048,575 bytes. The rest is for paths, headers and the claim.
MAX_VALUE_BYTES = 1_000_000
MAX_ID = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One item to put.

    Attributes:
        data: the payload.
        priority: 0, the most urgent, to 999.
        delay_s: deliver it no earlier than this long after the put, by the servers' clock.
        ttr_s: how long a consumer may hold it without `touch`; None is for ever.
        dedup_id: within an hour, a second put with the same id puts nothing, from any client.
    """

    data: bytes
    priority: int = 100
    delay_s: float = 0.0
    ttr_s: float | None = None
    dedup_id: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.data, bytes):
            raise BadArgumentError(f"put: data: expected bytes, got {type(self.data).__name__}")
        if len(self.data) > MAX_VALUE_BYTES:
            raise ValueTooLargeError(len(self.data), MAX_VALUE_BYTES)
        if type(self.priority) is not int or not 0 <= self.priority <= item_names.MAX_PRIORITY:
            raise BadPriorityError(self.priority)
        checks.seconds("put: delay_s", self.delay_s)
        if self.ttr_s is not None:
            checks.seconds("put: ttr_s", self.ttr_s, zero=False)
        if self.dedup_id is not None:
            checks.text("put: dedup_id", self.dedup_id, MAX_ID, least=1)

    @property
    def envelope(self) -> bytes:
        """The data of the item's node: header and payload."""
        header: envelope.Header = {}
        if self.ttr_s is not None:
            header["ttr_s"] = self.ttr_s
        if self.delay_s:
            header |= {"delay_s": self.delay_s, "priority": self.priority}
        return envelope.wrap(self.data, header)

    @property
    def dedup_hash(self) -> str:
        """The SHA-256 of the id, which is a valid name for a node."""
        assert self.dedup_id is not None
        return hashlib.sha256(self.dedup_id.encode()).hexdigest()
