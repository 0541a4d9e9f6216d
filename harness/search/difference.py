"""What a smaller scenario lacks, in plain words: `without the second partition`."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.scenario.schedule import Schedule
from harness.search.shrink import Data

SHOWN = 3
_SCHEDULE = frozenset(Schedule.model_fields)
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")


def change(before: Data, after: Data) -> str:
    """Return what a candidate changes, in one line; `as it is` for nothing."""
    told = list(dict.fromkeys(_changes(before, after)))
    more = f" and {len(told) - SHOWN} other changes" if len(told) > SHOWN else ""
    return ", ".join(told[:SHOWN]) + more if told else "as it is"


def _changes(before: Data, after: Data) -> Iterator[str]:
    phases, left = before["phases"], after["phases"]
    if not _faults(left) and _faults(phases):
        yield "without any fault"
        if len(phases) == len(left):
            phases = [{k: v for k, v in phase.items() if k != "faults"} for phase in phases]
    if len(phases) != len(left):
        gone = _gone(phases, left)
        yield from (f"without phase {number + 1}" for number in gone)
        phases = [phase for number, phase in enumerate(phases) if number not in gone]
    for old, new in zip(phases, left, strict=False):
        for kind in ("faults", "workload"):
            yield from _of_entries(before, old.get(kind, []), new.get(kind, []))
        yield from _of_keys("", _rest(old, {"faults", "workload"}), _rest(new, set()))
    yield from _of_keys("", _rest(before, {"phases"}), after)


def _of_entries(whole: Data, old: Sequence[Data], new: Sequence[Data]) -> Iterator[str]:
    gone = _gone(old, new) if len(old) != len(new) else set()
    yield from (f"without {_which(whole, old[place])}" for place in sorted(gone))
    stayed = [entry for place, entry in enumerate(old) if place not in gone]
    for one, other in zip(stayed, new, strict=False):
        what = _which(whole, one)
        yield from _of_keys(what, _flat(one), _flat(other))


def _of_keys(of: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    owner = f" of {of}" if of else ""
    for key, value in old.items():
        if isinstance(value, dict):
            now = new.get(key)
            yield from _of_keys(of or key, value, now if isinstance(now, dict) else {})
        elif key not in new:
            yield f"without {key}{owner}"
        elif new[key] != value:
            yield f"with {key} {new[key]} instead of {value}{owner}"


def _gone(old: Sequence[Data], new: Sequence[Data]) -> set[int]:
    """Return the places of those that are gone; equal ones are matched first."""
    texts = [[json.dumps(each, sort_keys=True) for each in entries] for entries in (old, new)]
    matcher = difflib.SequenceMatcher(a=texts[0], b=texts[1], autojunk=False)
    missing = [
        place
        for tag, start, end, *_ in matcher.get_opcodes()
        if tag in {"delete", "replace"}
        for place in range(start, end)
    ]
    return set(missing[: len(old) - len(new)])


def _which(whole: Data, entry: Data) -> str:
    """Return `the kill`, or `the second kill` of several."""
    kind = _kind(entry)
    alike = [
        each
        for phase in whole["phases"]
        for each in (*phase.get("faults", []), *phase.get("workload", []))
        if _kind(each) == kind
    ]
    if len(alike) < 2:
        return f"the {kind}"
    place = next(number for number, each in enumerate(alike) if each is entry or each == entry)
    return f"the {_ORDINALS[place] if place < len(_ORDINALS) else f'{place + 1}th'} {kind}"


def _kind(entry: Mapping[str, Any]) -> str:
    return next((key for key in entry if key not in _SCHEDULE), "heal")


def _flat(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry's settings beside its schedule."""
    inner = entry.get(_kind(entry))
    settings = inner if isinstance(inner, dict) else {}
    return {**{key: value for key, value in entry.items() if key in _SCHEDULE}, **settings}


def _faults(phases: Sequence[Data]) -> int:
    return sum(len(phase.get("faults", [])) for phase in phases)


def _rest(mapping: Mapping[str, Any], without: set[str]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key not in without}
