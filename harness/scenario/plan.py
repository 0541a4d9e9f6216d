"""The plan of a run: every injection with its time or trigger, drawn from scenario and seed.

The same scenario and seed give the same plan, byte for byte. Each fault draws from a random stream
of its own, keyed by (seed, phase, name), so removing one leaves the times of the others alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from harness.claim import PlannedFault
from harness.common import files
from harness.common.harness_errors import ScenarioError
from harness.history.record import DECODE_ERRORS
from harness.scenario.schema import FaultEntry, Phase, Scenario

MAX_BYTES = 1 << 26  # of plan.jsonl
MAX_INJECTIONS = 10_000  # of a scenario; a day of one each ten seconds is 8,640


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One injection to come.

    Attributes:
        id: its number in the plan, from 0; the history's nemesis events carry it.
        phase: number of the phase, from 0.
        entry: place in the phase's list of faults.
        name: the entry's name, or its kind.
        round: 0, or the number of the repetition.
        at_s: seconds after the phase's start; None for one that waits for something else.
        trigger: what it waits for, in the scenario's words, counted from the phase's start or,
            of an `event`, from the round before; None if `at_s` says it all.
        late_s: seconds after its trigger came.
    """

    id: int
    phase: int
    entry: int
    name: str
    kind: str
    round: int = 0
    at_s: float | None = None
    trigger: dict[str, Any] | None = None
    late_s: float = 0.0
    hold_s: float | None = None


def stream(seed: int, *names: str | int) -> Random:
    """Return an independent random stream for one use of the seed, such as ("mix", 0, "kill")."""
    return Random("/".join(map(str, (seed, *names))))


def make(scenario: Scenario) -> list[Planned]:
    """Return every injection the scenario asks for, in order of phase and entry."""
    numbers = count()
    planned: list[Planned] = []
    for number, phase in enumerate(scenario.phases):
        for place, entry in enumerate(phase.faults):
            planned += [
                Planned(
                    id=next(numbers),
                    phase=number,
                    entry=place,
                    name=entry.label,
                    kind=entry.kind,
                    hold_s=entry.hold_s,
                    **when,
                )
                for when in _times(scenario.seed, phase, number, entry)
            ]
    return planned


def write(planned: Sequence[Planned], path: Path) -> None:
    """Write plan.jsonl, one injection a line."""
    files.write(path, b"".join(msgspec.json.encode(asdict(p)) + b"\n" for p in planned))


def read(path: Path) -> list[Planned] | None:
    """Read what `write` wrote; None if it is not there or damaged."""
    try:
        return msgspec.json.Decoder(Planned).decode_lines(
            files.read(path, "plan", at_most=MAX_BYTES)
        )
    except (ScenarioError, *DECODE_ERRORS):
        return None


def owed(planned: Sequence[Planned]) -> dict[int, str]:
    """Return by id the names of the injections whose outcome a finished run must have recorded.

    Repetitions are left out, as they stop with their phase, and so are entries that only heal.
    """
    return {p.id: p.name for p in planned if p.round == 0 and p.kind != "heal"}


def expected(scenario: Scenario, planned: Sequence[Planned]) -> tuple[PlannedFault, ...]:
    """Return, for each entry of `faults`, what the history of a run with this plan must show."""
    ids: dict[tuple[int, int], list[int]] = {}
    for one in planned:
        ids.setdefault((one.phase, one.entry), []).append(one.id)
    return tuple(
        _expected(phase, entry, ids.get((number, place), []))
        for number, phase in enumerate(scenario.phases)
        for place, entry in enumerate(phase.faults)
        if entry.fault is not None
    )


def undrawn(scenario: Scenario, planned: Sequence[Planned]) -> list[str]:
    """Return the entries for which the seed draws no injection: the run's verdict is unknown."""
    return [fault.name for fault in expected(scenario, planned) if not fault.ids]


def rounds(entry: FaultEntry, limit_s: float) -> Iterator[float]:
    """Yield an entry's nominal times up to `limit_s`, at most `times` of them."""
    at_s = entry.begin_s if entry.begin_s is not None else entry.every_s or 0.0
    for done in count():
        if at_s > limit_s or (entry.times is not None and done >= entry.times):
            return
        yield at_s
        if entry.every_s is None:
            return
        at_s += entry.every_s


def injections(entry: FaultEntry, phase: Phase) -> float:
    """Return how many injections an entry plans; of a mix, how many are expected. O(1)."""
    if entry.weight is not None and phase.mix_s is not None:
        return phase.limit_s / ((entry.hold_s or 0.0) + phase.mix_s / entry.weight)
    if entry.every_s is None:
        return entry.times or 1
    rounds = 1 + (phase.limit_s - (entry.begin_s or 0.0)) / entry.every_s
    return rounds if entry.times is None else min(rounds, entry.times)


def _expected(phase: Phase, entry: FaultEntry, ids: Sequence[int]) -> PlannedFault:
    return PlannedFault(
        name=entry.label,
        ids=tuple(ids),
        wanted=max(1, len(ids), _repeated(phase, entry)) if entry.times is not None else 1,
        lasting=entry.fault.lasting,
        shows=entry.fault.bit,
    )


def _repeated(phase: Phase, entry: FaultEntry) -> int:
    """Return how often an entry with `times` comes, whatever the plan on disk has of it."""
    if _trigger(entry) is not None:
        return entry.times or 1
    return sum(1 for _ in rounds(entry, phase.limit_s))


def _times(seed: int, phase: Phase, number: int, entry: FaultEntry) -> Iterator[dict[str, Any]]:
    if entry.weight is not None:
        for round_, at_s in enumerate(_drawn(seed, phase, number, entry)):
            yield {"round": round_, "at_s": round(at_s, 3)}
        return
    rng = stream(seed, "jitter", number, entry.label)
    if (trigger := _trigger(entry)) is None:
        for round_, at_s in enumerate(rounds(entry, phase.limit_s)):
            yield {"round": round_, "at_s": round(at_s + rng.uniform(0, entry.jitter_s), 3)}
        return
    for round_ in range(entry.times or 1):
        # A count grows with each round; every other trigger stays what it is.
        due = {k: v * (round_ + 1) if isinstance(v, int) else v for k, v in trigger.items()}
        late_s = round(rng.uniform(0, entry.jitter_s), 3)
        yield {"round": round_, "trigger": due, "late_s": late_s}


def _trigger(entry: FaultEntry) -> dict[str, Any] | None:
    """Return what an entry waits for in its first round; None if its times are known."""
    if entry.at is not None and entry.at.elapsed_s is None:
        return entry.at.model_dump(exclude_none=True)
    if entry.after is not None:
        return {"after": entry.after}
    return {"after": "the entry before"} if entry.sequential else None


def _drawn(seed: int, phase: Phase, number: int, entry: FaultEntry) -> Iterator[float]:
    """Yield the times of one fault of a mix: a Poisson process, `weight` injections each `mix_s`.

    Each fault of a mix is drawn by itself: weights need no common sum, and one can be removed.
    """
    assert phase.mix_s is not None
    assert entry.weight is not None
    rng = stream(seed, "mix", number, entry.label)
    at_s = rng.expovariate(entry.weight / phase.mix_s)
    while at_s <= phase.limit_s:
        yield at_s
        # The next one comes after this one is over, as it must for every entry.
        at_s += (entry.hold_s or 0.0) + rng.expovariate(entry.weight / phase.mix_s)
