"""Whether the planned faults took effect: a run without them shows nothing."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.checkers import checkers
from harness.checkers.evidence.notes import of_nemesis
from harness.claim import Claim, PlannedFault
from harness.common.verdict import CheckResult, Verdict, Witness
from harness.history.columns import History

NAME = "faults-bit"
INSTALLED, INDETERMINATE = "installed", "indeterminate"
Told = Mapping[str, Any]
Doubt = tuple[str, str]


@checkers.register(NAME)
class FaultsBit:
    """Every fault that was planned was installed, and healed. O(faults).

    The scenario says what was planned, so an entry that the history never mentions is noticed
    too. An entry with `times` must have been installed that often, any other one once. An injection
    counts as installed if the nemesis says so and its recorded evidence shows it.
    Never INVALID; UNKNOWN:
        faults-did-not-bite   an entry was installed too few times, or never came
        nothing-drawn         the seed draws no time at all for an entry of a mix
        not-healed            a heal did not work, or none is told after the injection

    Details: for each entry, how many injections ended in each outcome.
    """

    finds: ClassVar[frozenset[str]] = frozenset()

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Ask for a fault that was planned, or the nemesis's events."""
        return None if _planned(claim) or _told(history, "inject") else "faults"

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Compare what was planned with what was told of it."""
        heals = _told(history, "heal")
        entries = list(_entries(_told(history, "inject"), _planned(claim)))
        in_force = _in_force(history)
        doubts = [doubt for entry in entries for doubt in _doubts(entry, in_force)]
        doubts += [("not-healed", _not_healed(v)) for v in heals if v.get("outcome") != INSTALLED]
        return CheckResult(
            name=NAME,
            verdict=Verdict.UNKNOWN if doubts else Verdict.VALID,
            reasons=tuple(sorted({reason for reason, _ in doubts})),
            details={e.name: e.outcomes for e in sorted(entries, key=lambda entry: entry.name)},
            witnesses=tuple(Witness(sentence=sentence) for _, sentence in doubts),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """An entry of `faults`: the nemesis's notes on its injections, and the plan if it is known.

    Attributes:
        told: (outcome that the evidence shows, note) of each of its injections.
    """

    name: str
    told: Sequence[tuple[str, Told]]
    planned: PlannedFault | None = None

    @property
    def outcomes(self) -> dict[str, int]:
        """How many injections ended in each outcome, in order of the words."""
        return dict(sorted(Counter(outcome for outcome, _ in self.told).items()))

    @property
    def installed(self) -> list[Any]:
        """The numbers of the injections that took effect."""
        return [value.get("id") for outcome, value in self.told if outcome == INSTALLED]


def _entries(told: Sequence[Told], planned: Sequence[PlannedFault]) -> Iterator[_Entry]:
    """Yield each planned entry, then injections of no planned entry by name."""
    by_id: dict[Any, list[Told]] = {}
    for value in told:
        by_id.setdefault(value.get("id"), []).append(value)
    for fault in planned:
        mine = [value for id in fault.ids for value in by_id.pop(id, [])]
        seen = [(_outcome(value, fault), value) for value in mine]
        yield _Entry(name=fault.name, told=seen, planned=fault)
    by_name: dict[str, list[tuple[str, Told]]] = {}
    for values in by_id.values():
        for value in values:
            seen = by_name.setdefault(str(value.get("name")), [])
            seen.append((str(value.get("outcome")), value))
    for name, rest in by_name.items():
        yield _Entry(name=name, told=rest)


def _outcome(value: Told, fault: PlannedFault) -> str:
    """Return the recorded outcome; INDETERMINATE if its evidence does not show INSTALLED."""
    outcome = str(value.get("outcome"))
    if outcome != INSTALLED:
        return outcome
    try:
        shown = fault.shows(value["evidence"])
    except (LookupError, TypeError, ValueError, AttributeError):
        shown = False  # evidence that cannot be read shows nothing
    return INSTALLED if shown else INDETERMINATE


def _doubts(entry: _Entry, in_force: Collection[Any]) -> Iterator[Doubt]:
    fault, installed = entry.planned, entry.installed
    if fault is not None and not fault.ids:
        why = "the seed draws no time for it; another seed, more weight or a longer phase may"
        yield "nothing-drawn", f"The fault {entry.name!r} was never planned: {why}."
    elif len(installed) < (wanted := 1 if fault is None else fault.wanted):
        yield "faults-did-not-bite", _too_few(entry, wanted)
    for id in installed if fault is not None and fault.lasting else ():
        if id in in_force:
            yield "not-healed", f"Nothing tells that {entry.name!r} ({id}) was ever healed."


def _in_force(history: History) -> set[Any]:
    """Return the injections after which no heal of theirs is told."""
    left: set[Any] = set()
    for value in of_nemesis(history):
        if value.get("phase") == "inject":
            left.add(value.get("id"))
        elif value.get("phase") == "heal":
            left.discard(value.get("id"))
    return left


def _too_few(entry: _Entry, wanted: int) -> str:
    seen = len(entry.installed)
    often = "never installed" if seen == 0 else f"installed {seen} of {wanted} times"
    missed = [value for outcome, value in entry.told if outcome != INSTALLED]
    if not missed:
        return f"The fault {entry.name!r} was {often}; nothing tells what became of the rest."
    evidence = missed[-1].get("evidence")
    return f"The fault {entry.name!r} was {often}; the last time: {_why(evidence)}."


def _not_healed(value: Told) -> str:
    why = _why(value.get("evidence"))
    return f"Healing {value.get('name')!r} on nodes {value.get('nodes')} failed: {why}."


def _why(evidence: object) -> str:
    told = evidence if isinstance(evidence, Mapping) else {}
    return str(told.get("why") or told.get("error") or "what was observed did not show it")


def _planned(claim: Claim) -> Sequence[PlannedFault]:
    return () if claim.course is None else claim.course.faults


def _told(history: History, phase: str) -> list[Told]:
    return [value for value in of_nemesis(history) if value.get("phase") == phase]
