"""The queue without what keeps it alive and right under everything at once, for the wire fuzz.

The processes of a round apply one by its name, since each has a queue of its own.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any
from unittest import mock

from worlds.crash_points import weakened
from worlds.wire.plan import Plan, Trouble
from zkmq.errors import ClosedError, ZkmqError
from zkmq.janitor.janitor_thread import PERIOD_S, JanitorThread
from zkmq.tree.ticket import Refused, Ticket, TookEffect
from zkmq.zookeeper.session.failure_detector import FailureDetector
from zkmq.zookeeper.session.kazoo_session import KazooSession

STEP_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WireMutant:
    """One mutant: under which trouble it is found, and for which reasons: any of them."""

    name: str
    trouble: Trouble
    reasons: frozenset[str]
    applied: Callable[[], AbstractContextManager[Any]]


def _forgetful(self: Ticket, *arguments: Any, **settings: Any) -> TookEffect | Refused:
    """An operation that a signal ended is forgotten, as if it had not been sent."""
    try:
        return _commit(self, *arguments, **settings)
    except ZkmqError:
        raise
    except BaseException:
        self.version = self.version  # and nothing in doubt from there on
        raise


_commit = Ticket.commit


def blocking(self: KazooSession, request: Any) -> Any:
    """A request that is handed over without a connection blocks until there is one."""
    self.wait_connected(math.inf)
    return _send(self, request)


_send = KazooSession.send


def unheard(self: FailureDetector) -> float:
    """A lost session is known only from what a server says."""
    return _due_s(self) if self._is_up else math.inf


_due_s = FailureDetector._due_s


def _only_once(self: JanitorThread) -> float:
    """A janitor whose thread ends while it holds the office."""
    if self._janitor.step(self._store.now() + STEP_S):
        raise ClosedError("a janitor that dies")
    return PERIOD_S


MUTANTS = {
    mutant.name: mutant
    for mutant in [
        *(
            WireMutant(
                name=mutant.name,
                trouble=Trouble.LOST,
                reasons=frozenset({mutant.reason.value, "order", "resolve-disagrees"}),
                applied=mutant.applied,
            )
            for mutant in weakened.MUTANTS
            if mutant.name == "no ticket"
        ),
        WireMutant(
            name="a signal leaves no doubt",
            trouble=Trouble.SIGNALS,
            reasons=frozenset({"wedged"}),
            applied=lambda: mock.patch.object(Ticket, "commit", _forgetful),
        ),
        WireMutant(
            name="a janitor that dies",
            trouble=Trouble.KILLS,
            reasons=frozenset({"left-behind"}),
            applied=lambda: mock.patch.object(JanitorThread, "_round", _only_once),
        ),
    ]
}


def plan(name: str, seed: int) -> Plan:
    """One round in which that mutant should be found."""
    mutant = MUTANTS[name]
    return Plan(seed=seed, troubles=frozenset({mutant.trouble}), mutant=mutant.name)


def applied(name: str) -> AbstractContextManager[Any]:
    """The mutant of that name, or the queue as it is."""
    return MUTANTS[name].applied() if name else nullcontext()
