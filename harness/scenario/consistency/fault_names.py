"""Names of the entries of `faults`: each is unique in the whole scenario."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import count

from harness.scenario.schema import Complaint, FaultEntry, Scenario


def unique(scenario: Scenario) -> Scenario:
    """Return the scenario with numbered names where entries share a label: kill, kill-2, kill-3.

    An entry draws its random numbers by its name, and results report it by that name.
    """
    taken = {entry.name for entry in scenario.fault_entries}
    tries: dict[str, Iterator[str]] = {}  # goes on where it was: a name is tried once
    phases = [
        phase.model_copy(update={"faults": [_named(entry, taken, tries) for entry in phase.faults]})
        for phase in scenario.phases
    ]
    return scenario.model_copy(update={"phases": phases})


def complaints(scenario: Scenario) -> Iterator[Complaint]:
    """Yield names that two entries have, and references that more than one entry answers to."""
    named = Counter(entry.name for entry in scenario.fault_entries if entry.name is not None)
    everywhere = _labels(scenario.fault_entries)
    for number, phase in enumerate(scenario.phases):
        above, here = Counter[str](), Counter(entry.label for entry in phase.faults)
        for place, entry in enumerate(phase.faults):
            where = ("phases", number, "faults", place)
            if entry.name is not None and named[entry.name] > 1:
                yield (*where, "name"), f"expected a name of its own, got {entry.name!r} again"
            elif entry.weight is not None and here[entry.label] > 1:
                # Its number, and with it all that it draws, would change when the other one goes.
                told = f"expected a name of its own beside weight, got {entry.label!r}"
                yield (*where, "name"), told
            for key, known in (
                ("after", above),
                ("replaces", everywhere),
                ("heal", everywhere),
            ):
                meant = getattr(entry, key)
                if known[meant] > 1:
                    yield (*where, key), _ambiguous(meant, known[meant])
            above.update(_labels([entry]))


def _ambiguous(meant: str, number: int) -> str:
    return f"expected a name that one fault has, got {meant!r}: {number} have it; give each a name"


def _named(
    entry: FaultEntry, taken: Collection[str | None], tries: dict[str, Iterator[str]]
) -> FaultEntry:
    if entry.name is not None:
        return entry
    names = tries.setdefault(entry.kind, _names(entry.kind))
    name = next(label for label in names if label not in taken)
    return entry if name == entry.kind else entry.model_copy(update={"name": name})


def _names(kind: str) -> Iterator[str]:
    return (kind if number == 1 else f"{kind}-{number}" for number in count(1))


def _labels(entries: Iterable[FaultEntry]) -> Counter[str]:
    return Counter(entry.label for entry in entries if entry.fault is not None)
