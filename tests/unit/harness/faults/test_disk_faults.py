"""Disk faults of many servers: how many of them a fault must have hit."""

from collections.abc import Collection

import pytest

from harness.faults import Fault, disk_faults
from harness.nemesis import undo
from harness.target import Evidence, System
from worlds.faults.fake_quorum import FakeClients, FakeQuorum

ALL = [1, 2, 3, 4, 5]
ENDS_WRITES = (
    undo.fault_of("torn-write", {"target": "all"}),
    undo.fault_of("disk-stall", {"target": "all"}),
    undo.fault_of("io-error", {"target": "all", "error": "EIO"}),
)


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up at once on what a fault in memory shows at once or never."""
    monkeypatch.setattr(disk_faults, "BITES_WITHIN_S", 0.0)
    monkeypatch.setattr(disk_faults, "REST_WITHIN_S", 0.0)


def injected(fault: Fault, idle: Collection[int], nodes: list[int]) -> Evidence:
    """Inject a fault beside servers that write nothing, to which no call of a disk is changed."""
    quorum = FakeQuorum()
    for id in idle:
        node = quorum.nodes[id]
        node.disk_calls = lambda id=id: {"node": id, "injected": 0}  # type: ignore[method-assign]
    return fault.inject(System(quorum=quorum, clients=FakeClients()), nodes)


@pytest.mark.parametrize("fault", ENDS_WRITES)
def test_a_majority_that_cannot_write_is_enough(fault: Fault) -> None:
    """The other servers have nothing to write any more, so no call of theirs can be hit."""
    assert fault.bit(injected(fault, [4, 5], ALL))


@pytest.mark.parametrize("fault", ENDS_WRITES)
def test_less_than_a_majority_is_not_enough(fault: Fault) -> None:
    """The others went on writing, and the fault did nothing to them."""
    assert not fault.bit(injected(fault, [3, 4, 5], ALL))


@pytest.mark.parametrize("fault", ENDS_WRITES)
def test_of_a_minority_each_must_be_hit(fault: Fault) -> None:
    """Writes go on while two of five servers hang, so both come to one."""
    assert not fault.bit(injected(fault, [2], [1, 2]))


def test_a_disk_that_is_slow_is_slow_on_each() -> None:
    """Writes go on behind slow disks."""
    fault = undo.fault_of("slow-disk", {"target": "all"})
    assert not fault.bit(injected(fault, [5], ALL))
    assert fault.bit(injected(fault, [], ALL))


def test_the_power_of_all_is_cut_though_not_all_writes_are_torn() -> None:
    """Each server is killed, and loses what it had not fsynced."""
    seen = injected(ENDS_WRITES[0], [5], ALL)
    assert [part["node"] for part in seen["killed"]] == ALL
