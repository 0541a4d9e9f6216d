"""When each planned injection may be in force, worked out before the run: pure functions."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from harness.faults import Fault
from harness.scenario import plan
from harness.scenario.schema import FaultEntry, Phase, Scenario
from harness.target import Target

Moment = tuple[int, float, int]
"""Phase, seconds, place in the list: entries that follow each other differ by their place only."""
FOR_EVER: Moment = (1 << 31, 0.0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The longest time in which one injection of an entry may be in force; a closed interval.

    Attributes:
        chain: the place of the first entry of its chain of `after`, in which one entry begins
            when the one before is over; None for an entry in no chain.
        certain: whether its time is known, so that overlapping spans surely meet.
    """

    phase: int
    entry: int
    fault: Fault
    label: str
    replaces: str | None
    begin: Moment
    end: Moment
    chain: int | None
    certain: bool


def spans(scenario: Scenario) -> Iterator[Span]:
    """Yield the span of every injection but those of a mix. O(injections)."""
    ends = _ends(scenario)
    for number, phase in enumerate(scenario.phases):
        chains = _chains(phase)
        for place, entry in enumerate(phase.faults):
            if entry.fault is None or entry.weight is not None:
                continue
            for begin_s, end_s in _windows(entry, phase.limit_s):
                end = (number, end_s, place)
                if entry.fault.lasting and entry.hold_s is None:
                    end = ends.get((number, place), FOR_EVER)
                yield Span(
                    phase=number,
                    entry=place,
                    fault=entry.fault,
                    label=entry.label,
                    replaces=entry.replaces,
                    begin=(number, begin_s, place),
                    end=end,
                    chain=chains.get(place),
                    certain=entry.sequential or end_s < float("inf"),
                )


def followed(phase: Phase) -> dict[int, int]:
    """Map each entry with `after` to the entry it follows, if that one ends without a heal."""
    first: dict[str, int] = {}
    found: dict[int, int] = {}
    for place, entry in enumerate(phase.faults):
        before = first.get(entry.after) if entry.after is not None else None
        if before is not None and _ends_itself(phase.faults[before]):
            found[place] = before
        first.setdefault(entry.label, place)
    return found


def _ends_itself(entry: FaultEntry) -> bool:
    return entry.fault is not None and not (entry.fault.lasting and entry.hold_s is None)


def _chains(phase: Phase) -> dict[int, int]:
    """Map each entry of a chain to the first entry of that chain."""
    found: dict[int, int] = {}
    for place, before in followed(phase).items():  # in order: what is followed stands above
        found[place] = found.setdefault(before, before)
    return found


def _windows(entry: FaultEntry, limit_s: float) -> Iterator[tuple[float, float]]:
    """Yield (earliest injection, latest heal) of each round, in seconds of the phase."""
    if entry.sequential:
        yield 0.0, 0.0  # it is over, if it has a duration, before the next of its kind begins
    elif entry.after is not None or (entry.at is not None and entry.at.elapsed_s is None):
        yield 0.0, float("inf")
    else:
        for at_s in plan.rounds(entry, limit_s):
            yield at_s, at_s + entry.jitter_s + (entry.hold_s or 0.0)


def _ends(scenario: Scenario) -> dict[tuple[int, int], Moment]:
    """Return when a later entry ends one that stays: by `heal`, `replaces` or `start`."""
    ends: dict[tuple[int, int], Moment] = {}
    staying = _Staying()
    for number, phase in enumerate(scenario.phases):
        for place, entry in enumerate(phase.faults):
            begin_s = next((begin for begin, _ in _windows(entry, phase.limit_s)), 0.0)
            for key in staying.ended_by(entry):
                ends[key] = (number, begin_s, place - 1)  # before the entry that ends it
            if entry.fault is not None and entry.fault.lasting:
                staying.add((number, place), entry)
    return ends


class _Staying:
    """Entries that nothing has ended yet, indexed by what may end them."""

    def __init__(self) -> None:
        self._open: set[tuple[int, int]] = set()
        self._named: defaultdict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)

    def add(self, key: tuple[int, int], entry: FaultEntry) -> None:
        self._open.add(key)
        for name in (("all",), ("label", entry.label), _hold(entry.kind, entry.fault.target)):
            self._named[name].append(key)

    def ended_by(self, later: FaultEntry) -> set[tuple[int, int]]:
        """Remove and return the entries that a later entry ends."""
        names: list[tuple[str, ...]] = [("label", later.replaces or "")]
        if later.fault is not None:
            names += [_hold(kind, later.fault.target) for kind in later.fault.ends]
        else:
            names = [("all",) if later.heal == "all" else ("label", later.heal or "")]
        ended = {key for name in names for key in self._named.pop(name, [])} & self._open
        self._open -= ended
        return ended


def _hold(kind: str, target: Target) -> tuple[str, str, str]:
    return "hold", kind, repr(target)
