"""`harness status` beside runs that come and go."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster import starting
from cluster.cluster_errors import ClusterError, ContainerGoneError
from cluster.engine import fleet, labels, leftovers
from cluster.engine.fleet import Fleet
from cluster.engine.leftovers import HeldRun
from harness.commands.manual import quorum_command
from harness.common.harness_errors import ScenarioError


@pytest.mark.parametrize("step", ["attach", "table"])
@pytest.mark.parametrize(
    ("trouble", "shown"),
    [
        (ContainerGoneError("expected containers of it, got none"), "it has just ended"),
        (
            ClusterError("node 1: its sandbox is not running"),
            "not shown: node 1: its sandbox is not running",
        ),
    ],
    ids=["gone", "half there"],
)
def test_a_quorum_that_comes_or_goes_while_it_is_shown_is_no_failure(
    step: str,
    trouble: ClusterError,
    shown: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A run whose containers end, or do not run yet, is told, and the next one is shown."""
    runs = [SimpleNamespace(run=name, by_hand=False, left=False) for name in ("gone", "there")]

    def attach(_: object, run: str) -> str:
        return end("attach", run)

    def end(now: str, run: str) -> str:
        if (now, run) == (step, "gone"):
            raise trouble
        return run

    monkeypatch.setattr(fleet, "find", lambda: Fleet(hosts=[], unreached={}))
    monkeypatch.setattr(leftovers, "runs", lambda _: runs)
    monkeypatch.setattr(starting, "attach", attach)
    monkeypatch.setattr(
        quorum_command.hurting, "status_table", lambda shown: f"table of {end('table', shown)}"
    )
    monkeypatch.setattr(quorum_command.hurting, "in_force", lambda _: "")
    monkeypatch.setattr(quorum_command.standing, "told", lambda _: "")
    quorum_command.status()
    told = capsys.readouterr().out
    assert shown in told
    assert "table of there" in told


HERE = labels.checkout()


@pytest.mark.parametrize(
    ("words", "removed"),
    [
        ({}, ["mine"]),
        ({"everything": True}, ["mine", "other", "old"]),
        ({"run": "other"}, ["other"]),
    ],
    ids=["its own", "--all", "--run"],
)
def test_down_removes_what_this_checkout_started(
    words: dict[str, Any],
    removed: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Another checkout's quorum stays and is named, unless asked for; a run's always stays."""
    gone = standing(monkeypatch)
    quorum_command.down(**words)
    assert gone == removed
    told = capsys.readouterr().out
    assert ("left quorum other, started from /elsewhere; --all" in told) is (words == {})


def test_down_refuses_a_run_in_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--run` with the id of a run, or of nothing, says which quorums there are."""
    gone = standing(monkeypatch)
    with pytest.raises(ScenarioError, match=r"started by hand \(mine, other, old\), got 'busy'"):
        quorum_command.down(run="busy")
    assert gone == []


def standing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have quorums of several origins up; return the list of those that are removed."""
    places = {"mine": HERE, "other": "/elsewhere", "old": ""}
    held = [
        HeldRun(run=run, by_hand=True, left=False, checkout=place) for run, place in places.items()
    ]
    held.append(HeldRun(run="busy", by_hand=False, left=False, checkout=HERE))
    gone: list[str] = []
    monkeypatch.setattr(fleet, "find", lambda: Fleet(hosts=[], unreached={}))
    monkeypatch.setattr(leftovers, "runs", lambda _: held)
    monkeypatch.setattr(leftovers, "remove_run", lambda _, run: gone.append(run))
    return gone


def test_what_is_started_here_says_where_it_comes_from() -> None:
    """The label that `down` goes by is on everything of a run."""
    tags = labels.of_run("x", labels.Owner.me(), by_hand=True)
    assert leftovers._held("x", tags).checkout == HERE
    assert Path(HERE, "cluster", "engine").is_dir()
