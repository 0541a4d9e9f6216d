"""The nemesis: outcomes, exclusions, the budget, and what it writes down before it acts."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from harness.common.harness_errors import ScenarioError, TargetError
from harness.faults import faults
from harness.nemesis import by_hand, undo
from harness.nemesis.admission import Obstacle, still_waits
from harness.nemesis.injection import Injection
from worlds.faults.fake_quorum import FakeQuorum, UnableNode
from worlds.faults.required import REQUIRED
from worlds.faults.stage import Stage

POINT = "Leader.shutdown:enter"


@pytest.fixture
def stage(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Stage]:
    """Return a function from the scenario's text to a stage; waits for roles are short."""
    monkeypatch.setattr("harness.nemesis.aim.ROLE_WITHIN_S", 0.0)
    monkeypatch.setattr("harness.faults.packets.drop_rules.BITES_WITHIN_S", 0.0)

    def make(text: str, quorum: FakeQuorum | None = None) -> Stage:
        made = Stage(tmp_path, text, quorum or FakeQuorum())
        request.addfinalizer(made.close)
        return made

    return make


def test_installed_and_healed(stage: Callable[..., Stage]) -> None:
    """A fault that bit is installed, with the node its role meant; its heal is recorded too."""
    played = stage("faults: [{kill: {target: leader}, first_s: 0, down_s: 1}]")
    (kill,) = played.all()
    assert (kill.nodes, kill.state) == ([5], "in force")
    assert not played.quorum.nodes[5].up
    played.nemesis.heal(kill)
    assert played.said == ["kill node 5 (leader): installed", "heal kill node 5 (leader)"]
    assert played.quorum.nodes[5].up
    assert played.told() == [("kill", "inject", "installed"), ("kill", "heal", "installed")]


def test_what_shows_no_effect_is_indeterminate(stage: Callable[..., Stage]) -> None:
    """An injection whose evidence does not show that it bit never counts as installed."""
    played = stage("faults: [{isolate: {}, first_s: 0, for_s: 1}]", FakeQuorum(numb=True))
    played.all()
    assert played.told() == [("isolate", "inject", "indeterminate")]


def test_a_cut_is_judged_by_the_roles_that_it_saw_itself(stage: Callable[..., Stage]) -> None:
    """A leader that just lost its role sends nothing; the datagrams of the harness are enough."""
    quorum = FakeQuorum()
    begin = quorum.ledger.begin

    def begin_in_an_election(entry: dict[str, Any]) -> None:
        quorum.slow_to_serve.add(5)
        begin(entry)

    quorum.ledger.begin = begin_in_an_election  # type: ignore[method-assign]
    played = stage("faults: [{isolate: {target: leader}, first_s: 0, for_s: 1}]", quorum)
    played.all()
    assert played.told() == [("isolate", "inject", "installed")]
    (event,) = played.events()
    assert event["value"]["nodes"] == [5]
    assert event["value"]["evidence"]["before"]["5"] == "looking"


def test_what_the_machine_cannot_do_is_skipped(stage: Callable[..., Stage]) -> None:
    """A fault that is not possible here is skipped with the reason, and leaves nothing open."""
    quorum = FakeQuorum()
    quorum._nodes[5] = UnableNode(5)
    played = stage("faults: [{bandwidth: {}, first_s: 0, for_s: 1}]", quorum)
    played.all()
    assert played.told() == [("bandwidth", "inject", "skipped")]
    assert "no such discipline" in played.events()[0]["value"]["evidence"]["why"]
    assert quorum.ledger.entries == {}


def test_nobody_with_the_role_is_skipped(stage: Callable[..., Stage]) -> None:
    """Without a node in the role nothing is done."""
    quorum = FakeQuorum()
    for node in quorum.nodes.values():
        node.up = False
    played = stage("faults: [{pause: {target: leader}, first_s: 0, for_s: 1}]", quorum)
    played.all()
    assert played.told() == [("pause", "inject", "skipped")]


def test_a_kill_waits_until_its_server_runs(stage: Callable[..., Stage]) -> None:
    """One that a failpoint has halted is started by that fault's heal, and killed then."""
    played = stage(
        "budget: majority\nfaults:\n"
        f"  - {{name: h, failpoint: {{target: {{node: 2}}, point: {POINT}, do: halt}}, first_s: 0, "
        "for_s: 1}\n"
        "  - {name: k, kill: {target: {node: 2}}, first_s: 0, down_s: 1}\n"
    )
    halted, kill = played.all()
    assert (kill.state, kill.waits_for) == ("pending", "nodes [2] do not run")
    played.nemesis.heal(halted)
    played.nemesis.inject(kill)
    assert [(name, phase, outcome) for name, phase, outcome in played.told()] == [
        ("h", "inject", "installed"),
        ("h", "heal", "installed"),
        ("k", "inject", "installed"),
    ]


def test_a_server_that_ended_by_itself_is_not_killed(stage: Callable[..., Stage]) -> None:
    """The run goes on: that it ended is for the checkers, and the fault is skipped."""
    played = stage("mix_s: 1\nfaults: [{name: k, kill: {target: {node: 2}}, weight: 1, down_s: 1}]")
    played.had("k")
    played.quorum.nodes[2].up = False
    played.again("k")
    assert played.told() == [("k", "inject", "skipped")]
    assert played.events()[0]["value"]["evidence"]["why"] == "nodes [2] do not run"


def test_observers_take_no_room(stage: Callable[..., Stage]) -> None:
    """Beside observers that are down a minority of the voters may be hurt, and no more."""
    quorum = FakeQuorum()
    quorum.voters = {3, 4, 5}
    played = stage(
        "cluster: {nodes: [{role: observer}, {role: observer}, {}, {}, {}]}\nmix_s: 9\nfaults:\n"
        "  - {name: o, kill: {target: observers}, weight: 1, for_s: 9}\n"
        "  - {name: p, pause: {target: {node: 3}}, weight: 1, for_s: 9}\n"
        "  - {name: q, pause: {target: {node: 4}}, weight: 1, for_s: 9}\n",
        quorum,
    )
    played.had(*"opq")
    played.again(*"opq")
    assert [(name, outcome) for name, _, outcome in played.told()] == [
        ("o", "installed"),
        ("p", "installed"),
        ("q", "skipped"),
    ]


def test_over_the_budget_is_skipped(stage: Callable[..., Stage]) -> None:
    """A third of five nodes is not hurt while two are, whatever the schedule says."""
    played = stage(
        "mix_s: 1\nfaults:\n"
        "  - {name: one, kill: {}, weight: 1, down_s: 1}\n"
        "  - {name: two, pause: {}, weight: 1, for_s: 1}\n"
        "  - {name: three, kill: {}, weight: 1, down_s: 1}\n"
    )
    played.had("one", "two", "three")
    played.again("one", "two", "three")
    assert [outcome for _, _, outcome in played.told()] == ["installed", "installed", "skipped"]
    assert "budget: nodes [3, 4, 5]" in played.events()[-1]["value"]["evidence"]["why"]


def test_excluded_is_skipped(stage: Callable[..., Stage]) -> None:
    """A second cut beside the first is skipped and names the first."""
    played = stage(
        "mix_s: 1\nfaults:\n"
        "  - {isolate: {}, weight: 1, for_s: 1}\n  - {partition-ring: {}, weight: 1, for_s: 1}\n"
    )
    played.had("isolate", "partition-ring")
    played.again("isolate", "partition-ring")
    assert [outcome for _, _, outcome in played.told()] == ["installed", "skipped"]
    assert "excluded by 'isolate'" in played.events()[-1]["value"]["evidence"]["why"]


def test_a_planned_fault_waits_for_those_that_recover(stage: Callable[..., Stage]) -> None:
    """Nodes that no fault holds any more and that do not serve yet are waited for, not passed."""
    quorum = FakeQuorum()
    played = stage(
        "faults:\n  - {kill: {target: minority}, down_s: 1}\n  - {isolate: {target: leader}}\n",
        quorum,
    )
    kill, isolate = played.injections
    played.nemesis.inject(kill)
    quorum.slow_to_serve = set(kill.nodes)
    played.nemesis.heal(kill)
    for _ in range(3):
        played.nemesis.inject(isolate)
    assert (isolate.state, len(played.told())) == ("pending", 2)
    assert "budget: nodes" in isolate.waits_for
    quorum.slow_to_serve = set()
    played.nemesis.inject(isolate)
    assert played.told()[-1] == ("isolate", "inject", "installed")


def test_a_planned_fault_waits_for_one_whose_end_is_set(stage: Callable[..., Stage]) -> None:
    """A cut whose time runs is waited for by the next cut; one that stays is not."""
    played = stage(
        "faults:\n  - {isolate: {}, at: {acknowledged: 1}, for_s: 1}\n"
        "  - {name: next, partition-ring: {}, at: {acknowledged: 2}}\n"
        "  - {name: last, partition-ring: {}, at: {acknowledged: 3}}\n"
    )
    isolate, ring, last = played.injections
    played.nemesis.inject(isolate)
    played.nemesis.inject(ring)
    assert ring.state == "pending"
    played.nemesis.heal(isolate)
    played.nemesis.inject(ring)
    played.nemesis.inject(last)
    assert played.told()[-2:] == [("next", "inject", "installed"), ("last", "inject", "skipped")]


def test_time_in_which_another_fault_holds_up_the_nemesis_is_no_wait() -> None:
    """One try a minute is two tries, and not a minute in which nothing was to be had."""
    rare, often = (Injection(planned=mock.Mock(), entry=mock.Mock()) for _ in range(2))
    obstacle = Obstacle(why="budget", within_s=30.0)
    assert all(still_waits(rare, obstacle, 60.0 * n) for n in range(30))
    assert [still_waits(often, obstacle, 0.5 * n) for n in (*range(60), 60)] == [True] * 60 + [
        False
    ]


def test_a_planned_cut_waits_for_a_connected_client(stage: Callable[..., Stage]) -> None:
    """During an election no client is connected: its cut is not skipped, but comes after it."""
    played = stage("faults: [{client-cut: {number: 0}, first_s: 0, for_s: 1}]")
    (cut,), connected = played.injections, played.clients.connected
    played.clients.connected = dict.fromkeys(connected, 0)
    for _ in range(3):
        played.nemesis.inject(cut)
    assert (cut.state, played.told()) == ("pending", [])
    assert "got none of 3 that run" in cut.waits_for
    played.clients.connected = connected
    played.nemesis.inject(cut)
    assert played.told() == [("client-cut", "inject", "installed")]


def test_a_cut_of_a_mix_does_not_wait(stage: Callable[..., Stage]) -> None:
    """A random mix goes on to its next draw."""
    played = stage("mix_s: 9\nfaults: [{client-cut: {}, weight: 1, for_s: 1}]")
    played.had("client-cut")
    played.clients.connected = dict.fromkeys(played.clients.connected, 0)
    played.again("client-cut")
    assert played.told() == [("client-cut", "inject", "skipped")]


def test_a_draw_of_a_mix_waits_if_its_entry_was_never_installed(
    stage: Callable[..., Stage],
) -> None:
    """A run without one of its faults proves nothing, so the first one is worth a wait."""
    played = stage(
        "mix_s: 1\nfaults:\n"
        "  - {isolate: {}, weight: 1, for_s: 1}\n  - {partition-ring: {}, weight: 1, for_s: 1}\n"
    )
    isolate, ring = played.draws("isolate")[0], played.draws("partition-ring")[0]
    played.nemesis.inject(isolate)
    played.nemesis.inject(ring)
    assert (ring.state, "excluded by 'isolate'" in ring.waits_for) == ("pending", True)
    played.nemesis.heal(isolate)
    played.nemesis.inject(ring)
    assert played.told()[-1] == ("partition-ring", "inject", "installed")


def test_room_is_kept_for_a_draw_that_waits(stage: Callable[..., Stage]) -> None:
    """What needs two servers finds them, though single ones are wanted all the time."""
    played = stage(
        "mix_s: 1\nfaults:\n"
        "  - {name: one, kill: {target: {node: 1}}, weight: 1, down_s: 1}\n"
        "  - {name: two, pause: {target: {node: 2}}, weight: 1, for_s: 1}\n"
        "  - {partition-halves: {}, weight: 1, for_s: 1}\n"
        "  - {slow-disk: {}, weight: 1, for_s: 1}\n"
        "cluster: {disk_shim: true}\n"
    )
    played.had("one", "two")
    played.again("one")
    halves = played.draws("partition-halves")[0]
    played.nemesis.inject(halves)
    played.again("two")
    assert played.told()[-1] == ("two", "inject", "skipped")
    assert "room is kept for 'partition-halves'" in played.events()[-1]["value"]["evidence"]["why"]
    played.nemesis.inject(played.draws("slow-disk")[0])
    assert played.told()[-1] == ("slow-disk", "inject", "installed")
    played.nemesis.heal(played.draws("one")[1])
    played.nemesis.inject(halves)
    assert played.told()[-1] == ("partition-halves", "inject", "installed")
    played.nemesis.heal(halves)
    played.nemesis.inject(played.draws("two")[2])
    assert played.told()[-1] == ("two", "inject", "installed")


def test_room_is_kept_no_longer_than_somebody_waits(
    stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A draw that has waited long enough is skipped, and the others go on."""
    played = stage(
        "mix_s: 1\nfaults:\n"
        "  - {name: one, kill: {target: {node: 1}}, weight: 1, down_s: 1}\n"
        "  - {name: two, pause: {target: {node: 2}}, weight: 1, for_s: 1}\n"
        "  - {partition-halves: {}, weight: 1, for_s: 1}\n"
    )
    played.had("one", "two")
    played.again("one")
    halves = played.draws("partition-halves")[0]
    played.nemesis.inject(halves)
    monkeypatch.setattr("harness.nemesis.admission.WITHIN_S", 0.0)
    played.nemesis.inject(halves)
    played.again("two")
    assert [outcome for _, _, outcome in played.told()[-2:]] == ["skipped", "installed"]


def test_room_is_kept_for_the_next_that_waits(stage: Callable[..., Stage]) -> None:
    """One that has waited in vain keeps room from nobody, and for nobody else either."""
    played = stage(
        "mix_s: 1\nfaults:\n"
        "  - {name: one, kill: {target: {node: 1}}, weight: 1, down_s: 1}\n"
        "  - {name: two, pause: {target: {node: 2}}, weight: 1, for_s: 1}\n"
        "  - {partition-halves: {}, weight: 1, for_s: 1}\n"
        "  - {partition-ring: {}, weight: 1, for_s: 1}\n"
        "  - {isolate: {target: {node: 3}}, weight: 1, for_s: 1}\n"
    )
    played.had("one", "two", "isolate")
    played.again("one")
    halves, next_ = played.draws("partition-halves")[:2]
    played.nemesis.inject(halves)
    halves.waited_s = 60.0
    played.nemesis.inject(halves)
    assert played.told()[-1] == ("partition-halves", "inject", "skipped")
    played.nemesis.inject(next_)
    played.again("two")
    assert played.told()[-1] == ("two", "inject", "skipped")
    assert "room is kept for 'partition-halves'" in played.events()[-1]["value"]["evidence"]["why"]


def test_what_did_not_bite_was_not_installed(stage: Callable[..., Stage]) -> None:
    """The next draw of the entry waits as the first would have."""
    played = stage(
        "mix_s: 1\nfaults:\n"
        "  - {isolate: {}, weight: 1, for_s: 1}\n  - {partition-ring: {}, weight: 1, for_s: 1}\n",
        FakeQuorum(numb=True),
    )
    ring, again = played.draws("partition-ring")[:2]
    played.nemesis.inject(ring)
    played.nemesis.heal(ring)
    played.nemesis.inject(played.draws("isolate")[0])
    played.nemesis.inject(again)
    assert (again.state, played.told()[0][2]) == ("pending", "indeterminate")


def test_who_waited_in_vain_says_for_what(
    stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time to wait, or at the end of the phase, an entry tells what was in its way."""
    played = stage(
        "faults:\n  - {isolate: {}, at: {acknowledged: 1}, for_s: 1}\n"
        "  - {name: next, partition-ring: {}, at: {acknowledged: 2}}\n"
        "  - {name: last, partition-ring: {}, at: {acknowledged: 3}}\n"
    )
    isolate, ring, last = played.injections
    for injection in (isolate, ring, last):
        played.nemesis.inject(injection)
    played.nemesis.never_fired(ring)
    monkeypatch.setattr("harness.nemesis.admission.WITHIN_S", 0.0)
    played.nemesis.inject(last)
    assert [outcome for _, _, outcome in played.told()] == ["installed", "indeterminate", "skipped"]
    assert all(
        "excluded by 'isolate'" in e["value"]["evidence"]["why"] for e in played.events()[1:]
    )


def test_waiting_changes_nothing_of_whom_it_hits(stage: Callable[..., Stage]) -> None:
    """Whom a fault draws does not depend on how often it was asked before there was room."""
    text = "seed: 3\nfaults: [{isolate: {target: leader}, for_s: 1}, {one-way: {target: follower}}]"
    drawn = []
    for tries in (1, 4):
        played = stage(text)
        isolate, one_way = played.injections
        played.nemesis.inject(isolate)
        for _ in range(tries - 1):
            played.nemesis.inject(one_way)
        played.nemesis.heal(isolate)
        played.nemesis.inject(one_way)
        drawn.append(one_way.nodes)
    assert drawn[0] == drawn[1]


def test_replaces_goes_over_at_once(stage: Callable[..., Stage]) -> None:
    """`replaces` ends the old cut with the new one; nothing is healed in between."""
    played = stage(
        "bind: {l: leader, a: a follower, b: a follower, c: a follower, d: a follower}\n"
        "budget: majority\nfaults:\n"
        "  - {name: cut, partition: {groups: [[l, a, b], [c, d]]}}\n"
        "  - {partition: {groups: [[a, b], [c, d, l]]}, replaces: cut}\n"
    )
    played.all()
    assert played.told() == [
        ("cut", "inject", "installed"),
        ("partition", "inject", "installed"),
        ("cut", "heal", "installed"),
    ]
    assert list(played.quorum.ledger.entries) == [1]
    assert len(played.quorum.rules["cut"]) == 5


def test_start_ends_the_kill(stage: Callable[..., Stage]) -> None:
    """A server that was started is held by its kill no more, so the budget is free again."""
    played = stage(
        "bind: {l: leader}\nfaults:\n"
        "  - {kill: {target: l}}\n  - {start: {target: l}, until: {node: l, mode: serving}}\n"
    )
    played.all()
    assert ("kill", "heal", "installed") in played.told()
    assert played.quorum.ledger.entries == {}


def test_heal_all_is_newest_first(stage: Callable[..., Stage]) -> None:
    """`heal: all` undoes everything in force, the newest first."""
    played = stage("faults:\n  - {kill: {target: follower}}\n  - {isolate: {}}\n  - {heal: all}\n")
    played.all()
    healed = [name for name, phase, _ in played.told() if phase == "heal"]
    assert healed == ["isolate", "kill"]


def test_the_ledger_comes_first(stage: Callable[..., Stage]) -> None:
    """When a fault begins, the ledger on disk already says how to undo it."""

    class Watching(FakeQuorum):
        def drop(self, rule: str, drops: Any) -> dict[str, Any]:
            seen.append([entry["fault"] for entry in self.ledger.entries.values()])
            return super().drop(rule, drops)

    seen: list[list[str]] = []
    stage("faults: [{isolate: {}, first_s: 0, for_s: 1}]", Watching()).all()
    assert seen == [["isolate"]]


def test_a_failing_fault_is_indeterminate_and_raised(stage: Callable[..., Stage]) -> None:
    """A nemesis that throws records that it does not know, leaves the entry open, and raises."""

    class Broken(FakeQuorum):
        def drop(self, rule: str, drops: Any) -> dict[str, Any]:
            raise TargetError("node 3: no answer")

    quorum = Broken()
    played = stage("faults: [{isolate: {}, first_s: 0, for_s: 1}]", quorum)
    with pytest.raises(TargetError, match="no answer"):
        played.all()
    assert played.told() == [("isolate", "inject", "indeterminate")]
    assert len(quorum.ledger.entries) == 1


def test_victims_are_each_fault_own(stage: Callable[..., Stage]) -> None:
    """Whom a fault draws depends on the seed and its own name, not on the faults around it."""
    alone = stage("seed: 7\nfaults: [{name: k, kill: {target: follower}, down_s: 1}]").all()
    beside = stage(
        "seed: 7\nfaults:\n  - {pause: {target: follower}, for_s: 1}\n"
        "  - {name: k, kill: {target: follower}, down_s: 1}\n"
    )
    beside.nemesis.inject(beside.injections[0])
    beside.nemesis.heal(beside.injections[0])
    beside.nemesis.inject(beside.injections[1])
    assert beside.injections[1].nodes == alone[0].nodes


def test_a_paused_client_is_healed_by_its_number(stage: Callable[..., Stage]) -> None:
    """Whom a client fault hurt stands in the undo ledger, and is healed whoever else has ended."""
    played = stage("faults: [{client-pause: {number: 1}, first_s: 0, for_s: 1}]")
    (pause,) = played.all()
    assert [entry["clients"] for entry in played.quorum.ledger.entries.values()] == [[1]]
    played.clients.crash(0)
    played.nemesis.heal(pause)
    assert played.clients.states == {0: "dead", 1: "running", 2: "running"}


def test_client_faults_need_no_node(stage: Callable[..., Stage]) -> None:
    """A fault of clients resolves no node and hits the clients of its workload."""
    played = stage("faults: [{client-crash: {workload: put-all, number: 1}, first_s: 0}]")
    played.all()
    assert played.told() == [("client-crash", "inject", "installed")]
    assert played.said == ["client-crash number 1 of put-all clients: installed"]
    assert played.clients.states == {0: "running", 1: "dead", 2: "running"}


@pytest.mark.parametrize("kind", list(faults))
def test_a_setting_that_no_fault_has_is_refused(kind: str) -> None:
    """A misspelt key by hand is an error, as in a scenario; it never means the default."""
    with pytest.raises(ScenarioError, match=r"expected .*, got 'percnt'"):
        undo.fault_of(kind, {**REQUIRED.get(kind, {}), "percnt": 20})


def test_a_ledger_says_what_is_in_force_and_until_when() -> None:
    """`status` and `top` tell when a fault ends, also one that ought to be over."""
    kill = undo.fault_of("kill", {"wipe": True})
    entry = undo.entry(kind="kill", fault=kill, id=1, name="kill", nodes=[5])
    assert undo.told(entry, range(1, 6), 100.0) == "kill+wipe node 5, until it is healed"
    due = entry | {"due_s": 143.2}
    assert undo.told(due, range(1, 6), 100.0) == "kill+wipe node 5, ends in 43 s"
    assert undo.told(due, range(1, 6), 150.2) == "kill+wipe node 5, was to end 7 s ago"
    by_hand = entry | {"until_s": 160.0, "name": "mine"}
    assert undo.told(by_hand, range(1, 6), 100.0) == "mine: kill+wipe node 5, ends in 60 s"


def test_a_fault_that_ends_by_itself_says_so_in_the_ledger(stage: Callable[..., Stage]) -> None:
    """Another process can tell how long a run's fault still lasts."""
    played = stage("faults: [{kill: {}, first_s: 0, down_s: 30}, {pause: {target: {node: 1}}}]")
    played.all()
    (kill, pause) = played.quorum.ledger.entries.values()
    assert 0 < kill["due_s"] - time.clock_gettime(time.CLOCK_BOOTTIME) <= 30
    assert pause["due_s"] is None


@pytest.mark.parametrize("quiet", [False, True])
def test_by_hand_a_thread_is_waited_for(quiet: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 -- a case
    """A failpoint by hand bites if a thread comes in time, and then says which node it stopped."""
    monkeypatch.setattr(by_hand, "BITES_WITHIN_S", 0.0)
    quorum = FakeQuorum()
    quorum.nodes[5].quiet = quiet
    injected = by_hand.inject(
        quorum, "failpoint", REQUIRED["failpoint"], id=1, in_force=[], until_s=60
    )
    assert (injected.nodes, injected.bit) == ([5], not quiet)
    assert quorum.ledger.entries, "heal finds it"


def test_a_point_by_hand_is_checked_as_in_a_scenario() -> None:
    """The mistake is told with what was expected."""
    with pytest.raises(ScenarioError, match=r"failpoint.point: expected one of those .*got 'x'"):
        undo.fault_of("failpoint", {"point": "x", "do": "pause"})


def test_a_fault_of_a_host_hits_all_nodes_of_its_targets_host(stage: Callable[..., Stage]) -> None:
    """Node 5 leads, and node 2 is on its host; healing starts both."""
    text = "cluster: {engines: [a, b, c]}\n"
    played = stage(f"{text}faults: [{{host-down: {{target: leader}}, first_s: 0, down_s: 1}}]")
    (down,) = played.all()
    assert [id for id, node in played.quorum.nodes.items() if not node.up] == [2, 5]
    assert down.nodes == [2, 5]
    played.nemesis.heal(down)
    assert all(node.up for node in played.quorum.nodes.values())
    assert played.said[0] == "host-down nodes 2, 5 (leader 5): installed"
