"""The reaper of dead consumers' claims, broken in three ways; each must cost a run its verdict.

Each mutant is a context: within it, queues of this process are mutated.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from zkmq.janitor.claim_returner import ClaimReturner, Returned
from zkmq.janitor.reaper import Reaper
from zkmq.taking.return_places import ReturnPlaces
from zkmq.tree.redelivery_policy import RedeliveryPolicy
from zkmq.zookeeper.store import Delete, Op

moves = ClaimReturner.moves


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaperMutant:
    """One mutant, the verdict of a run with it, and the reason."""

    name: str
    verdict: str
    reason: str
    applied: Callable[[], AbstractContextManager[Any]]


def _deleting(self: ClaimReturner, *given: Any) -> tuple[list[Op], list[Returned]]:
    """Delete a dead consumer's claims, and make nothing of them."""
    ops, _ = moves(self, *given)
    return [op for op in ops if isinstance(op, Delete)], []


def _aside(*_: object) -> str:
    """Put every item of a dead consumer where no consumer looks."""
    return "partial"


def _never(*_: object) -> None:
    """Leave a dead consumer's claims where they are."""


REAPER_MUTANTS = [
    ReaperMutant(
        name="the reaper deletes",
        verdict="invalid",
        reason="lost",
        applied=lambda: mock.patch.object(ClaimReturner, "moves", _deleting),
    ),
    ReaperMutant(
        name="the reaper moves to partial",
        verdict="invalid",
        reason="lost",
        applied=lambda: mock.patch.object(RedeliveryPolicy, "place_after_crash", _aside),
    ),
    ReaperMutant(
        name="the reaper never comes",
        verdict="unknown",
        reason="drain-gave-up",
        applied=lambda: mock.patch.object(Reaper, "reap", _never),
    ),
]

# Also what a consumer gives back itself, by `release` or when it closes with items in its hand.
GIVING_BACK_DELETES = ReaperMutant(
    name="giving back deletes",
    verdict="invalid",
    reason="lost",
    applied=lambda: mock.patch.object(ReturnPlaces, "returns", return_value=[]),
)
