"""The list of points: names that mean a place, and what is said of one that means none."""

import re
from pathlib import Path

import pytest

from harness.common.harness_errors import ScenarioError
from harness.common.settings.failpoint_list import FAILPOINTS, RELEASES, complaint
from harness.scenario import loading

NAME = re.compile(r"[A-Z]\w+\.\w+:(enter|\w+:(before|after))")
LEADER_ENDS = "Leader.shutdown:enter"
ONLY_3_8 = "LearnerZooKeeperServer.shutdown:enter"


def load(tmp_path: Path, faults: str, cluster: str = "failpoints: true") -> str:
    """Return what is wrong with a scenario that has these faults; empty for nothing."""
    path = tmp_path / "x.yaml"
    head = f"description: d\ncluster: {{nodes: 3, {cluster}}}\nworkload: [{{put-all: {{}}}}]\n"
    path.write_text(head + f"faults:\n{faults}\n")
    try:
        loading.load(path)
    except ScenarioError as error:
        return str(error).removeprefix(f"{path}:")
    return ""


def test_there_are_at_least_thirty_names_of_places() -> None:
    """Each is a class with a method, and where in it, and tells what has happened there."""
    assert len(FAILPOINTS) >= 30
    for name, point in FAILPOINTS.items():
        assert NAME.fullmatch(name), name
        assert point.line.split() == [
            f"org/apache/zookeeper/server/{point.package}{_class(name)}",
            name,
        ]
        assert point.here.endswith("."), name
        assert point.releases <= RELEASES, name


def test_a_point_that_does_not_exist_is_told_with_the_nearest(tmp_path: Path) -> None:
    """File, line and key, and names that are like it, in a fault and in a trigger."""
    wrong = load(tmp_path, '- failpoint: {point: "Leader.shutdwn:enter", do: pause}')
    assert wrong.startswith("5: faults[0].failpoint.point: expected one of those that `harness exp")
    assert f"nearest are {LEADER_ENDS}, " in wrong
    at = '{failpoint: {node: 1, point: "Learner.syncWithLeader"}}'
    wrong = load(tmp_path, f"- kill: {{}}\n  at: {at}")
    assert wrong.startswith("6: faults[0].at.failpoint.point: expected one of those")
    assert "got 'Learner.syncWithLeader': nearest are Learner.syncWithLeader:" in wrong


@pytest.mark.parametrize("entry", ["fault", "trigger"])
def test_a_point_that_the_release_lacks_is_refused(tmp_path: Path, entry: str) -> None:
    """3.9.6 has no such method; 3.8.0 has, and of a build of one's own nobody knows before."""
    of_fault = f'- failpoint: {{point: "{ONLY_3_8}", do: pause}}'
    of_trigger = f'- kill: {{}}\n  at: {{failpoint: {{node: 1, point: "{ONLY_3_8}"}}}}'
    told = of_fault if entry == "fault" else of_trigger
    lacks = f"expected a point of ZooKeeper 3.9.6, got '{ONLY_3_8}', which is in 3.8.0 only"
    assert lacks in load(tmp_path, told)
    assert load(tmp_path, told, 'failpoints: true, zookeeper: "3.8.0"') == ""
    assert load(tmp_path, told, "failpoints: true, image: own/zookeeper") == ""
    assert complaint(LEADER_ENDS, "3.9.6") is None


def test_a_server_without_the_agent_is_refused(tmp_path: Path) -> None:
    """The key of `cluster` is named that loads the agent."""
    for told in (
        f'- failpoint: {{point: "{LEADER_ENDS}", do: pause}}',
        f'- kill: {{}}\n  at: {{failpoint: {{node: 1, point: "{LEADER_ENDS}"}}}}',
    ):
        assert "failpoints" in load(tmp_path, told, "heap_mb: 256")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("do: pause, sleep_ms: 5", "expected sleep_ms beside `do: sleep` only"),
        ("do: halt, error: IOException", "expected error beside `do: throw` only"),
        ("do: stop", "expected 'pause', 'sleep', 'throw' or 'halt', got 'stop'"),
        ("do: pause, nth: 0", "greater than or equal to 1"),
    ],
)
def test_what_would_have_no_effect_is_refused(tmp_path: Path, settings: str, told: str) -> None:
    """A setting of another `do` is never silently ignored."""
    assert told in load(tmp_path, f'- failpoint: {{point: "{LEADER_ENDS}", {settings}}}')


def test_a_trigger_names_a_node_that_exists(tmp_path: Path) -> None:
    """A role, a bound name or a number, as everywhere."""
    at = f'{{failpoint: {{node: 9, point: "{LEADER_ENDS}"}}}}'
    assert "expected one of leader, 1..3, got 9" in load(tmp_path, f"- kill: {{}}\n  at: {at}")


def _class(name: str) -> str:
    return name.partition(".")[0]
