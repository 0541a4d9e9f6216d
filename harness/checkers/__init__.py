"""Checkers: pure functions of a history and of what its scenario claims.

A checker reads no clock, draws no random number, and does not depend on the order of a set, so
that judging a run again gives the same bytes.
"""

from collections.abc import Iterable
from typing import ClassVar, Final, Protocol

from harness.claim import Claim
from harness.history.columns import History
from harness.registry import Registry
from harness.verdict import CheckResult


class Checker(Protocol):
    """One question asked of a history.

    Attributes:
        finds: the reasons with which it can call a history invalid; `because` names one of them.
    """

    finds: ClassVar[frozenset[str]]

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Return what the history or the claim lacks for this question; None if nothing."""

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Return the verdict, with the operations that prove it."""


checkers: Final[Registry[Checker]] = Registry("checker", "harness.checkers")


def reasons(names: Iterable[str] | None = None) -> list[str]:
    """Return the reasons with which these checkers, or all, can call a history invalid."""
    chosen = [name for name in names or checkers if name in checkers]
    return sorted(frozenset[str]().union(*(checkers[name].finds for name in chosen)))
