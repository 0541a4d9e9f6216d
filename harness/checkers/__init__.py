"""Checkers: pure functions of a history and a claim; one question a file.

A checker reads no clock, draws no random number and never iterates over a set in an order that
shows, so that judging a run again gives the same bytes.
"""

from collections.abc import Iterable
from typing import ClassVar, Final, Protocol

from harness.claim import Claim
from harness.common.settings.registry import Registry
from harness.common.verdict import CheckResult
from harness.history.columns import History


class Checker(Protocol):
    """One question asked of a history.

    Attributes:
        finds: the reasons that it can give for INVALID; `because` in a scenario names one.
    """

    finds: ClassVar[frozenset[str]]

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Return what it needs that history or claim do not have; None if it can judge them."""

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Return the verdict, with the operations that prove it."""


checkers: Final[Registry[Checker]] = Registry("checker", "harness.checkers", Checker)


def reasons(names: Iterable[str] | None = None) -> list[str]:
    """Return the reasons that these checkers, or all the harness's own, can give for INVALID."""
    chosen = [name for name in names or checkers.builtin if name in checkers]
    return sorted(frozenset[str]().union(*(checkers[name].finds for name in chosen)))
