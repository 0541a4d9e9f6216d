"""What a run does first, and `harness clean` at its end: heal what killed injectors left."""

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster import starting
from cluster.cluster_errors import ClusterError, ContainerGoneError
from cluster.engine import fleet, ledger, leftovers, turns
from cluster.engine.fleet import Fleet
from cluster.engine.hosts import Host
from harness.commands.manual import faults_command
from harness.common.harness_errors import TargetError
from harness.nemesis import by_hand, undo

TROUBLE = ClusterError("node 1: its sandbox is not running")


@pytest.fixture
def healed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Three quorums with faults left: one has ended, one cannot be healed, one can; the healed."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    held = [SimpleNamespace(run=run) for run in ("ended", "broken", "hurt")]
    done: list[str] = []

    def attach(_: object, run: str) -> SimpleNamespace:
        if run == "ended":
            raise ContainerGoneError("quorum ended: expected containers of it, got none")
        return SimpleNamespace(run=run, ledger=None)

    def heal(hurt: SimpleNamespace, *_: object) -> list[str]:
        if hurt.run == "broken":
            raise TROUBLE
        done.append(hurt.run)
        return ["pause"]

    monkeypatch.setattr(fleet, "find", lambda: Fleet(hosts=list[Host](), unreached={}))
    monkeypatch.setattr(leftovers, "runs", lambda _: held)
    monkeypatch.setattr(leftovers, "clean", lambda *_, **__: [])
    monkeypatch.setattr(ledger.LedgerFile, "left", lambda _: [{"id": 1}])
    monkeypatch.setattr(starting, "attach", attach)
    monkeypatch.setattr(undo, "heal", heal)
    return done


def test_a_quorum_that_cannot_be_healed_does_not_keep_the_others_hurt(healed: list[str]) -> None:
    """All that can be are healed; then the error says what could not."""
    with pytest.raises(TargetError, match="its sandbox is not running"):
        faults_command.heal_left(fleet.find(), lambda _: None)
    assert healed == ["hurt"]


def test_a_quorum_that_another_process_removes_is_healed_by_its_end(
    healed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is healed in the middle of its removal, and that its faults went with it is fine."""
    gone = set[str]()
    attach = starting.attach

    def attached(hosts: Any, run: str) -> Any:
        if run in gone:
            raise ContainerGoneError(f"quorum {run}: expected containers of it, got none")
        return attach(hosts, run)

    monkeypatch.setattr(starting, "attach", attached)
    with contextlib.ExitStack() as other:
        other.enter_context(turns.turn("broken"))

        def patience(look: Any, **_: Any) -> Any:
            if not (seen := look()):
                gone.add("broken")
                other.close()
                seen = look()
            return seen

        monkeypatch.setattr(turns, "wait_until", patience)
        faults_command.heal_left(fleet.find(), lambda _: None)
    assert gone == {"broken"}
    assert healed == ["hurt"]


@pytest.mark.parametrize(
    ("lasts_s", "term_s"), [([], {10}), ([5.0], {10}), ([600.0, 90.0], {600, 601})]
)
def test_a_short_fault_does_not_end_a_longer_one(
    monkeypatch: pytest.MonkeyPatch, lasts_s: list[float], term_s: set[int]
) -> None:
    """A sandbox has one lease, and ends all of its rules with it."""
    up_s = ledger.uptime_s()
    entries = [{"id": n, "until_s": up_s + last_s} for n, last_s in enumerate(lasts_s)]
    terms = list[int]()
    hurt = SimpleNamespace(
        limit_faults=terms.append,
        ledger=SimpleNamespace(open=lambda: [*entries, {"id": 9}]),
    )
    monkeypatch.setattr(faults_command, "the_quorum", lambda _: hurt)
    injected = by_hand.Injected(nodes=[1], what="loss node 1", evidence={}, bit=True)
    monkeypatch.setattr(by_hand, "inject", lambda *_, **__: injected)
    assert faults_command.inject("loss", "leader", for_s=10) == 0
    assert term_s.issuperset(terms)


def test_a_run_begins_beside_a_quorum_that_cannot_be_healed(healed: list[str]) -> None:
    """What another quorum suffers is told, and is no reason not to run."""
    told: list[str] = []
    faults_command.tidy(told.append)
    assert healed == ["hurt"]
    assert told[-1] == f"could not tidy up what killed runs had left: {TROUBLE}"
