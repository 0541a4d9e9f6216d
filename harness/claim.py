"""What a scenario claims of its run. The checkers judge a history against it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from harness.common.settings.setting_types import Fraction, Positive, Strict, refuse

Level = Literal["snapshot", "stale", "window", "linearizable", "unordered"]


class AvailabilityBound(Strict):
    """Bounds on the share of 100 ms windows with a successful call, while a named fault lasts."""

    during: str
    """The name of the fault during which to look."""
    max_fraction: Fraction = 1.0
    """The largest share of 100 ms windows in which a successful call may begin."""
    min_fraction: Fraction = 0.0
    """The smallest share of 100 ms windows in which a successful call must begin."""

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        refuse(self.min_fraction > self.max_fraction, "min_fraction not above max_fraction")
        return self


class Claimed(Strict):
    """The keys of a scenario by which its run is judged."""

    level: Annotated[Level | None, Field(alias="claim")] = None
    """The order that deliveries keep, by which the run is judged. None: the strictest one that
    zkmq keeps with these settings and faults.
    """
    recovery_s: Positive | None = None
    """How long an outage may last that a fault, or its heal, begins."""
    availability: AvailabilityBound | None = None
    """Bounds on the share of time with successful calls while a fault lasts."""
    put_aside: tuple[Literal["partial", "dead"], ...] = ()
    """Where acknowledged items may stand at the end."""
    min_acknowledged: Fraction = 0.5
    """Share of the attempted puts that must succeed; with fewer the run is `unknown`."""
    because: str | None = None
    """With `expect: invalid`: the reason that a checker must give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFault:
    """An entry of the scenario's faults, and what must be told of it.

    Attributes:
        name: what the entry is called; no other one is.
        ids: the injections that were planned of it; none if a mix drew nothing.
        wanted: how many of them must have been installed.
        lasting: whether each must have been healed.
        shows: whether what was observed of an injection shows that it took effect.
    """

    name: str
    ids: tuple[int, ...]
    wanted: int
    lasting: bool
    shows: Callable[[dict[str, Any]], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What a run sets out to do, all of which its history must show.

    Attributes:
        nodes: how many servers there are, from 1.
        phases: how many phases there are, from 0.
        injections: by id the names of planned injections that must have come to an outcome; None
            if the plan cannot be read.
        faults: the entries of the scenario's faults, each with its planned injections.
    """

    nodes: int
    phases: int
    injections: Mapping[int, str] | None
    faults: tuple[PlannedFault, ...] = ()


class Claim(Claimed):
    """What checkers judge a history by; ownership and accounting are claimed always.

    Attributes:
        sync: whether each reserve syncs first, so that it must see all that was over by then.
        course: what the run set out to do; None for a history that is no run's.
    """

    model_config = ConfigDict(populate_by_name=True)

    level: Annotated[Level, Field(alias="claim")] = "snapshot"
    sync: bool = False
    course: Course | None = None
