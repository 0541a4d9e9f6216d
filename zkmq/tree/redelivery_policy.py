"""Where an item goes when a consumer gives it back or dies. Each registration holds its policy."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from zkmq.tree import envelope
from zkmq.tree.item import Hold, Item
from zkmq.tree.json_object import decode_object


@dataclass(frozen=True, slots=True)
class RedeliveryPolicy:
    """A consumer's choice of where its items go.

    Attributes:
        on_crash: where items go if the consumer dies: "requeue" to their old places, or "partial",
            put aside as by the original.
        max_deliveries: an item that was delivered this often and comes back becomes a dead letter.
    """

    on_crash: str = "requeue"
    max_deliveries: int | None = None

    @classmethod
    def decode(cls, data: bytes) -> "RedeliveryPolicy":
        """Decode the policy in a registration. The original's registrations have none."""
        known = decode_object(data) or {}
        most = known.get("max_deliveries")
        return cls(
            "partial" if known.get("on_crash") == "partial" else "requeue",
            most if type(most) is int and most > 0 else None,
        )

    def encode(self, **about: Any) -> str:
        """Encode a registration: the policy, and what the client says `about` itself."""
        return json.dumps(asdict(self) | about)

    def place(self, header: envelope.Header) -> str:
        """Where an item goes that its consumer gives back: "items" or "dead"."""
        often = counted_deliveries(header)
        return "dead" if self.max_deliveries and often >= self.max_deliveries else "items"

    def place_after_crash(self, header: envelope.Header) -> str:
        """Where an item of a dead consumer goes: "items", "partial" or "dead"."""
        place = self.place(header)
        return "partial" if place == "items" and self.on_crash == "partial" else place


def counted_deliveries(header: envelope.Header) -> int:
    """How many deliveries of an item count; while it is held, this one too."""
    often: int = header.get("deliveries", 0) - header.get("forgiven", 0)
    return often


@contextmanager
def uncounted(items: Sequence[Item]) -> Iterator[None]:
    """Give items back in the block so that their deliveries do not count."""
    for item in items:
        item.header["forgiven"] = item.header.get("forgiven", 0) + 1
    try:
        yield
    finally:
        for item in items:
            if item.hold is Hold.HELD:
                item.header["forgiven"] -= 1
