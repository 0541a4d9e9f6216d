"""A harness killed with -9 leaves no rule behind for longer than the lease, and `clean` the rest.

The moments are random: while the quorum is created, in the middle of a fault, between two. Several
harnesses run at once, so that they share the time of the lease.
"""

import operator
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from random import Random

import docker
import pytest
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from cluster import starting
from cluster.cluster_errors import ClusterError
from cluster.config import AGENT_STATE, FAKETIME_OFFSET
from cluster.engine import engine, fleet, labels, ledger, leftovers, processes
from cluster.engine.hosts import Host
from cluster.pods.disk import FILL
from cluster.pods.lease import TERM_S
from harness.commands.manual.faults_command import heal_left
from harness.common.polling import wait_until
from harness.common.settings.quorum_config import QuorumConfig

pytestmark = pytest.mark.docker
GRACE_S = 30  # the sandbox looks twice a second, and an exec takes its time where others work
AT_ONCE = 6
FAULT_WITHIN_S = 180.0  # three servers start, where others work
LATEST_S = 24.0  # by then a quorum of three has been hurt for ten seconds or more
TEXT = """\
description: all that a sandbox can do to its node, drawn at random, so that something is in force
cluster: {nodes: 3, faketime: true, data_mb: 32, failpoints: true}
mix_s: 2
workload: [{put-all: {count: 3000, rate_hz: 10}}]
faults:
  - {isolate: {target: any}, weight: 1, for_s: 3}
  - {loss: {target: any}, weight: 1, for_s: 3}
  - {bandwidth: {target: any}, weight: 1, for_s: 3}
  - {clock: {target: any}, weight: 1, for_s: 3}
  - {disk-full: {target: any}, weight: 0.5, for_s: 3}
  - {pause: {target: any}, weight: 0.5, for_s: 3}
  - {kill: {target: any}, weight: 0.5, down_s: 3}
  - {client-pause: {}, weight: 0.5, for_s: 3}
  - failpoint: {target: any, point: "%s", do: sleep, sleep_ms: 20, times: all}
    weight: 1
    for_s: 3
"""
TEXT %= "SyncRequestProcessor.flush:commit:before"
LOOK = f"""
nft list tables | grep -o 'inet nemesis'
tc qdisc show dev eth0 | grep -o tbf
[ ! -f {FILL} ] || echo full disk
! [ -f {FAKETIME_OFFSET} ] || grep -v '^+0 *$' {FAKETIME_OFFSET}
[ ! -f /run/nemesis/strobe ] || echo strobe
ls {AGENT_STATE}/rules 2>/dev/null
:"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """A harness that was killed: its pid, its run, and what was in force then, by sandbox."""

    pid: int
    runs: set[str]
    in_force: dict[str, str]


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    """Return a client of the engine."""
    connected = engine.connect()
    yield connected
    connected.close()


def start(folder: Path, seed: int) -> subprocess.Popen[bytes]:
    """Start a run that is hurt again and again."""
    scenario = folder / "scenario.yaml"
    scenario.write_text(TEXT)
    words = ["run", str(scenario), f"--seed={seed}", "--runs", str(folder / "runs")]
    return subprocess.Popen(
        [sys.executable, "-m", "harness.commands.harness_command", *words],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def sandboxes(client: docker.DockerClient, pid: int) -> list[Container]:
    """Return the running sandboxes of the run that a process started."""
    ours = client.containers.list(filters={"label": labels.OWNER}, ignore_removed=True)
    return [
        container
        for container in ours
        if container.labels.get(labels.PART) == "sandbox"  # other tests' machines are no part
        and labels.Owner.parse(container.labels[labels.OWNER]).pid == pid
    ]


def in_force(boxes: list[Container]) -> dict[str, str]:
    """Return what sandboxes do to their nodes, of those that do anything."""
    seen = {str(box.name): what_it_does(box) for box in boxes}
    return {name: told for name, told in seen.items() if told}


def what_it_does(box: Container) -> str:
    """Return what a sandbox does to its node: nothing if it does not run any more.

    Each start of a run removes what dead ones left, so the sandbox may end under this look.
    """
    try:
        return box.exec_run(["sh", "-c", LOOK]).output.decode().strip()
    except NotFound:
        return ""
    except APIError as failed:
        if failed.status_code != HTTPStatus.CONFLICT or is_running(box):
            raise
        return ""


def is_running(box: Container) -> bool:
    """Return whether a container is there and not ended; a paused one is."""
    try:
        box.reload()
    except NotFound:
        return False
    return str(box.status) in ("running", "paused")


def kill(process: subprocess.Popen[bytes], client: docker.DockerClient) -> Killed:
    """Kill a harness now, and look at what it leaves."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    boxes = sandboxes(client, process.pid)
    runs = {box.labels[labels.RUN] for box in boxes}
    return Killed(pid=process.pid, runs=runs, in_force=in_force(boxes))


def killed(moments_s: list[float], folder: Path, client: docker.DockerClient) -> list[Killed]:
    """Start a harness for each moment, and kill it so many seconds later."""
    began_s = time.monotonic()
    running = {n: start(folder, n) for n in range(len(moments_s))}
    dead = []
    try:
        for n in sorted(running, key=moments_s.__getitem__):
            time.sleep(max(0.0, began_s + moments_s[n] - time.monotonic()))
            assert running[n].poll() is None, "the run ended by itself"
            dead.append(kill(running.pop(n), client))
    finally:
        for process in running.values():
            kill(process, client)
    return dead


def nothing_is_left(dead: list[Killed], client: docker.DockerClient) -> None:
    """After the lease no sandbox hurts its node; after `clean` nothing is there at all."""

    def still_in_force() -> dict[str, str]:
        return in_force([box for one in dead for box in sandboxes(client, one.pid)])

    assert wait_until(still_in_force, operator.not_, within_s=TERM_S + GRACE_S, every_s=0.5) == {}
    found = fleet.find()
    leftovers.clean(found)
    heal_left(found, print)
    assert [held for held in leftovers.runs([client]) if held.left] == []
    runs = set[str]().union(*(one.runs for one in dead))
    # Another run's start that removes one at the same time deletes its ledger last.
    ledgers = wait_until(
        lambda: runs & ledger.known(), operator.not_, within_s=GRACE_S, every_s=0.1
    )
    assert ledgers == set()
    # Workers that were not frozen end by themselves.
    orphans = wait_until(lambda: list(processes.orphans()), operator.not_, within_s=60, every_s=0.1)
    assert orphans == []


def test_nothing_outlives_two_kills(tmp_path: Path, client: docker.DockerClient) -> None:
    """Killed at a random moment, and when something surely is in force, it leaves nothing."""
    hurting = start(tmp_path, seed=2)
    dead = killed([Random(1).uniform(0, LATEST_S)], tmp_path, client)
    deadline = time.monotonic() + FAULT_WITHIN_S
    try:
        while not in_force(sandboxes(client, hurting.pid)):
            assert hurting.poll() is None, "the run ended by itself"
            assert time.monotonic() < deadline, "no fault in time"
    finally:
        dead.append(kill(hurting, client))
    nothing_is_left(dead, client)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_nothing_outlives_many_kills(
    tmp_path: Path, client: docker.DockerClient, seed: int
) -> None:
    """The same for 48 more kills, six at a time, at random moments from the very start on."""
    rng = Random(seed)
    moments_s = [rng.uniform(0, LATEST_S) for _ in range(AT_ONCE)]
    dead = killed(moments_s, tmp_path, client)
    for one, moment_s in zip(dead, sorted(moments_s), strict=True):
        print(f"killed at {moment_s:.1f} s with in force: {one.in_force}")
    nothing_is_left(dead, client)


def test_an_injection_by_hand_whose_injector_died_is_healed(
    tmp_path: Path, client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server frozen by a process that was killed goes on after `clean`, in a quorum by hand."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    up = starting.up(QuorumConfig(nodes=1), by_hand=True)
    try:
        up.wait_ready(within_s=90)
        up.nodes[1].pause()
        owner = "/".join(
            [*str(labels.Owner.me()).split("/")[:3], "1"]
        )  # this pid, another start: it is gone
        entry = {"id": 1, "name": "pause", "fault": "pause", "settings": {}, "nodes": [1]}
        up.ledger._append({**entry, "owner": owner})
        heal_left(fleet.find(), print)
        assert up.nodes[1].status().mode != "paused"
        assert up.ledger.open() == []
    finally:
        up.down()
    with pytest.raises(ClusterError):
        starting.attach([Host("", client)], up.run)
