"""The run's clock: nanoseconds since the run's start on CLOCK_MONOTONIC, one for all processes.

Faults move the wall clock, so nothing else in the harness reads a clock. CLOCK_MONOTONIC is the
same for every process of a machine: a worker gets the origin and its stamps compare.
"""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

NS_PER_S = 1_000_000_000
STAMP = "%Y%m%dT%H%M%S.%f"


@dataclass(frozen=True, slots=True)
class Clock:
    """Time since `origin_ns` of the monotonic clock."""

    origin_ns: int = field(default_factory=time.monotonic_ns)

    def now_ns(self) -> int:
        """Return the nanoseconds since the run's start."""
        return time.monotonic_ns() - self.origin_ns

    def now_s(self) -> float:
        """Return the seconds since the run's start."""
        return self.now_ns() / NS_PER_S

    def sleep_until_s(self, when_s: float) -> None:
        """Sleep until that many seconds after the run's start; at once if it has passed."""
        time.sleep(max(0.0, when_s - self.now_s()))


def utc_stamp() -> str:
    """Return the wall clock's UTC time to the millisecond: for a run's name and to place logs."""
    return datetime.now(UTC).strftime(STAMP)[:-3] + "Z"


def moment(stamp: object) -> datetime | None:
    """Return when `utc_stamp` was asked for this; None if it never said so."""
    try:
        return datetime.strptime(str(stamp), f"{STAMP}%z")
    except ValueError:
        return None
