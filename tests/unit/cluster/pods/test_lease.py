"""The lease: who renews it, and what is noticed when nobody did."""

import threading
from typing import cast

import docker
import pytest

from cluster.cluster_errors import ClusterError
from cluster.pods import lease as leases
from cluster.pods.lease import Lease
from cluster.pods.pod import Pod
from cluster.pods.sandbox import Sandbox
from cluster.quorum import DockerQuorum


def test_the_command_sets_a_full_term() -> None:
    """What the sandbox runs sets the lease to the machine's uptime and the term."""
    command = Lease(lambda _: None, term_s=7, renewed=False).take()
    assert "/proc/uptime" in command
    assert "+ 7 ))" in command
    assert command.endswith("mv /run/nemesis/lease.$$ /run/nemesis/lease")


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


@pytest.mark.parametrize(
    "failure", [ClusterError("node 1: gone"), ConnectionResetError("node 1: gone")]
)
def test_a_renewal_that_fails_is_noticed(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """After a renewal that failed, however it failed, rules may be gone: every use is refused."""
    monkeypatch.setattr(leases, "RENEW_S", 0.001)

    def refuse(_: str) -> None:
        raise failure

    lease = Lease(refuse)
    lease.take()
    assert lease._thread is not None
    lease._thread.join(60)
    with pytest.raises(ClusterError, match="lease: node 1: gone"):
        lease.check()
    with pytest.raises(ClusterError, match="lease: node 1: gone"):
        lease.take()


def test_a_renewal_that_comes_late_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stood still for longer than the term let the rules end."""
    monkeypatch.setattr(leases, "RENEW_S", 0.001)
    lease = Lease(lambda _: None, term_s=0)
    lease.take()
    assert lease._thread is not None
    lease._thread.join(60)
    with pytest.raises(ClusterError, match="too late"):
        lease.check()
