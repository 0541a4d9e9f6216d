"""Verdicts, the results of checkers, and how verdicts merge."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NoReturn

from harness.common.ranges import ranges


class Verdict(IntEnum):
    """Three values, ordered by what dominates in a merge."""

    VALID = 0
    UNKNOWN = 1
    INVALID = 2

    def __bool__(self) -> NoReturn:
        raise TypeError("a Verdict has three values; compare it: `verdict is Verdict.VALID`")

    @property
    def word(self) -> str:
        """Return the word that scenarios and results.json use."""
        return self.name.lower()

    @classmethod
    def merge(cls, verdicts: Iterable["Verdict"]) -> "Verdict":
        """Return the worst; UNKNOWN for no verdicts, since then nothing was shown."""
        return max(verdicts, default=cls.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """The few operations that prove a violation.

    Attributes:
        sentence: one sentence in plain words.
        operations: rows of the operations, as `Operation.as_json` gives them.
        values: the item values concerned, smallest first.
    """

    sentence: str
    operations: tuple[Mapping[str, Any], ...] = ()
    values: tuple[int | str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """All violations of one kind, also those without a witness.

    Attributes:
        values: the item concerned of each, as far as it concerns one.
    """

    reason: str
    count: int
    values: tuple[int | str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One checker's verdict on one history.

    Attributes:
        reasons: single words that name what was found ("lost", "duplicated", "fifo-order");
            a scenario's `because` is compared with them. Empty if and only if VALID.
        details: the checker's own numbers and lists, JSON-ready.
        witnesses: smallest first, a bounded number of them.
        more_witnesses: how many were left out.
        findings: all that was found, by kind.
    """

    name: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    witnesses: tuple[Witness, ...] = ()
    more_witnesses: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def valid(self) -> bool:
        """Tell whether it is VALID; a check that could not judge is not."""
        return self.verdict is Verdict.VALID

    def as_json(self) -> dict[str, Any]:
        """Return the object that stands under `checks` in results.json."""
        return {
            "name": self.name,
            "verdict": self.verdict.word,
            "reasons": list(self.reasons),
            "details": dict(self.details),
            "witnesses": [
                {"sentence": w.sentence, "operations": list(w.operations), "values": list(w.values)}
                for w in self.witnesses
            ],
            "more_witnesses": self.more_witnesses,
            "findings": [
                {"reason": f.reason, "count": f.count, "items": ranges(f.values)}
                for f in self.findings
            ],
        }
