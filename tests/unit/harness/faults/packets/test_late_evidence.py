"""Late links bite when all that was asked for is seen, and not when only a part of it is."""

from typing import Any

import pytest

from harness.faults.packets import late
from harness.faults.packets.late import Late, Latency, LinkLatency
from harness.target import System
from worlds.faults.fake_quorum import FakeClients, FakeQuorum

CASES = [
    pytest.param({"clients": True}, "waited", id="clients"),
    pytest.param({"reorder_percent": 5}, "overtook", id="reordered"),
    pytest.param({"duplicate_percent": 5}, "twice", id="twice"),
]


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up at once."""
    monkeypatch.setattr(late, "BITES_WITHIN_S", 0.0)


def injected(fault: Late, *, without: str | None = None) -> dict[str, Any]:
    """Return the evidence on a quorum in memory, where one kind of packet never comes."""
    quorum = FakeQuorum()
    quorum.uncounted = {without} if without else set()
    return dict(fault.inject(System(quorum=quorum, clients=FakeClients()), [1, 2]))


@pytest.mark.parametrize(("asked", "kind"), CASES)
def test_what_was_asked_for_must_be_seen(asked: dict[str, Any], kind: str) -> None:
    """Longer round trips show nothing of clients, of packets that overtake, and of copies."""
    fault = Latency(**asked)
    assert fault.bit(injected(fault))
    assert not fault.bit(injected(fault, without=kind))


@pytest.mark.parametrize(("asked", "kind"), CASES)
def test_what_was_not_asked_for_need_not_be_seen(asked: dict[str, Any], kind: str) -> None:
    """A plain delay is longer round trips, and nothing else."""
    assert Latency().bit(injected(Latency(), without=kind))


def test_clients_that_are_late_are_no_evidence_of_links() -> None:
    """Round trips between servers must be longer, too."""
    fault = Latency(clients=True)
    evidence = injected(fault)
    assert not fault.bit(evidence | {"rtt_ms": evidence["rtt_before_ms"]})


def test_one_link_of_several_that_is_reordered_is_enough() -> None:
    """Some links carry little."""
    fault = LinkLatency(pairs=[[1, 2], [2, 1]], reorder_percent=5)
    evidence = injected(fault)
    evidence["packets"]["1"]["overtook"]["2"] = 0
    assert fault.bit(evidence)
    evidence["packets"]["2"]["overtook"]["1"] = 0
    assert not fault.bit(evidence)


def test_a_record_of_an_earlier_release_is_judged_as_it_was() -> None:
    """It does not tell how many packets waited, or overtook another."""
    fault = Latency(clients=True, reorder_percent=5)
    evidence = injected(fault)
    for counts in evidence["packets"].values():
        del counts["waited"], counts["overtook"]
    assert fault.bit(evidence)
    assert not fault.bit(evidence | {"packets": {}})


SLOW_BEFORE = [994.0, 249.0, 430.0]


@pytest.mark.parametrize(
    ("before", "now", "bit"),
    [
        ([0.1], [100.1], True),
        ([0.1], [0.2], False),
        (SLOW_BEFORE, [105.0], True),  # by the other link
        ([None], [None], True),
        ([0.1], [None], False),
        ([60.0], [160.0], True),
    ],
    ids=["late", "not late", "slow before", "cut before", "cut since", "far away"],
)
def test_a_link_that_could_not_show_it_is_left_out(
    before: list[float | None], now: list[float | None], *, bit: bool
) -> None:
    """Another fault may have held its packets up before, and may have ended since."""
    fault = LinkLatency(pairs=[[1, 2], [1, 3]])
    wanted = {"delay_ms": 100, "jitter_ms": 0, "duplicate_percent": 0}
    evidence: dict[str, Any] = {
        "links": {"1": {"2": wanted, "3": wanted}},
        "rtt_before_ms": {"1": {"2": before, "3": [0.1]}},
        "rtt_ms": {"1": {"2": now, "3": [100.1]}},
    }
    assert fault.bit(evidence) is bit


@pytest.mark.parametrize("before", [SLOW_BEFORE, [None]])
def test_links_of_which_none_could_show_it_did_not_bite(before: list[float | None]) -> None:
    """Nothing that was measured is no evidence."""
    wanted = {"delay_ms": 100, "jitter_ms": 0, "duplicate_percent": 0}
    evidence: dict[str, Any] = {
        "links": {"1": {"2": wanted}},
        "rtt_before_ms": {"1": {"2": before}},
        "rtt_ms": {"1": {"2": [105.0]}},
    }
    assert not LinkLatency(pairs=[[1, 2]]).bit(evidence)


def test_links_that_do_not_answer_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other faults would have to wait, and none of these could show it."""
    waits: list[float] = []

    def looked(look: Any, _: Any, *, within_s: float, every_s: float) -> Any:
        waits.append(within_s)
        return look()

    monkeypatch.setattr(late, "wait_until", looked)
    monkeypatch.setattr(late, "BITES_WITHIN_S", 30.0)
    injected(Latency())
    quorum = FakeQuorum()
    quorum.mute = set(quorum.nodes)
    Latency().inject(System(quorum=quorum, clients=FakeClients()), [1])
    assert waits == [30.0, 0.0]
