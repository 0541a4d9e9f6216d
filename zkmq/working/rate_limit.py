"""A limit on how many items a worker takes in a second."""

# After a pause, what was not taken may be taken at once: this part of a second's worth.
BURST_S = 0.05


class RateLimit:
    """A token bucket: one token for each item. Not thread-safe.

    `at_once` items may be taken together, whatever the rate is. Times are on the store's clock.
    """

    def __init__(self, rate_hz: float, at_once: int) -> None:
        self._rate_hz = rate_hz
        self._most = max(float(at_once), rate_hz * BURST_S)
        self._tokens = self._most
        self._counted_s = float("-inf")

    def room(self, now_s: float) -> int:
        """How many items may be taken now."""
        self._tokens = min(self._most, self._tokens + (now_s - self._counted_s) * self._rate_hz)
        self._counted_s = now_s
        return int(self._tokens + 1e-9)

    def take(self, count: int) -> None:
        """Note that items were taken, even if they are more than there was room for."""
        self._tokens -= count

    def next_s(self) -> float:
        """When there is room for one item."""
        return self._counted_s + max(0.0, 1.0 - self._tokens) / self._rate_hz
