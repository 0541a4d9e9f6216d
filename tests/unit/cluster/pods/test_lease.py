"""The lease: who renews it, and what is noticed when nobody did."""

import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import docker
import pytest

from cluster.cluster_errors import ClusterError
from cluster.pods import disk, failpoint_agent, faketime, network, shimmed_disk
from cluster.pods import lease as leases
from cluster.pods.lease import Lease
from cluster.pods.pod import Pod
from cluster.pods.sandbox import Sandbox
from cluster.quorum import DockerQuorum
from cluster.software import image


def test_the_command_sets_a_full_term() -> None:
    """What the sandbox runs sets the lease to the machine's uptime and the term."""
    command = Lease(lambda _: None, term_s=7, renewed=False).take()
    assert "/proc/uptime" in command
    assert "+ 7 ))" in command
    assert command.endswith("mv /run/nemesis/lease.$$ /run/nemesis/lease")


# Say when they were called, by the uptime; `sleep` lets it pass and stops at the end.
_TOOL = 'read -r now_s _ < uptime; echo "${0##*/} ${now_s%%.*}" >> called\n'
_SLEEP = """read -r now_s _ < uptime
[ "${now_s%%.*}" -lt 1100 ] || kill "$PPID"
echo "$((${now_s%%.*} + 1)).00 0" > uptime
"""


@pytest.mark.medium
def test_what_a_killed_harness_left_in_force_ends_after_30_s(tmp_path: Path) -> None:
    """By what the harness writes last and what the sandbox makes of it; no time passes but theirs.

    docs/architecture.md and the log of changes promise it, and no fault may outlast it.
    """
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("nft", "tc", "iptables", "sleep"):
        tool = tools / name
        tool.write_text(f"#!/bin/sh\n{_SLEEP if name == 'sleep' else _TOOL}")
        tool.chmod(0o755)
    (tmp_path / "uptime").write_text("1000.00 0\n")

    def run(script: str) -> None:
        for place in ("/proc/uptime", "/run/nemesis", "/data/nemesis", "/nemesis"):
            script = script.replace(place, place.rpartition("/")[2])
        subprocess.run(
            ["sh", "-c", script],
            cwd=tmp_path,
            env={"PATH": f"{tools}:/usr/bin:/bin"},
            timeout=60,
            check=True,
        )

    run(Sandbox(id=1, run="r", tags={}).lease.take())
    run(Path(image.__file__).with_name("sandbox.sh").read_text())
    called = [line.split() for line in (tmp_path / "called").read_text().splitlines()]
    assert {name for name, _ in called} == {"nft", "tc", "iptables"}
    assert {int(when_s) for _, when_s in called} == {1030}


def test_by_hand_nobody_renews() -> None:
    """A lease that is not renewed starts no thread."""
    lease = Lease(lambda _: None, term_s=7).unrenewed(60)
    lease.take()
    assert lease._thread is None


def test_an_injector_that_ends_limits_all_its_faults() -> None:
    """By hand each sandbox's lease lasts as long as asked for, and no thread renews it."""
    client = cast(docker.DockerClient, None)
    pods = {id: Pod(client, Sandbox(id=id, run="r", tags={})) for id in (1, 2)}
    DockerQuorum([], "r", pods, timings={}).limit_faults(60)
    assert all("+ 60 ))" in pod.sandbox.lease.take() for pod in pods.values())
    assert [pod.sandbox.lease._thread for pod in pods.values()] == [None, None]


def test_renewed_until_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once taken it is renewed again and again, until `end`."""
    monkeypatch.setattr(leases, "RENEW_S", 0.001)
    twice = threading.Semaphore(0)
    lease = Lease(lambda _: twice.release(), term_s=600)
    lease.take()
    assert twice.acquire(timeout=60)
    assert twice.acquire(timeout=60)
    lease.end()
    lease.check()


FAILURES = [ClusterError("node 1: gone"), ConnectionResetError("node 1: gone")]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_renewal_that_fails_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """One that a busy engine refused costs nothing, as long as the term is not over."""
    monkeypatch.setattr(leases, "RENEW_S", 0.001)
    monkeypatch.setattr(leases, "AGAIN_S", 0.001)
    answers = iter([failure, failure, None])
    renewed = threading.Event()

    def refuse_twice(_: str) -> None:
        if (answer := next(answers, None)) is not None:
            raise answer
        renewed.set()

    lease = Lease(refuse_twice, term_s=600)
    lease.take()
    assert renewed.wait(60)
    lease.end()
    lease.check()


class Times:
    """A clock that gives these times, and goes on with the last one."""

    def __init__(self, *times_s: float) -> None:
        self._left_s = list(times_s)

    def monotonic(self) -> float:
        """Return the next of them."""
        return self._left_s.pop(0) if len(self._left_s) > 1 else self._left_s[0]


def test_a_renewal_that_hangs_is_noticed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules end with the term, whenever the engine answers the renewal."""
    monkeypatch.setattr(leases, "RENEW_S", 0.001)
    asked, answered = threading.Event(), threading.Event()

    def hang(_: str) -> None:
        asked.set()
        answered.wait(60)

    lease = Lease(hang, term_s=30)
    lease.take()
    assert asked.wait(60)
    lease.check()
    lease._renewed_s -= 31.0
    with pytest.raises(ClusterError, match=r"got none for \d+ s: this machine or its engine stood"):
        lease.check()
    answered.set()
    lease.end()


@pytest.mark.parametrize("failure", FAILURES)
def test_a_lease_that_is_not_renewed_in_time_is_noticed(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """However its renewal failed, rules may be gone: every use is refused, and tells the tries."""
    monkeypatch.setattr(leases, "RENEW_S", 0.001)
    monkeypatch.setattr(leases, "AGAIN_S", 0.001)
    monkeypatch.setattr(leases, "time", Times(0.0, 20.0, 30.0, 30.5))

    def refuse(_: str) -> None:
        raise failure

    lease = Lease(refuse, term_s=30)
    lease._keep()
    told = (
        r"lease: .* within 30 s, got none for 3[01] s; 3 tries failed, the last one: node 1: gone"
    )
    with pytest.raises(ClusterError, match=told):
        lease.check()
    with pytest.raises(ClusterError, match=told):
        lease.take()


class Answering(Sandbox):
    """A sandbox whose commands all succeed, and whose lease a renewal failed."""

    def __init__(self) -> None:
        super().__init__(id=1, run="r", tags={})
        self.lease._failure = ClusterError("node 1: busy")
        self.ran = list[str]()

    def run(self, command: Sequence[str]) -> str:
        """Note it, and print what any of them may print."""
        self.ran.append(" ".join(command))
        return '{"in_force": true}' if "look" in command else "1 1"


@pytest.mark.parametrize(
    ("heal", "undoes"),
    [
        (lambda node: network.shape(node, None), "tc qdisc del"),
        (lambda node: faketime.set_offset(node, 0.0, running=lambda: False), "'+0'"),
        (disk.free, "rm -f /data/nemesis/fill"),
        (shimmed_disk.mend, "disk-nemesis mend"),
        (lambda node: failpoint_agent.clear_rule(node, "it"), "rm -f /nemesis/failpoints/rules/it"),
    ],
    ids=["shape", "clock", "full-disk", "disk-rule", "failpoint"],
)
def test_what_may_have_ended_by_itself_is_no_heal(
    monkeypatch: pytest.MonkeyPatch, heal: Callable[[Sandbox], object], undoes: str
) -> None:
    """A fault was in force until its heal only if its lease was renewed all the time."""
    monkeypatch.setattr(faketime, "seen_offset_s", lambda _: None)
    node = Answering()
    with pytest.raises(ClusterError, match="lease: node 1: busy"):
        heal(node)
    assert any(undoes in command for command in node.ran), "it is undone all the same"


def test_a_renewal_that_comes_late_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stood still for longer than the term let the rules end."""
    monkeypatch.setattr(leases, "RENEW_S", 0.001)
    monkeypatch.setattr(leases, "time", Times(0.0, 31.0))
    lease = Lease(lambda _: None, term_s=30)
    lease._keep()
    with pytest.raises(
        ClusterError, match="got none for 31 s: this machine or its engine stood still"
    ):
        lease.check()
