"""Names and roles of a scenario, and the nodes that they mean in a run."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.common.harness_errors import RunError
from harness.common.server_states import NodeStatus
from harness.nemesis import aim
from harness.nemesis.aim import Aim
from harness.scenario import loading

SCENARIO = """
description: names
cluster: {nodes: [{}, {}, {}, {role: observer}]}
bind: {o: an observer, f: a follower}
workload: [{put-all: {count: 10}}, {check-all: {}}]
"""
SERVING = ["leader", "follower", "follower", "observer"]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Aim:
    """Return what resolves the names of a scenario with an observer; it waits without time."""
    monkeypatch.setattr(aim, "LOOK_S", 0.0)
    file = tmp_path / "names.yaml"
    file.write_text(SCENARIO)
    return Aim(loading.load(file), None)


def statuses(modes: Sequence[str]) -> list[NodeStatus]:
    """Return the states of nodes 1, 2, and so on."""
    return [NodeStatus(node=id, mode=mode) for id, mode in enumerate(modes, start=1)]


def test_a_server_that_does_not_answer_for_a_moment_is_waited_for(made: Aim) -> None:
    """Neither is a role without a node then, nor is another node drawn than if all answer."""
    looks = [
        statuses(["leader", "silent", "follower", "observer"]),
        statuses(["leader", "follower", "follower", "silent"]),
        statuses(SERVING),
    ]
    bound = made.bind(lambda: looks.pop(0))
    assert looks == []
    again = Aim(made._scenario, None)
    assert bound == again.bind(lambda: statuses(SERVING))
    assert bound["o"] == 4


def test_a_role_that_nobody_gets_ends_the_run(made: Aim, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the wait, the error names what was expected."""
    monkeypatch.setattr(aim, "ROLE_WITHIN_S", 0.0)
    with pytest.raises(RunError, match=r"bind.o: expected an observer, got no node left"):
        made.bind(lambda: statuses(["leader", "follower", "follower", "silent"]))
