"""Which keys of a schedule go together: a key that would change nothing is refused."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from harness.scenario.schema import FaultEntry, Scenario

Complaint = tuple[Sequence[str | int], str]

COUNTED = frozenset({"acknowledged", "invoked", "event"})
"""Triggers that come again and again, so that `times` can repeat what waits for them."""
TAKEN_OVER = frozenset({"cut", "loss"})
"""Slots of rules that are in force on all nodes: a new one takes the old one's place at once."""


def trigger_of(entry: FaultEntry) -> str:
    """Return what an entry waits for: a key of `at`, `time`, `after`, `weight`, or `order`."""
    if entry.at is not None and entry.at.elapsed_s is None:
        return next(iter(entry.at.model_dump(exclude_none=True)))
    if entry.after is not None:
        return "after"
    if entry.weight is not None:
        return "weight"
    return "order" if entry.sequential else "time"


def complaints(scenario: Scenario) -> Iterator[Complaint]:
    """Give each key that would be read and then change nothing, and what to do about it."""
    by_label = defaultdict[str, list[FaultEntry]](list)
    for entry in (entry for phase in scenario.phases for entry in phase.faults):
        by_label[entry.label].append(entry)
    for number, phase in enumerate(scenario.phases):
        if phase.mix_s is not None and all(entry.weight is None for entry in phase.faults):
            yield ("phases", number, "mix_s"), "expected a fault with `weight` beside it, got none"
        for place, entry in enumerate(phase.faults):
            for key, what in _of_entry(entry):
                yield ("phases", number, "faults", place, key), what
            if entry.replaces is None:
                continue
            meant = [other for other in by_label[entry.replaces] if other is not entry]
            if (told := _of_replaces(entry, meant)) is not None:
                yield ("phases", number, "faults", place, "replaces"), told


def _of_entry(entry: FaultEntry) -> Iterator[tuple[str, str]]:
    trigger = trigger_of(entry)
    if entry.every_s is not None and trigger != "time":
        instead = "; `times` repeats it" if trigger in COUNTED else ""
        yield "every_s", f"expected it beside a time, got it beside {_told(trigger)}{instead}"
    if entry.times is not None and (told := _of_times(entry, trigger)) is not None:
        yield "times", told
    if entry.jitter_s and trigger == "weight":
        yield "jitter_s", "expected none beside weight, whose times are random"
    if entry.fault is not None and not entry.fault.lasting:
        over = f"expected none, since {entry.kind!r} is over at once and leaves nothing to heal"
        for key in ("down_s", "for_s", "heal"):
            if getattr(entry, key) is not None:
                yield key, over


def _of_times(entry: FaultEntry, trigger: str) -> str | None:
    if trigger in COUNTED:
        stays = entry.fault is not None and entry.fault.lasting and entry.hold_s is None
        more = entry.times is not None and entry.times > 1
        return "expected down_s or for_s beside it, got none" if stays and more else None
    if trigger == "time":
        return None if entry.every_s is not None else "expected every_s beside it, got none"
    known = ", ".join(sorted(COUNTED))
    return f"expected it beside every_s or `at` ({known}), got it beside {_told(trigger)}"


def _of_replaces(entry: FaultEntry, meant: Sequence[FaultEntry]) -> str | None:
    """Refuse to replace what stays in force behind it: that would be called healed."""
    slot = None if entry.fault is None else entry.fault.slot
    if slot not in TAKEN_OVER:
        return f"expected it beside a {' or '.join(sorted(TAKEN_OVER))} fault, got {entry.kind!r}"
    wrong = [e.kind for e in meant if e.fault is None or e.fault.slot != slot]
    return f"expected another {slot!r} fault, got {wrong[0]!r}" if wrong else None


def _told(trigger: str) -> str:
    return "nothing else" if trigger == "order" else trigger
