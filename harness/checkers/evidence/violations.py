"""Violations, and the result that a checker makes of them: smallest witnesses first."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from numpy.typing import NDArray

from harness.common.verdict import CheckResult, Finding, Verdict, Witness
from harness.history.columns import OK, PUT, History, Ints
from harness.history.record import Value

SHOWN = 10
Found = tuple[list["Violation"], list[Finding]]
"""Violations with their proof, and the others of the same kinds: how many, of which items."""
Proof = tuple[str, Iterable[int]]
"""A sentence about a violation, and the rows of the history that prove it; -1 for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """Something that no correct queue does, and the rows of the history that prove it."""

    reason: str
    sentence: str
    rows: tuple[int, ...]
    values: tuple[Value, ...] = ()

    @classmethod
    def of(cls, reason: str, sentence: str, rows: Iterable[int], *values: Value | None) -> Self:
        """Return one about these items; rows that are -1 and values that are None are left out."""
        return cls(
            reason=reason,
            sentence=sentence,
            rows=tuple(int(row) for row in rows if row >= 0),
            values=tuple(value for value in values if value is not None),
        )


def conclude(
    name: str,
    history: History,
    violations: Sequence[Violation],
    *,
    doubts: Sequence[str] = (),
    details: Mapping[str, Any] | None = None,
    others: Iterable[Finding] = (),
) -> CheckResult:
    """Return INVALID with witnesses, or UNKNOWN with the doubts as reasons, or VALID.

    `others` are violations that were counted but not described.
    """
    beyond = tuple(others)
    ordered = sorted(violations, key=_size)
    verdict = Verdict.INVALID if violations else Verdict.UNKNOWN if doubts else Verdict.VALID
    return CheckResult(
        name=name,
        verdict=verdict,
        reasons=tuple(sorted({v.reason for v in violations} | set(doubts))),
        details=details or {},
        witnesses=tuple(_witness(history, violation) for violation in ordered[:SHOWN]),
        more_witnesses=max(0, len(ordered) - SHOWN) + sum(other.count for other in beyond),
        findings=_by_reason([*map(_as_finding, violations), *beyond]),
    )


def proved(
    history: History,
    reason: str,
    places: Ints,
    numbers: Ints,
    prove: Callable[[Value, int], Proof],
) -> Found:
    """Prove the violations at the first places; of the others tell the kind, and the items.

    `numbers` are those of the items, one a place; `prove` gets an item and its place.
    """
    items = [history.values[number] for number in numbers[:SHOWN]]
    first = zip(items, places[:SHOWN].tolist(), strict=True)
    shown = [Violation.of(reason, *prove(item, place), item) for item, place in first]
    return shown, beyond_shown(reason, history, numbers)


def joined(found: Iterable[Found]) -> Found:
    """Return what was found of several kinds as one."""
    kinds = list(found)
    return [v for shown, _ in kinds for v in shown], [f for _, others in kinds for f in others]


def beyond_shown(reason: str, history: History, numbers: NDArray[Any]) -> list[Finding]:
    """Return the violations after the first SHOWN, whose items have these numbers."""
    rest = numbers[SHOWN:]
    if not len(rest):
        return []
    return [Finding(reason=reason, count=len(rest), values=tuple(named(history, rest)))]


def named(history: History, numbers: NDArray[Any] | Iterable[int]) -> list[Value]:
    """Return the values with these numbers, ints in order, then strings."""
    return in_order(history.values[number] for number in numbers)


def in_order(values: Iterable[Value]) -> list[Value]:
    """Sort values: ints by size, then strings."""
    return sorted(values, key=_value_key)


def nothing_shown(history: History) -> list[str]:
    """Return "nothing-acknowledged" as a doubt if no put was: such a history shows nothing."""
    return [] if history.is_(PUT, OK).any() else ["nothing-acknowledged"]


def _as_finding(violation: Violation) -> Finding:
    return Finding(reason=violation.reason, count=1, values=violation.values[:1])


def _by_reason(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    counts, values = Counter[str](), defaultdict[str, list[Value]](list)
    for finding in findings:
        counts[finding.reason] += finding.count
        values[finding.reason] += finding.values
    return tuple(
        Finding(reason=reason, count=counts[reason], values=tuple(values[reason]))
        for reason in sorted(counts)
    )


def _value_key(value: Value) -> tuple[bool, Value]:
    return (isinstance(value, str), value)


def _size(violation: Violation) -> tuple[Any, ...]:
    values = tuple(_value_key(value) for value in violation.values)
    return (len(violation.rows), violation.reason, values, violation.rows)


def _witness(history: History, violation: Violation) -> Witness:
    rows = [history.operation(row) for row in sorted(set(violation.rows))]
    return Witness(
        sentence=violation.sentence,
        operations=tuple(operation.as_json() for operation in rows),
        values=tuple(in_order(set(violation.values))),
    )
