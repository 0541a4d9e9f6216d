"""Violations, and the result that a checker makes of them: smallest witnesses first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from harness.common.verdict import CheckResult, Verdict, Witness
from harness.history.columns import OK, PUT, History, Value

SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """Something that no correct queue does, and the rows of the history that prove it."""

    reason: str
    sentence: str
    rows: tuple[int, ...]
    values: tuple[Value, ...] = ()


def conclude(
    name: str,
    history: History,
    violations: Sequence[Violation],
    *,
    doubts: Sequence[str] = (),
    details: Mapping[str, Any] | None = None,
    more: int = 0,
) -> CheckResult:
    """Return INVALID with witnesses, or UNKNOWN with the doubts as reasons, or VALID.

    `more` is the number of violations that were counted but not described.
    """
    ordered = sorted(violations, key=_size)
    verdict = Verdict.INVALID if violations else Verdict.UNKNOWN if doubts else Verdict.VALID
    return CheckResult(
        name=name,
        verdict=verdict,
        reasons=tuple(sorted({v.reason for v in violations} | set(doubts))),
        details=details or {},
        witnesses=tuple(_witness(history, violation) for violation in ordered[:SHOWN]),
        more_witnesses=max(0, len(ordered) - SHOWN) + more,
    )


def named(history: History, numbers: NDArray[Any] | Iterable[int]) -> list[Value]:
    """Return the values with these numbers, ints in order, then strings."""
    return in_order(history.values[number] for number in numbers)


def in_order(values: Iterable[Value]) -> list[Value]:
    """Sort values: ints by size, then strings."""
    return sorted(values, key=_value_key)


def nothing_shown(history: History) -> list[str]:
    """Return "nothing-acknowledged" as a doubt if no put was: such a history shows nothing."""
    return [] if history.is_(PUT, OK).any() else ["nothing-acknowledged"]


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
