"""A harness killed with -9 in the middle of a fault leaves no rule behind, and `clean` the rest."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from cluster import engine, labels, leftovers, quorum
from cluster.config import QuorumConfig
from cluster.errors import ClusterError
from cluster.lease import TERM_S
from harness.commands.faults import heal_left

pytestmark = pytest.mark.docker
GRACE_S = 3  # the sandbox looks twice a second, and an exec takes its time
TEXT = """\
description: cuts that follow each other without end
cluster: {nodes: 3}
workload: [{put-all: {count: 3000, rate_hz: 10}}]
faults: [{isolate: {target: any}, first_s: 1, for_s: 4, every_s: 5}]
"""


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    """Return a client of the engine."""
    connected = engine.connect()
    yield connected
    connected.close()


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Start a run that cuts again and again."""
    scenario = folder / "cuts.yaml"
    scenario.write_text(TEXT)
    return subprocess.Popen(
        [sys.executable, "-m", "harness.cli", "run", str(scenario), "--runs", str(folder / "runs")],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def wait_for_fault(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the first fault is recorded."""
    deadline = time.monotonic() + 60
    while not any(file.stat().st_size for file in folder.glob("runs/cuts/*/history/nemesis.jsonl")):
        assert process.poll() is None, "the run ended by itself"
        assert time.monotonic() < deadline, "no fault after 60 s"
        time.sleep(0.1)


def sandboxes(client: docker.DockerClient, pid: int) -> list[docker.models.containers.Container]:
    """Return the sandboxes of the run that a process started."""
    return [
        container
        for held in leftovers.runs(client)
        for container in leftovers.containers(client, held.run)
        if container.labels["zkmq.part"] == "sandbox"
        and container.labels["zkmq.owner"].split("/")[2] == str(pid)
    ]


def has_rule(sandbox: docker.models.containers.Container) -> bool:
    """Tell whether a node has rules of the nemesis."""
    return b"inet nemesis" in sandbox.exec_run(["nft", "list", "tables"]).output


def killed_at(delay_s: float, folder: Path, client: docker.DockerClient) -> None:
    """Kill a harness that long after its first fault; look at its rules, and at what clean left."""
    process = start(folder)
    try:
        wait_for_fault(folder, process)
        time.sleep(delay_s)
        boxes = sandboxes(client, process.pid)
        assert len(boxes) == 3
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    time.sleep(TERM_S + GRACE_S)
    assert [box.name for box in boxes if has_rule(box)] == []
    leftovers.clean(client)
    heal_left(print)
    assert sandboxes(client, process.pid) == []


@pytest.mark.parametrize("seed", range(2))
def test_no_rule_outlives_its_lease(tmp_path: Path, client: docker.DockerClient, seed: int) -> None:
    """Killed at a random moment of a cut, the harness leaves no rule after the lease."""
    killed_at(random.Random(seed).uniform(0, 5), tmp_path, client)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 50))
def test_no_rule_outlives_its_lease_many_times(
    tmp_path: Path, client: docker.DockerClient, seed: int
) -> None:
    """The same at 48 more moments."""
    killed_at(random.Random(seed).uniform(0, 5), tmp_path, client)


def test_an_injection_by_hand_whose_injector_died_is_healed(
    tmp_path: Path, client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server frozen by a process that was killed goes on after `clean`, in a quorum by hand."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    up = quorum.up(QuorumConfig(nodes=1), by_hand=True)
    try:
        up.wait_ready(within_s=60)
        up.nodes[1].pause()
        owner = "/".join(
            [*str(labels.Owner.me()).split("/")[:3], "1"]
        )  # this pid, another start: it is gone
        entry = {"id": 1, "name": "pause", "fault": "pause", "settings": {}, "nodes": [1]}
        up.ledger._append({**entry, "owner": owner})
        heal_left(print)
        assert up.nodes[1].status().mode != "paused"
        assert up.ledger.open() == []
    finally:
        up.down()
    with pytest.raises(ClusterError):
        quorum.attach(client, up.run)
