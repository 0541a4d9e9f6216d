"""The wire fuzz bites: what keeps the queue alive and right, once taken away, is missed."""

from collections.abc import Callable

import pytest

from worlds.memory.zookeeper import Leader
from worlds.wire import judge
from worlds.wire.fuzz import AT_ONCE, at_once
from worlds.wire.mutants import MUTANTS, blocking, plan, unheard
from worlds.wire.outage import ends_in_outage
from worlds.wire.process import Called
from worlds.wire.silence import silenced
from zkmq import Queue
from zkmq.zookeeper.session.failure_detector import FailureDetector
from zkmq.zookeeper.session.kazoo_session import KazooSession

SEEDS = range(1, 13)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_found(name: str) -> None:
    """Within some rounds of the trouble that it cannot bear, for a reason that fits."""
    mutant = MUTANTS[name]
    seen: list[str] = []
    for first in range(0, len(SEEDS), AT_ONCE):
        for report in at_once([plan(name, seed) for seed in SEEDS[first : first + AT_ONCE]]):
            seen += [f"{report.seed}: {violation}" for violation in report.wrong]
            if mutant.reasons & {violation.reason.value for violation in report.wrong}:
                return
    pytest.fail(f"expected one of {sorted(mutant.reasons)} in {len(SEEDS)} rounds, got {seen}")


CALLS: dict[str, Callable[[Queue], object]] = {
    "put": lambda queue: queue.put(b"b"),
    "reserve": lambda queue: queue.reserve(),
    "stats": lambda queue: queue.stats(),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_without_a_connection_ends_without_one(call: str) -> None:
    """It ends by its deadline, and not when the servers are there again."""
    assert ends_in_outage(CALLS[call])


def test_a_client_that_blocks_without_a_connection_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its call ends only after the outage, however slow the machine is."""
    monkeypatch.setattr(KazooSession, "send", blocking)
    assert not ends_in_outage(CALLS["put"])


@pytest.mark.parametrize(("starved_s", "servers_s", "late"), [(0, 0, 1), (2, 0, 0), (0, 2, 0)])
def test_a_late_call_is_found_unless_the_machine_kept_it(
    starved_s: float, servers_s: float, late: int
) -> None:
    """What a process, or that of the servers, could not run is no lateness; all else is."""
    heard = judge.Testimony(lambda _: servers_s)
    heard.hear(0, ("called", Called("put", 0.8 + judge.LATE_S + 0.1, 0.8, starved_s, None)))
    ledger = judge.WireLedger(Leader(lambda: 0), strict=True, deadline_s=0.8)
    assert [each.reason.value for each in heard.told(ledger, ()).trouble] == ["wedged"] * late


def test_a_client_to_which_silence_says_nothing_is_told_too_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a clock of its own it holds an item that its server has given away."""
    monkeypatch.setattr(FailureDetector, "_due_s", unheard)
    with silenced() as seen:
        assert not seen.told_in_time
