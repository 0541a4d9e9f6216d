"""What becomes of an item that comes back: each consumer says so in its registration."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from zkmq.tree import envelope


@dataclass(frozen=True, slots=True)
class RedeliveryPolicy:
    """What a consumer wants to be done with its items.

    Attributes:
        on_crash: "requeue" to the old place, or "partial", put aside as by the original.
        max_deliveries: one that was delivered so often and comes back is dead instead.
    """

    on_crash: str = "requeue"
    max_deliveries: int | None = None

    @classmethod
    def decode(cls, data: bytes) -> "RedeliveryPolicy":
        """Read it from a registration; the original's registrations have none."""
        try:
            value = json.loads(data or b"{}")
        except (ValueError, RecursionError):
            value = {}
        known: dict[str, Any] = value if isinstance(value, dict) else {}
        most = known.get("max_deliveries")
        return cls(
            "partial" if known.get("on_crash") == "partial" else "requeue",
            most if type(most) is int and most > 0 else None,
        )

    def encode(self, **about: Any) -> str:
        """Write it into a registration, with what people may want to know."""
        return json.dumps(asdict(self) | about)

    def place(self, header: envelope.Header) -> str:
        """Where an item that is given back goes: "items" or "dead"."""
        often: int = header.get("deliveries", 0) - header.get("forgiven", 0)
        return "dead" if self.max_deliveries and often >= self.max_deliveries else "items"

    def place_after_crash(self, header: envelope.Header) -> str:
        """Where an item of a dead consumer goes: "items", "partial" or "dead"."""
        place = self.place(header)
        return "partial" if place == "items" and self.on_crash == "partial" else place
