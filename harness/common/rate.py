"""How often something was so, and how much that says if it was tried a few times only."""

import math
from dataclasses import dataclass

_Z = 1.96  # standard deviations: 95 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How often something was so: `count` times, of so many."""

    count: int
    of: int

    def bounds(self) -> tuple[float, float]:
        """Return between which shares the true rate is, 95 % sure: Wilson's score interval.

        Source: Wilson, Probable inference, the law of succession, and statistical inference (1927).
        """
        if self.of == 0:
            return 0.0, 1.0
        share, per_try = self.count / self.of, _Z**2 / self.of
        middle = share + per_try / 2
        spread = _Z * math.sqrt((share * (1 - share) + per_try / 4) / self.of)
        low, high = (middle - spread) / (1 + per_try), (middle + spread) / (1 + per_try)
        return max(0.0, low), min(1.0, high)

    def __str__(self) -> str:
        """Return `9 of 10 (60 to 98 %)`; of a single try no bounds, since they say nothing."""
        if self.of < 2:
            return f"{self.count} of {self.of}"
        low, high = self.bounds()
        return f"{self.count} of {self.of} ({100 * low:.0f} to {100 * high:.0f} %)"
