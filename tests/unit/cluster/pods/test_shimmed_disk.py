"""A node's disk under the shim: what is asked of the tool, and what is made of its answers."""

import json
from collections.abc import Sequence
from typing import Any, cast

import docker
import pytest

from cluster.cluster_errors import ClusterError
from cluster.config import SHIM_LIBRARY, environment
from cluster.pods import shimmed_disk
from cluster.pods.sandbox import Sandbox
from harness.common.harness_errors import UnsupportedError
from harness.common.settings.quorum_config import QuorumConfig
from harness.target.disturbances import DiskRule
from worlds.command_engine import CommandEngine

IDLE = {"loaded": 1, "in_force": False, "injected": 0}


class Shimmed(Sandbox):
    """A sandbox whose tool answers with these counts, and notes what it is asked."""

    def __init__(self, **seen: Any) -> None:
        super().__init__(id=2, run="r", tags={})
        self.lease = self.lease.unrenewed(15)
        self.seen, self.asked = IDLE | seen, list[str]()
        self._container = cast("Any", type("Container", (), {"id": "sandbox"}))

    def run(self, command: Sequence[str]) -> str:
        """Note the command, and answer."""
        self.asked.append(" ".join(command))
        return json.dumps(self.seen)


def misfit(*, loads: bool, fails: bool = False) -> str | None:
    """Return why an image does not fit, which loads the shim or not, or whose Java fails."""
    sandbox = Shimmed()

    def probe() -> tuple[int, bytes]:
        sandbox.seen["loaded"] += loads
        return (127, b"Error relocating") if fails else (0, b"")

    engine = cast("docker.DockerClient", CommandEngine(probe))
    return shimmed_disk.misfit(engine, "other:1", sandbox)


def test_a_rule_becomes_words_under_the_lease() -> None:
    """Each field has its place; a lease is taken in the same script."""
    node = Shimmed()
    rule = DiskRule(effect="error", call="fsync", file="log", error="ENOSPC", nth=3, times=2)
    shimmed_disk.put(node, rule)
    assert "disk-nemesis rule /nemesis fsync log error 28 0 0 0 3 2" in node.asked[-1]
    assert "/run/nemesis/lease" in node.asked[-1]


def test_one_disk_has_one_rule() -> None:
    """A second fault does not silently replace the first."""
    node = Shimmed(in_force=True)
    with pytest.raises(UnsupportedError, match="node 2: its disk is disturbed by another fault"):
        shimmed_disk.put(node, DiskRule(effect="stall"))
    assert not any("rule" in command for command in node.asked)


def test_an_image_that_loads_the_shim_fits() -> None:
    """The probe's process is counted in the control page."""
    assert misfit(loads=True) is None


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"loads": False}, "image other:1 does not load"),
        ({"loads": False, "fails": True}, "`java -version` fails in image other:1"),
    ],
)
def test_an_image_with_another_libc_is_told(how: dict[str, bool], why: str) -> None:
    """A probe that fails, or in which nothing was loaded, gives a reason."""
    assert why in (misfit(**how) or "")


def test_an_answer_that_is_no_answer_is_an_error() -> None:
    """What is not JSON is told with the node and the command."""
    node = Shimmed()
    node.run = lambda _: "Segmentation fault"  # type: ignore[method-assign]
    with pytest.raises(ClusterError, match="node 2: disk-nemesis look /nemesis: 'Segmentation"):
        shimmed_disk.calls(node)


def test_the_shim_is_only_where_it_is_asked_for() -> None:
    """No server loads it unless the scenario says so, and both libraries fit beside each other."""
    assert "LD_PRELOAD" not in environment(QuorumConfig())
    assert environment(QuorumConfig(disk_shim=True))["LD_PRELOAD"] == SHIM_LIBRARY
    both = environment(QuorumConfig(disk_shim=True, faketime=True))["LD_PRELOAD"]
    assert both.split(":")[1:] == [SHIM_LIBRARY]
    assert "faketime" in both
