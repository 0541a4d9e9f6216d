"""What every registered fault promises, on a quorum in memory."""

import json
from dataclasses import asdict, replace
from random import Random
from typing import Any, cast

import pytest

from harness.common.harness_errors import ScenarioError, TargetError, UnsupportedError
from harness.common.server_states import NodeStatus
from harness.faults import Fault, client_faults, disk_faults, faults, rolling
from harness.faults.packets import drop_rules, late, links
from harness.nemesis import by_hand, undo
from harness.scenario import roles
from harness.target import System
from worlds.faults.fake_quorum import FakeClients, FakeGateway, FakeQuorum, UnableNode
from worlds.faults.required import REQUIRED

LASTING = [name for name in faults if faults[name].lasting]
ALL_OR_NONE = [
    "bandwidth",
    "clock",
    "clock-strobe",
    "disk-full",
    "disk-stall",
    "failpoint",
    "host-pause",
    "io-error",
    "pause",
    "slow-disk",
    "torn-write",
]


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up at once on what a fault in memory shows at once or never."""
    for module in (drop_rules, late, links, client_faults, disk_faults):
        monkeypatch.setattr(module, "BITES_WITHIN_S", 0.0)
    monkeypatch.setattr(rolling, "SYNCED_WITHIN_S", 0.0)


def fault_named(name: str) -> Fault:
    """Return a registered fault with its defaults."""
    return undo.fault_of(name, REQUIRED.get(name, {}))


def system_for(name: str, *, numb: bool = False) -> System:
    """Return a system in which a fault has something to do."""
    quorum = FakeQuorum(numb=numb)
    if name == "start":
        quorum.nodes[2].up = False
    if name == "add-voter":
        quorum.voters = {3, 4, 5}
    return System(quorum=quorum, clients=FakeClients(numb=numb), gateway=FakeGateway(numb=numb))


def targets(fault: Fault, system: System) -> list[int]:
    """Return whom it is about."""
    statuses = system.quorum.statuses()
    observers = [seen.node for seen in statuses if seen.mode == "observer"]
    return roles.resolve(fault.target, statuses, {}, Random(1), observers)


def aimed(fault: Fault, system: System) -> System:
    """Return the system with the clients chosen that an injection now is about."""
    return replace(system, chosen=fault.choose(system.clients, targets(fault, system)))


def state(system: System) -> object:
    """Return all that healing must bring back."""
    parts: tuple[Any, ...] = (system.quorum, system.clients, system.gateway)
    return [part.state() for part in parts]


@pytest.mark.parametrize("name", list(faults))
def test_bites_and_says_so(name: str) -> None:
    """What a fault observes of its effect is enough for it to say that it took effect."""
    fault, system = fault_named(name), system_for(name)
    evidence = fault.inject(aimed(fault, system), targets(fault, system))
    assert fault.bit(evidence)
    assert fault.bit(json.loads(json.dumps(evidence))), "a run is judged by what is on disk"


@pytest.mark.parametrize("name", list(faults))
def test_evidence_of_nothing_shows_nothing(name: str) -> None:
    """A record whose lists were emptied shows no node and no client that was hit."""
    fault, system = fault_named(name), system_for(name)
    evidence = fault.inject(aimed(fault, system), targets(fault, system))
    some = {key: seen for key, seen in evidence.items() if isinstance(seen, list | dict)}
    assert not some or not fault.bit({**evidence, **{k: type(seen)() for k, seen in some.items()}})


@pytest.mark.parametrize("name", list(faults))
def test_never_bites_where_nothing_takes_effect(name: str) -> None:
    """On servers that obey in words only, no fault claims to have been installed."""
    fault, system = fault_named(name), system_for(name, numb=True)
    if name == "start":
        system.quorum.nodes[2].up = True  # type: ignore[misc]
    assert not fault.bit(fault.inject(aimed(fault, system), targets(fault, system)))


@pytest.mark.parametrize("name", LASTING)
def test_hurts_then_heals(name: str) -> None:
    """Inject changes the system; heal, called twice, leaves it as it was."""
    fault, system = fault_named(name), system_for(name)
    before, nodes = state(system), targets(fault, system)
    system = aimed(fault, system)
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
    system = aimed(fault, system)
    fault.inject(system, nodes)
    kept = json.loads(json.dumps(asdict(fault)))  # type: ignore[call-overload]
    undo.fault_of(name, kept).heal(system, nodes)
    assert state(system) == before


@pytest.mark.parametrize("name", LASTING)
def test_heals_what_it_cannot_reach(name: str) -> None:
    """Healing asks the engine, never the network: a probe that a slow link swallows tells nothing.

    The exception is membership: who votes is for the ensemble itself to say.
    """
    fault, system = fault_named(name), system_for(name)
    before, nodes = state(system), targets(fault, system)
    system = aimed(fault, system)
    fault.inject(system, nodes)
    for node in cast(FakeQuorum, system.quorum).nodes.values():
        node.unreachable = True
    fault.heal(system, nodes)
    assert state(system) == before


@pytest.mark.parametrize("name", ALL_OR_NONE)
def test_what_one_of_the_nodes_cannot_do_is_done_to_none(name: str) -> None:
    """Hosts may differ: what is skipped for one of them is in force on no other."""
    fault, system = fault_named(name), system_for(name)
    cast(FakeQuorum, system.quorum)._nodes[5] = UnableNode(5)
    before = state(system)
    with pytest.raises(UnsupportedError, match="node 5"):
        fault.inject(system, [1, 2, 5])
    assert state(system) == before


@pytest.mark.parametrize(
    "name",
    [n for n in faults if faults[n].of_running and not n.startswith("rolling-")],
)
def test_a_server_that_has_ended_leaves_no_other_dead(name: str) -> None:
    """What needs servers that run is done to none if one of them has just ended by itself."""
    fault, system = fault_named(name), system_for(name)
    cast(FakeQuorum, system.quorum)._nodes[5].up = False
    with pytest.raises(UnsupportedError, match=r"node 5: .*expected a server that runs"):
        fault.inject(system, [1, 2, 5])
    assert all(system.quorum.nodes[id].process == "running" for id in (1, 2))


@pytest.mark.parametrize("name", ["rolling-restart", "rolling-upgrade"])
def test_a_server_that_has_ended_is_where_a_roll_ends(name: str) -> None:
    """Those before it were renewed, so it is not skipped; it did not bite, and says why."""
    fault, system = fault_named(name), system_for(name)
    cast(FakeQuorum, system.quorum)._nodes[1].up = False
    evidence = fault.inject(system, [1])
    assert "node 1: " in evidence["stuck"]
    assert not fault.bit(evidence)


@pytest.mark.parametrize(("rtt_ms", "bit"), [(100.4, False), (149.0, False), (201.0, True)])
def test_a_link_that_is_late_on_one_way_only_did_not_bite(rtt_ms: float, *, bit: bool) -> None:
    """Where both ways are to be late by 100 ms, a round trip of 100 ms shows one of them."""
    late = {"delay_ms": 100, "jitter_ms": 0, "duplicate_percent": 0}
    evidence: Any = {
        "links": {"1": {"2": late}, "2": {"1": late}},
        "rtt_before_ms": {"1": {"2": [0.1]}, "2": {"1": [0.1]}},
        "rtt_ms": {"1": {"2": [rtt_ms]}, "2": {"1": [rtt_ms]}},
    }
    assert fault_named("latency").bit(evidence) is bit


def test_a_member_that_cannot_be_removed_is_not_left_dead() -> None:
    """Where nothing reconfigures, what was killed for its removal runs again, and is skipped."""

    class Fixed(FakeQuorum):
        def remove_member(self, node: int) -> dict[str, Any]:
            raise UnsupportedError(f"node {node}: this ensemble does not reconfigure")

    quorum = Fixed()
    before = quorum.state()
    with pytest.raises(UnsupportedError, match="does not reconfigure"):
        by_hand.inject(quorum, "replace", {}, id=1, in_force=[], until_s=1.0)
    assert quorum.state() == before
    assert quorum.ledger.entries == {}


def test_damage_to_one_of_two_nodes_is_told() -> None:
    """It cannot be undone, so the fault is neither skipped nor installed."""
    fault, system = fault_named("corrupt"), system_for("corrupt")
    cast(FakeQuorum, system.quorum)._nodes[5] = UnableNode(5)
    evidence = fault.inject(system, [1, 5])
    assert not fault.bit(evidence)
    assert evidence["damaged"][1] == {"node": 5, "changed": False, "why": "node 5: no such file"}
    with pytest.raises(UnsupportedError):
        fault.inject(system, [5, 1])


def test_a_pause_that_answers_did_not_bite() -> None:
    """What the engine calls frozen and answers all the same is not."""
    evidence: Any = {"paused": [{"node": 1, "state": "paused"}], "modes": ["follower"]}
    assert not fault_named("pause").bit(evidence)
    assert fault_named("pause").bit(evidence | {"modes": ["down"]})


@pytest.mark.parametrize("kind", ["kill", "replace"])
def test_an_empty_disk_was_not_wiped(kind: str) -> None:
    """A wipe that found 0 KB to delete did nothing, whatever the exit status says."""
    settings = {"wipe": True} if kind == "kill" else {}
    fault, system = undo.fault_of(kind, settings), system_for(kind)
    evidence = fault.inject(system, targets(fault, system))
    assert fault.bit(evidence)
    assert not fault.bit(evidence | {"wiped": [evidence["wiped"][0] | {"wiped_kb": 0}]})


def test_a_kill_that_never_wiped_is_no_wipe() -> None:
    """`wipe: true` needs a disk that was wiped, and its absence one that was not."""
    killed: Any = {"killed": [{"exit_code": 137}], "wiped": []}
    assert fault_named("kill").bit(killed)
    assert not undo.fault_of("kill", {"wipe": True}).bit(killed)


@pytest.mark.parametrize("name", ["isolate", "one-way", "loss", "partition-minority"])
def test_a_cut_of_several_nodes_meets_each(name: str) -> None:
    """A packet counted for one of two nodes does not show that the other one is cut."""
    fault, system = undo.fault_of(name, {"target": "minority"}), system_for(name)
    nodes = [1, 2]
    assert fault.bit(fault.inject(system, nodes))
    cast(FakeQuorum, system.quorum).mute = {2}
    assert not fault.bit(fault.inject(system, nodes))


def test_followers_that_say_nothing_to_each_other_meet_no_cut() -> None:
    """Of a leader's side only the leader must have lost a packet: the others speak to it alone."""
    fault, system = fault_named("partition"), system_for("partition")
    cut: Any = fault.inject(system, [1, 2, 3, 4, 5])  # 5 leads, on the side of 3 and 4
    links = {"5": {"1": 1, "2": 1}}
    evidence = cut | {"links": links, "packets": {"5": 2}, "spoken": []}
    assert fault.bit(evidence)
    assert not fault.bit(evidence | {"links": {"5": {"1": 1, "2": 0}}})


def test_what_followers_are_made_to_say_is_lost() -> None:
    """A datagram that came through shows that they hear each other."""
    fault, system = fault_named("partition"), system_for("partition")
    evidence: Any = fault.inject(system, [1, 2, 3, 4, 5])
    pairs = {frozenset(pair) for pair in evidence["spoken"]}
    assert pairs == {frozenset({one, other}) for one in (1, 2) for other in (3, 4)}
    assert fault.bit(evidence)
    heard = {id: {**peers, "1": 0} for id, peers in evidence["links"].items() if id == "4"}
    mute = evidence["links"] | heard | {"1": {**evidence["links"]["1"], "4": 0}}
    assert not fault.bit(evidence | {"links": mute})


def test_an_observer_meets_its_cut() -> None:
    """A leader speaks to its observers too, so one that is cut off must have lost a packet."""
    fault, system = undo.fault_of("isolate", {"target": "observer"}), system_for("add-voter")
    evidence: Any = fault.inject(system, [1])
    assert evidence["before"]["1"] == "observer"
    assert fault.bit(evidence)
    cast(FakeQuorum, system.quorum).mute = {1}
    assert not fault.bit(fault.inject(system, [1]))


@pytest.mark.parametrize("name", ["remove-voter", "add-voter"])
def test_a_vote_that_was_as_wanted_before_is_no_change(name: str) -> None:
    """No observer is taken out of the voters, and no voter made one."""
    fault, system = fault_named(name), system_for("add-voter")
    changed, same = ([3], [1]) if name == "remove-voter" else ([1], [3])
    assert fault.bit(fault.inject(system, changed))
    assert not fault.bit(fault.inject(system, same))


def test_a_rolling_restart_waits_for_observers_too() -> None:
    """Who follows without a vote is in sync before the next one goes down."""
    metrics = {"zk_synced_followers": "2", "zk_synced_observers": "1.0"}
    leader = NodeStatus(node=3, mode="leader", metrics=metrics)
    others = [NodeStatus(node=id, mode="follower") for id in (1, 2)]
    watching = [NodeStatus(node=id, mode="observer") for id in (4, 5)]
    assert rolling.synced([*others, leader, watching[0]])
    assert not rolling.synced([*others, leader, *watching])


def test_a_cut_without_a_leader_shows_itself() -> None:
    """Followers cut from each other alone, as in a bridge over the leader, would say nothing."""
    fault = undo.fault_of("partition", {"groups": [[1], [2]]})
    system = system_for("partition")
    cast(FakeQuorum, system.quorum).mute = {1, 2, 3, 4, 5}
    evidence: Any = fault.inject(system, [1, 2])
    assert fault.bit(evidence)
    assert not fault.bit(evidence | {"links": {"1": {"2": 0}, "2": {"1": 0}}, "packets": {}})


def test_a_node_that_was_down_meets_no_cut() -> None:
    """A cut beside a kill needs no packet of the dead."""
    fault, system = undo.fault_of("isolate", {"target": "minority"}), system_for("isolate")
    quorum = cast(FakeQuorum, system.quorum)
    quorum.nodes[2].up = False
    quorum.mute = {2}
    assert fault.bit(fault.inject(system, [1, 2]))


def test_a_cut_of_several_clients_meets_each() -> None:
    """A client that was connected and had nothing held back is not known to be cut off."""
    fault, system = fault_named("client-cut"), system_for("client-cut")
    aim = aimed(fault, system)
    cast(FakeClients, system.clients).idle = {1}
    evidence = fault.inject(aim, [1, 2])
    assert not fault.bit(evidence)
    evidence["cut"][1]["connections"] = 0
    assert fault.bit(evidence)


@pytest.mark.parametrize(("node", "number", "chosen"), [(1, 0, [0]), (2, 0, [1]), (2, 1, [2])])
def test_a_cut_chooses_among_the_connected(node: int, number: int, chosen: list[int]) -> None:
    """A client of another server would meet nothing of the cut."""
    settings = {"target": {"node": node}, "number": number}
    fault, system = undo.fault_of("client-cut", settings), system_for("client-cut")
    aim = aimed(fault, system)
    assert aim.chosen == chosen
    evidence = fault.inject(aim, [node])
    assert [seen["connections"] for seen in evidence["cut"]] == [1]
    assert fault.bit(evidence)


@pytest.mark.parametrize("settings", [{}, {"number": 0}], ids=["all", "one"])
def test_a_cut_from_a_server_without_clients_is_skipped(settings: dict[str, Any]) -> None:
    """Nothing is cut, so nothing is claimed, and the reason says what was looked for."""
    fault = undo.fault_of("client-cut", {"target": {"node": 4}, **settings})
    system = system_for("client-cut")
    with pytest.raises(UnsupportedError, match="connected to node 4, got none of 3 that run"):
        fault.inject(aimed(fault, system), [4])
    assert cast(FakeClients, system.clients).cuts == {}


@pytest.mark.parametrize("kind", ["client-pause", "client-cut"])
def test_heals_the_client_it_hurt(kind: str) -> None:
    """A client of a smaller number that ended meanwhile does not shift the heal by one."""
    fault, system = undo.fault_of(kind, {"number": 1}), system_for(kind)
    aim, nodes = aimed(fault, system), targets(fault, system)
    clients = cast(FakeClients, system.clients)
    fault.inject(aim, nodes)
    assert aim.chosen == [1]
    clients.crash(0)
    fault.heal(aim, nodes)
    assert (clients.states[1], clients.states[2], clients.cuts) == ("running", "running", {})


@pytest.mark.parametrize("name", LASTING)
def test_what_a_killed_harness_left_is_healed_without_its_clients(name: str) -> None:
    """The ledger of a harness that is gone can be healed, though its clients ended with it."""
    fault, system = fault_named(name), system_for(name)
    quorum, nodes = cast(FakeQuorum, system.quorum), targets(fault, system)
    before, aim = quorum.state(), aimed(fault, system)
    fault.inject(aim, nodes)
    left = undo.entry(fault, id=1, name=name, kind=name, nodes=nodes, clients=list(aim.chosen))
    kept = json.loads(json.dumps(left))
    assert undo.heal(quorum, quorum.ledger, [kept]) == [name]
    assert quorum.state() == before


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


@pytest.mark.parametrize("name", ["add-voter", "remove-voter", "replace"])
def test_a_member_that_is_not_as_before_is_no_heal(name: str) -> None:
    """A reconfiguration that the ensemble says it did not make is an error, not a heal."""
    fault, system = fault_named(name), system_for(name)
    nodes = targets(fault, system)
    assert fault.bit(fault.inject(system, nodes))
    cast(FakeQuorum, system.quorum).numb = True
    with pytest.raises(TargetError, match=r"members: expected node . as .*, got voters"):
        fault.heal(system, nodes)


def test_what_cannot_be_done_by_hand_is_not_in_force() -> None:
    """Without clients there is nobody to cut off; `heal` and `status` need not know of it."""
    quorum = FakeQuorum()
    with pytest.raises(
        UnsupportedError, match="client-cut: expected all clients connected to nodes"
    ):
        by_hand.inject(quorum, "client-cut", {}, id=1, in_force=[], until_s=1.0)
    assert quorum.ledger.entries == {}


@pytest.mark.parametrize("name", ["rolling-restart", "rolling-upgrade"])
def test_a_server_that_does_not_come_back_ends_the_rolling(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has not taken effect, the others are left alone, and the run goes on to its verdict."""
    fault, system = fault_named(name), system_for(name)
    started = []

    def start(node: Any) -> dict[str, Any]:
        started.append(node.id)
        return {"node": node.id, "started_at": "now"}  # in words only: it ends at once

    monkeypatch.setattr(type(system.quorum.nodes[1]), "start", start)
    evidence = fault.inject(system, targets(fault, system))
    assert not fault.bit(json.loads(json.dumps(evidence)))
    assert "expected every follower synced" in evidence["stuck"]
    assert len(started) == 1


def test_by_hand_a_fault_of_a_host_hits_all_its_nodes() -> None:
    """The host is the target's, by the labels of the quorum that is up; on one host it is none."""
    quorum = FakeQuorum()
    for id, node in quorum.nodes.items():
        node.host = "ab"[id % 2]
    hit = by_hand.inject(
        quorum, "host-pause", {"target": {"node": 2}}, id=1, in_force=[], until_s=1
    )
    assert (hit.nodes, hit.bit) == ([2, 4], True)
    for node in quorum.nodes.values():
        node.host = ""
    with pytest.raises(ScenarioError, match="host-pause: expected a quorum on several hosts"):
        by_hand.inject(quorum, "host-pause", {}, id=2, in_force=[], until_s=1)
