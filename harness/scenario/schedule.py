"""When faults are injected and healed: triggers, times and repetitions, as pydantic models."""

import re
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from harness.common.settings.failpoint_list import FailpointName
from harness.common.settings.setting_types import Count, Positive, Seconds, Strict, refuse

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=100)]
T = TypeVar("T")


class LogLine(Strict):
    """A line that a server writes: the node (a role, a bound name or a number), and a pattern."""

    node: str | int
    """Whose log: a role, a name of `bind` or a number."""
    pattern: Annotated[str, Field(max_length=1000)]
    """A regular expression that a line has to contain."""

    @field_validator("pattern")
    @classmethod
    def _pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"expected a regular expression, got {pattern!r}: {error}") from None
        return pattern


class AtFailpoint(Strict):
    """A point of a server's code; the thread waits there until the fault is injected."""

    node: str | int
    """Whose code: a role, a name of `bind` or a number, resolved when the phase begins."""
    point: FailpointName
    """Where, such as `Learner.syncWithLeader:setCurrentEpoch:after`."""
    nth: Count = 1
    """Which thread that comes there, counted from the start of the phase."""


class Trigger(Strict):
    """When to inject: exactly one condition, counted from the start of the phase."""

    elapsed_s: Seconds | None = None
    """At that time of the phase."""
    acknowledged: Count | None = None
    """After so many puts of the phase were acknowledged."""
    invoked: Count | None = None
    """After so many puts of the phase were begun."""
    event: Literal["leader-elected"] | None = None
    """After an election that ended with a leader."""
    log: LogLine | None = None
    """When a server writes a line that matches."""
    failpoint: AtFailpoint | None = None
    """When a server comes to a point of its code; it waits there until the fault is injected."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        return _exactly_one(self, set(Trigger.model_fields))


class Until(Strict):
    """A mode that a node must reach before the next entry of `faults` may begin."""

    node: str | int
    """Which node: a role, a name of `bind` or a number."""
    mode: Literal["serving", "leader", "follower", "observer", "looking", "down"]
    """The mode that it has to reach; `serving` is any that answers clients."""
    within_s: Seconds = 60.0
    """How long to wait; then the run ends with 255."""


class Schedule(Strict):
    """When an entry of `faults` is injected and healed, and how often."""

    name: Name | None = None
    """What other entries call it; by default its kind, numbered from the second on."""
    at: Trigger | None = None
    """What it waits for, counted from the start of the phase."""
    after: Name | None = None
    """The entry above it that must be over: healed, or injected if it has no duration."""
    first_s: Seconds | None = None
    """When, after every client of the phase has begun its first call."""
    every_s: Positive | None = None
    """Repeat it after so long."""
    times: Count | None = None
    """How often at most; also repeats an entry that waits for a count or an event."""
    jitter_s: Seconds = 0.0
    """Delay each round by up to so long, at random."""
    down_s: Seconds | None = None
    """Heal it after so long; the same as `for_s`."""
    for_s: Seconds | None = None
    """Heal it after so long; the same as `down_s`."""
    heal: str | None = None
    """`never`; of an entry without a fault: the name of the one to heal, or `all`."""
    replaces: Name | None = None
    """The cut or loss whose place it takes, without a moment between them."""
    until: Until | None = None
    """Hold the next entry back until a node has a mode."""
    weight: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """In a phase with `mix_s`: how often at random, beside the weights of the others."""

    @property
    def begin_s(self) -> float | None:
        """Return at which time of the phase it comes first; None if no time says so."""
        elapsed_s = self.at.elapsed_s if self.at is not None else None
        return elapsed_s if self.first_s is None else self.first_s

    @property
    def hold_s(self) -> float | None:
        """Return how long the fault stays; None for the rest of the phase, or for ever."""
        return self.down_s if self.down_s is not None else self.for_s

    @property
    def sequential(self) -> bool:
        """Tell whether the entry has no time of its own, so that it follows the one above it."""
        timed = (self.at, self.after, self.first_s, self.every_s, self.weight)
        return all(when is None for when in timed)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        refuse(self.down_s is not None and self.for_s is not None, "one of down_s and for_s")
        refuse(
            self.hold_s is not None and self.heal is not None, "down_s or for_s, or `heal: never`"
        )
        timed = [w for w in ("at", "after", "first_s", "weight") if getattr(self, w) is not None]
        refuse(len(timed) > 1, f"one of at, after, first_s, weight, got {' and '.join(timed)}")
        refuse(bool(self.weight and self.every_s), "one of weight and every_s")
        return self


def _exactly_one(settings: T, names: set[str]) -> T:
    chosen = sorted(n for n in names if getattr(settings, n) is not None)
    if len(chosen) != 1:
        got = " and ".join(chosen) or "none"
        raise ValueError(f"expected exactly one of {', '.join(sorted(names))}, got {got}")
    return settings
