"""A message of kombu as an item of zkmq: its time to live, and its delay until its ETA."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kombu.utils.json import dumps

from zkmq.putting.entry import Entry

# The shortest time to live: 0 means for AMQP that a consumer has to be waiting.
SHORTEST_S = 0.001


def entry_of(
    message: Mapping[str, Any], *, priority: int, ttl_s: float | None, eta_in_queue: bool
) -> Entry:
    """Make the item; `ttl_s` is the time to live that its queue gives each message.

    Times to live count from the publish, and an item's from the end of its delay.
    """
    delay_s = _until_s((message.get("headers") or {}).get("eta")) if eta_in_queue else 0.0
    expires_s = shortest_s(message["properties"], ttl_s)
    return Entry(
        data=dumps(message).encode(),
        priority=priority,
        delay_s=delay_s,
        expires_s=None if expires_s is None else max(SHORTEST_S, expires_s - delay_s),
    )


def shortest_s(properties: Mapping[str, Any], ttl_s: float | None) -> float | None:
    """The shorter time to live: the message's own, and that of its queue; None if it has none."""
    own_ms = properties.get("expiration")
    if own_ms is None:
        return ttl_s
    return float(own_ms) / 1000 if ttl_s is None else min(ttl_s, float(own_ms) / 1000)


def _until_s(eta: object) -> float:
    """Seconds until an ETA; 0 if it is over, or is none. The worker looks at the ETA again."""
    if not isinstance(eta, str):
        return 0.0
    try:
        due = datetime.fromisoformat(eta)
    except ValueError:
        return 0.0
    if due.tzinfo is None:
        due = due.replace(tzinfo=UTC)
    return max(0.0, (due - datetime.now(tz=UTC)).total_seconds())
