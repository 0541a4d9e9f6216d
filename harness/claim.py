"""What a scenario claims of its run. The checkers judge a history against it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Order = Literal["linearizable", "snapshot", "stale", "window", "unordered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailabilityLimit:
    """A bound on the fraction of 100 ms windows with a success, while one fault lasts."""

    during: str
    max_fraction: float = 1.0
    min_fraction: float = 0.0


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a scenario claims of its run; ownership and accounting are claimed always.

    Attributes:
        order: which order deliveries keep; docs/checkers.md says what each word promises.
        sync: each reserve looks after a sync, so that all counts that was over by then.
        recovery_s: how long an outage may last that a fault, or its heal, begins.
        availability: bounds on the share of time with successes.
        put_aside: the places, `partial` and `dead`, where acknowledged items may be at the end.
        min_acknowledged: the share of the puts tried that must have been acknowledged.
        because: the reason for which the run is to be invalid; None if it is to be valid.
        course: what the run set out to do; None for a history that is no run's.
    """

    order: Order = "snapshot"
    sync: bool = False
    recovery_s: float | None = None
    availability: tuple[AvailabilityLimit, ...] = ()
    put_aside: tuple[str, ...] = ()
    min_acknowledged: float = 0.0
    because: str | None = None
    course: Course | None = None
