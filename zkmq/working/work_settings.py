"""How a worker works: how many items at once, how it retries, when it ends."""

import math
from dataclasses import dataclass
from random import Random, uniform
from typing import Any, Self

from zkmq import checks
from zkmq.errors import BadArgumentError
from zkmq.taking.reserve import MAX_BATCH

MAX_CONCURRENCY = 1000
MAX_PREFETCH = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkSettings:
    """The settings of `Queue.work` and `Queue.consume`.

    Attributes:
        concurrency: how many handlers run at once.
        prefetch: how many more items the worker holds, so that a handler that is free need not
            wait for the servers; None is as many as the handlers work on at once.
        batch: the handler gets a list of up to this many jobs; None: it gets one job.
        retry_s: how long a failed item stays away after its first failure; doubles each time.
        retry_most_s: the longest such time. Each time is shortened at random by up to a half, so
            that items that failed together do not come back together.
        rate_hz: how many items the worker takes in a second at most; None is no limit.
        time_limit_s: how long a handler may run. Then its items count as failed, `lost` is set, and
            they go to others. The handler is not ended; it keeps its place until it returns.
        idle_s: stop when no item came for this long; by default never.
        stop_within_s: how long a stop waits for running handlers before their items go back.
    """

    concurrency: int = 1
    prefetch: int | None = None
    batch: int | None = None
    retry_s: float = 1.0
    retry_most_s: float = 300.0
    rate_hz: float | None = None
    time_limit_s: float = math.inf
    idle_s: float = math.inf
    stop_within_s: float = 30.0

    def __post_init__(self) -> None:
        checks.number("work: concurrency", self.concurrency, 1, MAX_CONCURRENCY)
        if self.prefetch is not None:
            checks.number("work: prefetch", self.prefetch, 0, MAX_PREFETCH)
        if self.batch is not None:
            checks.number("work: batch", self.batch, 1, MAX_BATCH)
        if self.rate_hz is not None:
            checks.rate("work: rate_hz", self.rate_hz)
        for name in ("retry_s", "retry_most_s", "stop_within_s"):
            checks.seconds(f"work: {name}", getattr(self, name))
        for name in ("time_limit_s", "idle_s"):
            checks.seconds(f"work: {name}", getattr(self, name), endless=True)

    @classmethod
    def of_loop(cls, **settings: Any) -> Self:
        """The settings of `consume`, whose one handler is the body of the caller's loop.

        Raises:
            BadArgumentError: one is not accepted, or is of handlers.
        """
        for name in ("concurrency", "batch"):
            if name in settings:
                raise BadArgumentError(f"consume: {name}: expected none, the loop is the handler")
        return cls(**settings)

    @property
    def capacity(self) -> int:
        """How many items the worker holds at most."""
        at_once = self.concurrency * (self.batch or 1)
        return at_once + (at_once if self.prefetch is None else self.prefetch)

    def delay_s(self, failures: int, rng: Random | None = None) -> float:
        """How long an item stays away after it failed this often."""
        draw = uniform if rng is None else rng.uniform
        doublings = min(failures - 1, 60)
        return min(self.retry_most_s, self.retry_s * 2.0**doublings) * draw(0.5, 1.0)
