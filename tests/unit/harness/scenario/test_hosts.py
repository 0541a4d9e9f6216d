"""Faults of a host in a scenario: what is refused, and how many nodes they may hit."""

from typing import Any

import pytest

from harness.common.harness_errors import ScenarioError
from harness.scenario import loading

WORK = {"description": "d", "workload": [{"put-all": {}}]}


def load(*faults: dict[str, Any], engines: str = "abc", **keys: Any) -> loading.Scenario:
    """Return a scenario with these faults, on an engine for each letter."""
    cluster = {"engines": list(engines)}
    return loading.of({**WORK, "cluster": cluster, "faults": list(faults), **keys})


def down(target: Any, first_s: float = 0, kind: str = "host-down") -> dict[str, Any]:
    """Return a fault of a target's host that lasts 3 s."""
    return {kind: {"target": target}, "first_s": first_s, "for_s": 3}


@pytest.mark.parametrize("kind", ["host-down", "host-pause", "host-partition"])
def test_they_need_hosts(kind: str) -> None:
    """On one host such a fault would be all nodes, which its name does not say."""
    with pytest.raises(ScenarioError, match=r"expected `cluster: \{engines: ...\}` for this fault"):
        load(down("leader", kind=kind), engines="")


def test_the_target_means_one_node() -> None:
    """Which has one host."""
    with pytest.raises(ScenarioError, match="one node, whose host is meant, got 'followers'"):
        load(down("followers"))
    load(down("a"), bind={"a": "a follower"})


def test_a_host_that_may_hold_a_majority_needs_leave() -> None:
    """Of five nodes on two hosts the first one has three; of three hosts none has more than two."""
    load(down("leader"))
    with pytest.raises(ScenarioError, match="got up to 3 of 5 nodes; `budget: majority`"):
        load(down("leader"), engines="ab")
    load(down("leader"), engines="ab", budget="majority")
    load(down({"node": 2}), engines="ab")
    with pytest.raises(ScenarioError, match="got up to 3 of 5"):
        load(down({"node": 3}), engines="ab")


def test_of_a_partition_the_smaller_side_is_hurt() -> None:
    """Whichever of two hosts is cut off, the two nodes of the second have no majority."""
    load(down("leader", kind="host-partition"), engines="ab")


def test_all_nodes_of_the_host_are_counted() -> None:
    """Two of three hosts down at once are four nodes."""
    with pytest.raises(ScenarioError, match="got up to 4 of 5"):
        load(down({"node": 1}), down({"node": 2}, first_s=1))


def test_another_fault_of_a_node_of_the_host_is_excluded() -> None:
    """Node 4 is down with node 1, on the first of three hosts; node 3 is on another."""
    pause = {"pause": {"target": {"node": 4}}, "first_s": 1, "for_s": 1}
    with pytest.raises(ScenarioError, match="no other 'process' fault in force, got 'host-down'"):
        load(down({"node": 1}), pause, budget="majority")
    load(down({"node": 1}), {**pause, "pause": {"target": {"node": 3}}}, budget="majority")


def test_engines_of_the_command_line_replace_those_of_the_file() -> None:
    """What the file would not be allowed on them is refused."""
    three = load(down("leader"))
    moved = loading.on_engines(three, ["x", "y", "z", "w"])
    assert moved.cluster.engines == ["x", "y", "z", "w"]
    assert moved.cluster.size == 5
    with pytest.raises(ScenarioError, match=r"--engines: .*got up to 3 of 5 nodes"):
        loading.on_engines(three, ["x", "y"])
    with pytest.raises(ScenarioError, match="--engines: engines: expected each engine once"):
        loading.on_engines(three, ["x", "x"])
