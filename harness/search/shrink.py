"""From a scenario that fails to the smallest one that still does: pure search over its data.

Whole chunks are taken out first (the complements of ddmin), then single parts, then numbers are
lowered, until nothing more can go. Whether a candidate fails is for the caller to say; one that
is no valid scenario any more does not.

Source: Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input (ddmin).
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from harness.scenario.schedule import Schedule

Data = dict[str, Any]
Fails = Callable[[Data], bool]
Path = tuple[str | int, ...]
T = TypeVar("T")

_SCHEDULE = frozenset(Schedule.model_fields)
_KEPT = frozenset({"description", "seed", "expect", "because", "phases", "checkers"})
_MAPPINGS = ("cluster", "bind")  # their keys can go one by one
_LOWERED = ("count", "clients", "batch", "times")
_MORE_WITHOUT = ("count", "times")  # what their default says may be more than any number here
_CLOSE_ENOUGH = 8  # a number is small enough if an eighth less does not fail


def spelled_out(data: Mapping[str, Any], *, seed: int, because: str) -> Data:
    """Return a scenario's data with its phases, its seed, and the failure as what it expects."""
    whole = copy.deepcopy(dict(data))
    if "phases" not in whole:
        phase = {key: whole.pop(key) for key in ("workload", "faults") if key in whole}
        whole["phases"] = [phase]
    return whole | {"seed": seed, "expect": "invalid", "because": because}


def minimize(data: Data, fails: Fails) -> Data:
    """Return data that still fails, and of which nothing more could be taken."""
    while True:
        smaller = data
        for reduce in (
            _without_faults,
            _without_phases,
            _without_entries,
            _without_keys,
            _with_less,
        ):
            smaller = reduce(smaller, fails)
        if smaller == data:
            return data
        data = smaller


def ahead(data: Data, known: Callable[[Data], bool | None], most: int) -> tuple[Data, list[Data]]:
    """Return how far a search gets by what is known, and what it asks next, for several to try.

    What it asks are at most `most` candidates, under the guess that each of them does not fail:
    few do. A wrong guess costs only runs, since the search is made again with what is known then.
    """
    smallest, asked = data, list[Data]()

    def fails(candidate: Data) -> bool:
        nonlocal smallest
        answer = known(candidate)
        if answer is None and candidate not in asked:
            asked.append(candidate)
            if len(asked) == most:
                raise _EnoughError
        if answer and not asked:
            smallest = candidate
        return bool(answer)

    with suppress(_EnoughError):
        minimize(data, fails)
    return smallest, asked


class _EnoughError(Exception):
    """As many candidates as can be tried at once are known."""


def without_parts(parts: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """Return parts that still fail, such that they do not without any single one of them.

    Chunks are tried from half of all down to one, O(n log n) tests where few parts matter.
    """
    kept, size = list(parts), max(1, len(parts) // 2)
    while True:
        before, start = len(kept), 0
        while start < len(kept):
            candidate = kept[:start] + kept[start + size :]
            if fails(candidate):
                kept = candidate
            else:
                start += size
        if size > 1:
            size //= 2
        elif len(kept) == before:
            return kept


def lowest(value: int, fails: Callable[[int], bool]) -> int:
    """Return a number from 1 to `value`, which fails, that fails; about the lowest there is.

    One is tried first: most failures need no more, and then it is all that this costs.
    """
    if value == 1 or fails(1):
        return 1
    passing = 1
    while value - passing > max(1, value // _CLOSE_ENOUGH):
        middle = (value + passing) // 2
        if fails(middle):
            value = middle
        else:
            passing = middle
    return value


def size_of(data: Mapping[str, Any]) -> str:
    """Return how big a scenario is, in words."""
    entries = [entry for phase in data["phases"] for entry in phase.get("faults", [])]
    works = [work for phase in data["phases"] for work in phase.get("workload", [])]
    settings = [inner for work in works for inner in work.values() if isinstance(inner, dict)]
    items = sum(int(inner.get("count", 0)) for inner in settings)
    counts = {
        "fault": len(entries),
        "item": items,
        "workload": len(works),
        "phase": len(data["phases"]),
    }
    return ", ".join(f"{n} {what}{'' if n == 1 else 's'}" for what, n in counts.items())


def _without_faults(data: Data, fails: Fails) -> Data:
    """Take out all faults at once: if it fails without any, that is the first thing to know."""
    phases = [
        {key: value for key, value in phase.items() if key != "faults"} for phase in data["phases"]
    ]
    smaller = _sound(data | {"phases": phases})
    return smaller if smaller != data and fails(smaller) else data


def _without_phases(data: Data, fails: Fails) -> Data:
    def build(phases: Sequence[Data]) -> Data:
        return _sound(data | {"phases": list(phases)})

    return build(without_parts(data["phases"], lambda phases: fails(build(phases))))


def _without_entries(data: Data, fails: Fails) -> Data:
    entries = [
        (number, kind, place)
        for number, phase in enumerate(data["phases"])
        for kind in ("faults", "workload")
        for place in range(len(phase.get(kind, [])))
    ]

    def build(kept: Sequence[tuple[int, str, int]]) -> Data:
        phases = [
            phase
            | {
                kind: [e for place, e in enumerate(phase[kind]) if (number, kind, place) in kept]
                for kind in ("faults", "workload")
                if kind in phase
            }
            for number, phase in enumerate(data["phases"])
        ]
        return _sound(data | {"phases": phases})

    return build(without_parts(entries, lambda kept: fails(build(kept))))


def _without_keys(data: Data, fails: Fails) -> Data:
    """Take out what has a default: settings of entries, and keys of the scenario itself."""
    paths = list(_optional(data))

    def build(kept: Sequence[Path]) -> Data:
        smaller = copy.deepcopy(data)
        for path in paths:
            if path not in kept:
                del _at(smaller, path[:-1])[path[-1]]
        return _sound(smaller)

    return build(without_parts(paths, lambda kept: fails(build(kept))))


def _with_less(data: Data, fails: Fails) -> Data:
    """Lower the numbers of clients, items and repetitions, one after the other."""
    smaller = copy.deepcopy(data)
    for path in _numbers(data):
        inner, key = _at(smaller, path[:-1]), path[-1]

        def build(value: int, path: Path = path) -> Data:
            candidate = copy.deepcopy(smaller)
            _at(candidate, path[:-1])[path[-1]] = value
            return candidate

        inner[key] = lowest(inner[key], lambda value: fails(build(value)))
    return smaller


def _sound(data: Data) -> Data:
    """Return data without what refers to something that is gone, and without empty phases."""
    whole = copy.deepcopy(data)
    for phase in whole["phases"]:
        kinds = [next(iter(work)) for work in phase.get("workload", [])]
        for work in phase.get("workload", []):
            settings = next(iter(work.values()))
            if isinstance(settings, dict) and settings.get("after") not in {None, *kinds}:
                del settings["after"]
        for key in ("faults", "workload"):
            if phase.get(key) == []:
                del phase[key]
    whole["phases"] = [
        phase for phase in whole["phases"] if "faults" in phase or "workload" in phase
    ]
    names = {_name(entry) for phase in whole["phases"] for entry in phase.get("faults", [])}
    for phase in whole["phases"]:
        for entry in phase.get("faults", []):
            for key in ("after", "replaces"):
                if entry.get(key) not in {None, *names}:
                    del entry[key]
    return {key: value for key, value in whole.items() if key in _KEPT or value != {}}


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry.get("name") or next((key for key in entry if key not in _SCHEDULE), "heal"))


def _optional(data: Data) -> Iterator[Path]:
    yield from ((key,) for key in data if key not in _KEPT and key not in _MAPPINGS)
    yield from ((key, inner) for key in _MAPPINGS for inner in data.get(key, {}))
    for number, phase in enumerate(data["phases"]):
        where: Path = ("phases", number)
        yield from ((*where, key) for key in phase if key not in {"faults", "workload"})
        for kind in ("faults", "workload"):
            for place, entry in enumerate(phase.get(kind, [])):
                yield from _optional_of(entry, (*where, kind, place))


def _optional_of(entry: Mapping[str, Any], where: Path) -> Iterator[Path]:
    for key, value in entry.items():
        if key in _SCHEDULE:
            yield (*where, key)
        elif isinstance(value, dict):
            yield from ((*where, key, inner) for inner in value if inner not in _MORE_WITHOUT)


def _numbers(data: Data) -> Iterator[Path]:
    for number, phase in enumerate(data["phases"]):
        for kind in ("workload", "faults"):
            for place, entry in enumerate(phase.get(kind, [])):
                where: Path = ("phases", number, kind, place)
                for path in _leaves(entry, where):
                    if path[-1] in _LOWERED and isinstance(_at(data, path), int):
                        yield path


def _leaves(entry: Mapping[str, Any], where: Path) -> Iterator[Path]:
    for key, value in entry.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*where, key))
        else:
            yield (*where, key)


def _at(data: Any, path: Path) -> Any:
    for step in path:
        data = data[step]
    return data
