"""A server under the failpoint agent: what is asked of it, and what its journal tells."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import docker
import pytest

from cluster.cluster_errors import ClusterError
from cluster.config import AGENT, environment
from cluster.pods import failpoint_agent
from cluster.pods.sandbox import Sandbox
from cluster.software.server_image import ServerImage
from harness.common.harness_errors import UnsupportedError
from harness.common.settings.failpoint_list import FAILPOINTS
from harness.common.settings.quorum_config import QuorumConfig
from harness.target.disturbances import FailpointRule
from worlds.command_engine import CommandEngine

POINT = "Leader.shutdown:enter"
IN_FORCE = "t0\tin-force\t0\t1000\tfailpoints"


class UnderAgent(Sandbox):
    """A sandbox whose agent's journal has these lines; notes what it is asked."""

    def __init__(self, *journal: str, answer: str = "there") -> None:
        super().__init__(id=2, run="r", tags={})
        self.lease = self.lease.unrenewed(15)
        self.journal, self.answer = journal, answer
        self.asked = list[str]()
        self._container = cast("Any", type("Container", (), {"id": "sandbox"}))

    def run(self, command: Sequence[str]) -> str:
        """Note the command, and answer."""
        self.asked.append(" ".join(command))
        lines = self.journal if 'grep "^$token"' in command[-1] else [self.answer]
        return "\n".join([*lines, "checked"])


def installed(*found: str, release: str, fails: bool = False) -> tuple[bool, list[str]]:
    """Install the agent for an image with these points; return if it fits, and what was said."""
    image = ServerImage(id="i", name="other:1", release=release, classpath="/lib/*", origin="o")
    said: list[str] = []
    ends = (1, b"UnsupportedClassVersionError") if fails else (0, "\n".join(found).encode())
    engine = cast("docker.DockerClient", CommandEngine(lambda: ends))
    return failpoint_agent.install(engine, [UnderAgent()], image, said.append), said


def of_release(release: str) -> list[str]:
    """Return the points that a release has by the list."""
    return [name for name, point in FAILPOINTS.items() if release in point.releases]


@pytest.mark.parametrize("release", ["3.8.0", "3.9.3", "3.9.6"])
def test_a_release_must_have_what_the_list_says(release: str) -> None:
    """The classes of the image are looked at, each time; a point more or less is an error."""
    assert installed(*of_release(release), "checked", release=release) == (True, [])
    with pytest.raises(
        ClusterError, match=f"ZooKeeper {release}: expected the points that failpoint_list"
    ):
        installed(*of_release(release)[1:], "checked", release=release)


def test_of_another_build_the_points_are_what_it_has() -> None:
    """No list knows a build of the user's own, so its points are those that were found."""
    sandbox = UnderAgent()
    image = ServerImage(id="i", name="n", release="3.10.0", classpath="/lib/*", origin="o")
    engine = cast("docker.DockerClient", CommandEngine(lambda: (0, f"{POINT}\nchecked".encode())))
    assert failpoint_agent.install(engine, [sandbox], image, print)
    assert sandbox.asked[-1].count("org/apache/zookeeper") == 1
    assert POINT in sandbox.asked[-1]


@pytest.mark.parametrize("how", [{"fails": True}, {}])
def test_an_image_that_cannot_run_the_agent_is_told(how: dict[str, bool]) -> None:
    """Its servers run without, and the reason is said before anything starts."""
    fits, said = installed(release="3.9.6", **how)
    assert not fits
    assert "the failpoint agent is left out, and its faults will be skipped" in said[0]


def test_only_who_asks_for_it_loads_the_agent() -> None:
    """A server's flags have the agent with `failpoints: true`, and not without."""
    assert AGENT in environment(QuorumConfig(failpoints=True))["SERVER_JVMFLAGS"].split()
    assert "javaagent" not in str(environment(QuorumConfig(disk_shim=True, faketime=True)))


def test_a_rule_is_one_line_under_the_lease() -> None:
    """Effect, count and argument have their places, and the file appears whole."""
    node = UnderAgent(IN_FORCE)
    rule = FailpointRule(point=POINT, effect="sleep", nth=3, times=None, most_ms=70)
    assert failpoint_agent.set_rule(node, "it", rule, running=True)["in_force"]
    (script,) = (command for command in node.asked if "/rules/it" in command and "mv" in command)
    assert f"{POINT} sleep 3 0 70' > '/nemesis/failpoints/it.new' && mv" in script
    assert "/run/nemesis/lease" in script


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (FailpointRule(point=POINT, effect="halt"), "halt 1 1 86"),
        (FailpointRule(point=POINT, effect="throw"), "throw 1 1 java.io.IOException"),
        (FailpointRule(point=POINT), "pause 1 1 0"),
    ],
)
def test_each_effect_has_its_argument(rule: FailpointRule, told: str) -> None:
    """A status for `halt`, a class for `throw`, a time for the rest."""
    node = UnderAgent(IN_FORCE)
    failpoint_agent.set_rule(node, "it", rule, running=False)
    assert any(f"{POINT} {told}'" in command for command in node.asked)


def test_a_point_that_this_server_lacks_is_unsupported() -> None:
    """Then nothing is put in force, and the fault ends `skipped`."""
    node = UnderAgent(answer="")
    with pytest.raises(UnsupportedError, match=f"node 2: its ZooKeeper has no point {POINT}"):
        failpoint_agent.set_rule(node, "it", FailpointRule(point=POINT), running=True)
    assert not any("mv" in command for command in node.asked)


def test_a_second_rule_of_the_name_is_unsupported() -> None:
    """A fault never silently takes the place of another one."""
    with pytest.raises(UnsupportedError, match="has a rule of another fault"):
        failpoint_agent.set_rule(
            UnderAgent(answer="taken"), "it", FailpointRule(point=POINT), running=True
        )


class Forgetful(UnderAgent):
    """A sandbox that runs commands on this machine, and whose first answer is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.lease = cast("Any", type("NoLease", (), {"take": lambda _: "true"})())

    def run(self, command: Sequence[str]) -> str:
        """Run it; the engine loses what the first one says."""
        self.asked.append(command[-1])
        done = subprocess.run([*command], capture_output=True, text=True, check=False, timeout=120)
        puts = sum("echo put" in asked for asked in self.asked)
        return "" if puts == 1 and "echo put" in command[-1] else done.stdout


def test_an_answer_that_was_lost_is_no_other_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command is run again, and finds its own rule; a second fault's rule it does not touch."""
    for name in ("points", "rules", "journal"):
        monkeypatch.setattr(failpoint_agent, f"_{name.upper()}", str(tmp_path / name))
    monkeypatch.setattr(failpoint_agent, "AGENT_STATE", str(tmp_path))
    (tmp_path / "rules").mkdir()
    (tmp_path / "points").write_text(f"{FAILPOINTS[POINT].line}\n")
    node, rule = Forgetful(), FailpointRule(point=POINT)
    failpoint_agent.set_rule(node, "it", rule, running=False)
    kept = (tmp_path / "rules" / "it").read_text()
    assert sum("echo put" in asked for asked in node.asked) == 2
    with pytest.raises(UnsupportedError, match="has a rule of another fault"):
        failpoint_agent.set_rule(node, "it", rule, running=False)
    assert (tmp_path / "rules" / "it").read_text() == kept


def test_a_server_that_does_not_take_it_up_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule without a word of it in the journal is not in force."""
    monkeypatch.setattr(failpoint_agent, "IN_FORCE_WITHIN_S", 0.0)
    with pytest.raises(ClusterError, match="expected the rule it in force within 0 s"):
        failpoint_agent.set_rule(UnderAgent(), "it", FailpointRule(point=POINT), running=True)


def test_the_journal_tells_who_was_struck_and_for_how_long() -> None:
    """Those that passed are counted; of the first that was held it says thread and time."""
    node = UnderAgent(
        IN_FORCE,
        "t0\tpassed\t1\t2000\tone",
        "t0\tpause\t2\t3000\tQuorumPeer[myid=2](plain=0.0.0.0:2181)",
        "t0\tpause\t3\t3100\tthree",
        "t0\twent-on\t2\t3400\tQuorumPeer[myid=2](plain=0.0.0.0:2181)",
        "cut off in the mid",
    )
    seen = failpoint_agent.hits(node, "it")
    assert (seen["in_force"], seen["counted"], seen["struck"]) == (True, 3, 2)
    thread = "QuorumPeer[myid=2](plain=0.0.0.0:2181)"
    assert seen["first"] == {"number": 2, "at_ms": 3000, "thread": thread, "held_ms": 400}


def test_a_rule_that_is_not_in_force_has_struck_nobody() -> None:
    """So a heal may ask again."""
    assert failpoint_agent.clear_rule(UnderAgent(), "it") == {
        "node": 2,
        "in_force": False,
        "counted": 0,
        "struck": 0,
    }
