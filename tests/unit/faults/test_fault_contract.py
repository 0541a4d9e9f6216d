"""What every registered fault promises, on a quorum in memory."""

import json
from dataclasses import asdict
from random import Random
from typing import Any

import pytest

from harness import by_hand, roles
from harness.errors import TargetError, UnsupportedError
from harness.faults import Fault, cutting, faults, rolling, shaping
from harness.faults import client_cut as client_cut_module
from harness.target import System
from worlds.fake_quorum import FakeClients, FakeGateway, FakeQuorum

# What has no default.
SETTINGS: dict[str, dict[str, Any]] = {
    "partition": {"groups": [[1, 2], [3, 4, 5]]},
    "rolling-upgrade": {"to": "3.9.6"},
    "start": {"target": {"node": 2}},
}
LASTING = [name for name in faults if faults[name].lasting]


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up at once on what a fault in memory shows at once or never."""
    for module in (cutting, shaping, client_cut_module):
        monkeypatch.setattr(module, "BITES_WITHIN_S", 0.0)
    monkeypatch.setattr(rolling, "SYNCED_WITHIN_S", 0.0)


def fault_named(name: str) -> Fault:
    """Return a registered fault with its defaults."""
    return by_hand.fault_of(name, SETTINGS.get(name, {}))


def system_for(name: str, *, numb: bool = False) -> System:
    """Return a system in which a fault has something to do."""
    quorum = FakeQuorum(numb=numb)
    if name == "start":
        quorum.nodes[2].up = False
    return System(quorum=quorum, clients=FakeClients(numb=numb), gateway=FakeGateway(numb=numb))


def targets(fault: Fault, system: System) -> list[int]:
    """Return whom it is about."""
    return roles.resolve(fault.target, system.quorum.statuses(), {}, Random(1))


def state(system: System) -> object:
    """Return all that healing must bring back."""
    parts: tuple[Any, ...] = (system.quorum, system.clients, system.gateway)
    return [part.state() for part in parts]


@pytest.mark.parametrize("name", list(faults))
def test_bites_and_says_so(name: str) -> None:
    """What a fault observes of its effect is enough for it to say that it took effect."""
    fault, system = fault_named(name), system_for(name)
    evidence = fault.inject(system, targets(fault, system))
    assert fault.bit(evidence)
    json.dumps(evidence)


@pytest.mark.parametrize("name", list(faults))
def test_never_bites_where_nothing_takes_effect(name: str) -> None:
    """On servers that obey in words only, no fault claims to have been installed."""
    fault, system = fault_named(name), system_for(name, numb=True)
    if name == "start":
        system.quorum.nodes[2].up = True  # type: ignore[misc]
    assert not fault.bit(fault.inject(system, targets(fault, system)))


@pytest.mark.parametrize("name", LASTING)
def test_hurts_then_heals(name: str) -> None:
    """Inject changes the system; heal, called twice, leaves it as it was."""
    fault, system = fault_named(name), system_for(name)
    before, nodes = state(system), targets(fault, system)
    fault.inject(system, nodes)
    assert state(system) != before
    fault.heal(system, nodes)
    fault.heal(system, nodes)
    assert state(system) == before


@pytest.mark.parametrize("name", LASTING)
def test_another_process_can_undo_it(name: str) -> None:
    """What the ledger keeps of a fault, as JSON, is enough for another one to heal it."""
    fault, system = fault_named(name), system_for(name)
    before, nodes = state(system), targets(fault, system)
    fault.inject(system, nodes)
    kept = json.loads(json.dumps(asdict(fault)))  # type: ignore[call-overload]
    by_hand.fault_of(name, kept).heal(system, nodes)
    assert state(system) == before


@pytest.mark.parametrize("name", list(faults))
def test_whom_it_hurts_is_among_the_nodes(name: str) -> None:
    """`hurts` names nodes that exist, and no more than there are."""
    fault, system = fault_named(name), system_for(name)
    everyone = list(system.quorum.nodes)
    assert set(fault.hurts(targets(fault, system), everyone)) <= set(everyone)


def test_without_a_gateway_none_is_killed() -> None:
    """In a run without a gateway the fault is refused, so that it ends `skipped`."""
    system = System(quorum=FakeQuorum(), clients=FakeClients())
    with pytest.raises(UnsupportedError, match="expected a run with `transport: rest`"):
        fault_named("gateway-kill").inject(system, [])


def test_a_rule_that_stays_is_no_heal() -> None:
    """A cut that cannot be taken off is an error, not a heal."""

    class Stuck(FakeQuorum):
        def drop(self, rule: str, drops: Any) -> dict[str, Any]:
            return super().drop(rule, drops or self.rules.get(rule, {}))

    system = System(quorum=Stuck(), clients=FakeClients())
    isolate = fault_named("isolate")
    isolate.inject(system, [5])
    with pytest.raises(TargetError, match="expected it gone, got it on nodes"):
        isolate.heal(system, [5])
