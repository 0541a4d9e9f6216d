"""The faults of one phase: when they are injected, and how they end."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.common.harness_errors import RunError, TargetError, UnsupportedError
from harness.common.polling import wait_until
from harness.nemesis.phase_faults import PhaseOfFaults
from worlds.faults.fake_quorum import FakeQuorum
from worlds.faults.stage import Stage

Played = Callable[..., Stage]


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Played]:
    """Return a function that plays a scenario's faults until all are over."""
    monkeypatch.setattr("harness.nemesis.phase_faults.TICK_S", 0.001)
    monkeypatch.setattr("harness.faults.packets.drop_rules.BITES_WITHIN_S", 0.0)
    with ExitStack() as after:

        def play(text: str, quorum: FakeQuorum | None = None, acknowledged: int = 0) -> Stage:
            stage = Stage(tmp_path, text, quorum or FakeQuorum())
            after.callback(stage.close)
            with stage.phase() as faults:
                stage.progress.add({"acknowledged": acknowledged})
                assert wait_until(lambda: faults.over, within_s=60, every_s=0.001)
            return stage

        yield play


def test_without_times_one_follows_the_other(played: Played) -> None:
    """Entries without a time wait until the one before is healed, and a cut excludes none then."""
    stage = played("faults: [{isolate: {}, for_s: 0.01}, {partition-ring: {}, for_s: 0}]")
    assert [(name, phase) for name, phase, _ in stage.told()] == [
        ("isolate", "inject"),
        ("isolate", "heal"),
        ("partition-ring", "inject"),
        ("partition-ring", "heal"),
    ]


def test_what_found_no_room_is_injected_when_there_is(played: Played) -> None:
    """A fault due while another cut's time runs comes after it, and so does no heal come late."""
    stage = played(
        "faults:\n  - {isolate: {}, at: {acknowledged: 1}, for_s: 0.05}\n"
        "  - {partition-ring: {}, at: {acknowledged: 2}, for_s: 0}\n",
        acknowledged=2,
    )
    assert {outcome for _, _, outcome in stage.told()} == {"installed"}
    isolate_healed, ring = (stage.events()[n]["time_ns"] for n in (1, 2))
    assert isolate_healed <= ring


def test_a_fault_that_is_over_does_not_wait_for_those_that_are_due(played: Played) -> None:
    """Many injections that are due at once each take a while; heals come between them."""
    stage = played(
        "faults:\n  - {kill: {target: {node: 1}}, first_s: 0, down_s: 0}\n"
        "  - {pause: {target: {node: 2}}, first_s: 0, for_s: 0}\n"
        "  - {loss: {target: {node: 3}}, first_s: 0, for_s: 0}\n"
    )
    assert [(name, phase) for name, phase, _ in stage.told()] == [
        (name, phase) for name in ("kill", "pause", "loss") for phase in ("inject", "heal")
    ]


def test_a_trigger_counts_from_the_start_of_the_phase(played: Played) -> None:
    """What was acknowledged before the phase does not count for its triggers."""
    stage = played("faults: [{kill: {}, at: {acknowledged: 3}, down_s: 0}]", acknowledged=3)
    assert stage.told()[0] == ("kill", "inject", "installed")
    stage.injections[0].state, stage.injections[0].came_s = "pending", None
    with stage.phase() as faults:
        time.sleep(0.02)
        assert not faults.over


def test_times_count_from_the_first_calls(played: Played) -> None:
    """A fault due at once waits for the context, and its time then counts from there."""
    stage = played("faults: [{kill: {}, first_s: 0, down_s: 0}]")
    phase = stage.phase()
    made_s = phase.began_s
    time.sleep(0.01)
    with phase as faults:
        assert faults.began_s > made_s


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TargetError("node 3: no answer"), "node 3: no answer"),
        (NotImplementedError(), "NotImplementedError"),  # all that it tells is its type
    ],
)
def test_a_nemesis_that_throws_fails_the_run(played: Played, error: Exception, told: str) -> None:
    """What the nemesis throws in its thread is raised in the run's, with a word about it."""

    class Broken(FakeQuorum):
        def drop(self, rule: str, drops: Any) -> dict[str, Any]:
            raise error

    with pytest.raises(RunError, match=f"nemesis: {told}"):
        played("faults: [{isolate: {}, for_s: 1}]", Broken())


def seen_within(faults: PhaseOfFaults, wanted: Callable[[], bool]) -> None:
    """Wait for what the nemesis must do."""

    def look() -> bool:
        faults.raise_failure()
        return wanted()

    assert wait_until(look, within_s=60, every_s=0.001)


def test_each_new_leader_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`times` beside an event: one round an election, and none for one that was before it."""
    monkeypatch.setattr("harness.nemesis.phase_faults.TICK_S", 0.001)
    text = "faults: [{kill: {}, at: {event: leader-elected}, times: 3, down_s: 0}]"
    stage = Stage(tmp_path, text, FakeQuorum())

    def kills() -> int:
        return sum(told == ("kill", "inject", "installed") for told in stage.told())

    with stage.phase() as faults:
        for number in (1, 2, 3):
            stage.progress.elections += 1
            seen_within(faults, lambda number=number: kills() == number)  # type: ignore[misc]
            time.sleep(0.02)
            assert kills() == number
        seen_within(faults, lambda: faults.over)
    stage.close()
    assert [i.planned.round for i in stage.injections] == [0, 1, 2]


def held_until(event: threading.Event, call: Callable[[], Any]) -> Callable[[], Any]:
    """Return the call, which waits for the event."""

    def held() -> Any:
        assert event.wait(60)
        return call()

    return held


def test_an_election_while_a_round_lasts_counts_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next round waits until the one before is healed, and then for no further election."""
    monkeypatch.setattr("harness.nemesis.phase_faults.TICK_S", 0.001)
    text = "faults: [{kill: {}, at: {event: leader-elected}, times: 2, down_s: 0}]"
    quorum, counted = FakeQuorum(), threading.Event()
    for node in quorum.nodes.values():
        node.start = held_until(counted, node.start)  # type: ignore[method-assign]
    stage = Stage(tmp_path, text, quorum)
    with stage.phase() as faults:
        stage.progress.elections += 1
        seen_within(faults, lambda: len(stage.told()) == 1)
        stage.progress.elections += 1
        counted.set()
        seen_within(faults, lambda: faults.over)
    stage.close()
    assert [phase for _, phase, _ in stage.told()] == ["inject", "heal"] * 2


def test_counts_add_up(played: Played) -> None:
    """`times` beside a count: the next round at twice the count, and not before."""
    text = "faults: [{kill: {}, at: {acknowledged: 3}, times: 2, down_s: 0}]"
    stage = played(text, acknowledged=6)
    assert [told[1] for told in stage.told()] == ["inject", "heal"] * 2
    stage.injections[1].state, stage.injections[1].came_s = "pending", None
    with stage.phase() as faults:
        stage.progress.add({"acknowledged": 5})
        time.sleep(0.02)
        assert not faults.over


def test_jitter_is_waited_for(played: Played) -> None:
    """An injection comes `late_s` after its trigger, as planned."""
    text = "faults: [{kill: {}, at: {acknowledged: 1}, jitter_s: 0.2, down_s: 0}]"
    stage = played(text, acknowledged=1)
    (kill,) = stage.injections
    assert kill.came_s is not None
    assert stage.events()[0]["time_ns"] / 1e9 - kill.came_s >= kill.planned.late_s > 0


POINT = "Leader.shutdown:enter"
AT = f'at: {{failpoint: {{node: 2, point: "{POINT}", nth: 3}}}}'


def test_a_thread_waits_at_its_point_until_the_fault_is_injected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule is in force from the phase's start, while the fault is injected, and no longer."""
    monkeypatch.setattr("harness.nemesis.failpoint_watch.PERIOD_S", 0.0)
    quorum, held = FakeQuorum(), list[bool]()
    node, kill = quorum.nodes[2], quorum.nodes[2].kill
    node.quiet = True

    def killed() -> dict[str, Any]:
        held.append(bool(node.failpoints))
        return kill()

    monkeypatch.setattr(node, "kill", killed)
    stage = Stage(tmp_path, f"faults: [{{kill: {{target: {{node: 2}}}}, {AT}, down_s: 0}}]", quorum)
    with stage.phase() as faults:
        (rule,) = quorum.nodes[2].failpoints.values()
        assert (rule.point, rule.effect, rule.nth, rule.times) == (POINT, "pause", 3, 1)
        assert rule.most_ms is not None, "a thread that nobody lets go on goes on by itself"
        time.sleep(0.02)
        assert stage.told() == [], "no thread has come"
        quorum.nodes[2].quiet = False
        seen_within(faults, lambda: faults.over)
    stage.close()
    assert held == [True]
    assert quorum.nodes[2].failpoints == {}
    assert stage.events()[0]["value"]["evidence"]["trigger"]["point"] == POINT


def test_a_trigger_whose_point_nobody_comes_to_leaves_nothing(tmp_path: Path) -> None:
    """It ends `indeterminate` with its phase, and its rule is off."""
    quorum = FakeQuorum()
    quorum.nodes[2].quiet = True
    stage = Stage(tmp_path, f"faults: [{{kill: {{}}, {AT}, down_s: 0}}]", quorum)
    with stage.phase():
        assert quorum.nodes[2].failpoints
    stage.close()
    assert stage.told() == [("kill", "inject", "indeterminate")]
    assert quorum.nodes[2].failpoints == {}


def test_a_trigger_that_the_server_cannot_wait_at_is_skipped(played: Played) -> None:
    """A point that this build lacks is told; nothing is injected."""
    quorum = FakeQuorum()

    def refuse(name: str, rule: object) -> dict[str, Any]:
        raise UnsupportedError(f"node 2: its ZooKeeper has no point {POINT}")

    quorum.nodes[2].set_failpoint = refuse  # type: ignore[method-assign]
    stage = played(f"faults: [{{kill: {{}}, {AT}, down_s: 0}}]", quorum)
    assert stage.told() == [("kill", "inject", "skipped")]
    assert quorum.nodes[5].up


HALT = f'failpoint: {{target: {{node: 2}}, point: "{POINT}", do: halt}}'


def test_a_failpoint_waits_while_others_are_injected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told when a thread came, its time counts from then, and what follows does not wait."""
    monkeypatch.setattr("harness.nemesis.nemesis.LOOK_S", 0.0)
    quorum = FakeQuorum()
    quorum.nodes[2].quiet = True
    text = f"faults: [{{{HALT}, first_s: 0, for_s: 0.01}}, {{pause: {{}}, first_s: 0, for_s: 0}}]"
    stage = Stage(tmp_path, text, quorum)
    with stage.phase() as faults:
        seen_within(faults, lambda: ("pause", "heal", "installed") in stage.told())
        time.sleep(0.03)
        assert not faults.over
        quorum.nodes[2].quiet = False
        seen_within(faults, lambda: faults.over)
    stage.close()
    assert stage.told()[2:] == [
        ("failpoint", "inject", "installed"),
        ("failpoint", "heal", "installed"),
    ]
    assert quorum.nodes[2].up


def test_a_failpoint_without_an_end_is_told_when_it_bites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it is over for the schedule, the phase goes on looking for a thread."""
    monkeypatch.setattr("harness.nemesis.nemesis.LOOK_S", 0.0)
    quorum = FakeQuorum()
    quorum.nodes[2].quiet = True
    stage = Stage(tmp_path, f"faults: [{{{HALT}, first_s: 0}}]", quorum)
    with stage.phase() as faults:
        seen_within(faults, lambda: faults.over)
        quorum.nodes[2].quiet = False
        seen_within(faults, lambda: stage.told() == [("failpoint", "inject", "installed")])
    stage.nemesis.heal_all()
    stage.close()
    assert stage.told()[1:] == [("failpoint", "heal", "installed")]


def test_a_failpoint_that_nobody_comes_to_is_indeterminate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was seen of it at last is told, and then that it is off."""
    monkeypatch.setattr("harness.nemesis.nemesis.LOOK_S", 0.0)
    quorum = FakeQuorum()
    quorum.nodes[2].quiet = True
    stage = Stage(tmp_path, f"faults: [{{{HALT}, first_s: 0}}]", quorum)
    with stage.phase() as faults:
        seen_within(faults, lambda: faults.over)
    assert stage.told() == []
    stage.nemesis.heal_all()
    stage.close()
    assert stage.told() == [
        ("failpoint", "inject", "indeterminate"),
        ("failpoint", "heal", "installed"),
    ]
    assert quorum.nodes[2].failpoints == {}
