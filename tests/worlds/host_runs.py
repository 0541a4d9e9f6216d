"""Runs on several Docker hosts, and what is left on their engines."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from cluster.engine import engine
from worlds import docker_hosts
from worlds.command_line import harness
from worlds.docker_hosts import DockerHost

NEEDS_HOSTS = [
    pytest.mark.docker,
    pytest.mark.skipif(
        docker_hosts.why_not() is not None and os.environ.get("REQUIRE_ALL") != "1",
        reason=str(docker_hosts.why_not()),
    ),
]
NOTHING = ([], [], ["bridge", "host", "none"], "inactive")
"""What is on an engine that holds nothing of ours, as `left_on` tells it."""
SMALL = """
description: One server and a few items.
cluster: {nodes: 1}
workload: [{put-all: {count: 20}}, {check-all: {}}]
"""
LEADER_KILL = """
description: The leader is killed while items go through the queue.
seed: 2011
claim: snapshot
workload: [{put-all: {count: 150, rate_hz: 15}}, {check-all: {rate_hz: 30}}]
faults: [{kill: {target: leader, wipe: true}, first_s: 2, down_s: 3}]
"""

A_FAULT_OF_EACH_FAMILY = """
description: A fault of each family, but pause.
cluster: {nodes: 3, faketime: true, disk_shim: true, data_mb: 64}
workload:
  - put-all: {count: 6000, rate_hz: 10, while_faults: true}
  - check-all: {rate_hz: 60}
faults:
  - {kill: {target: leader, wipe: true}, first_s: 1, down_s: 1}
  - {isolate: {target: leader}, after: kill, for_s: 2}
  - {latency: {target: leader, delay_ms: 50}, after: isolate, for_s: 1}
  - {clock: {target: leader, offset_s: 3600}, after: latency, for_s: 1}
  - {disk-full: {target: follower}, after: clock, for_s: 1}
  - {power-loss: {target: leader}, after: disk-full, down_s: 1}
"""


def left_on(client: DockerClient) -> tuple[Any, ...]:
    """Return what an engine has of ours, and its networks and swarm, which it has by itself."""
    names = sorted(str(network.name) for network in client.networks.list())
    swarm_state = client.info()["Swarm"]["LocalNodeState"]
    return client.containers.list(all=True), client.volumes.list(), names, swarm_state


def nothing_is_left(hosts: list[DockerHost]) -> bool:
    """Tell whether all engines are as they were."""
    for host in hosts:
        with closing(host.client()) as client:
            if left_on(client) != NOTHING:
                print(host.url, left_on(client))
                return False
    return True


def run(tmp_path: Path, text: str, *on: str) -> dict[str, Any]:
    """Run a scenario on these engines; return its results, with what was said."""
    file = tmp_path / "scenario.yaml"
    file.write_text(text)
    words = ["--engines", ",".join(on)] if on else []
    ran = harness("run", str(file), "--runs", str(tmp_path / "runs"), *words, within_s=300)
    print(ran.stdout, ran.stderr)
    folder = tmp_path / "runs/latest"
    results: dict[str, Any] = json.loads((folder / "results.json").read_text())
    versions = json.loads((folder / "versions.json").read_text())
    return {**results, "status": ran.returncode, "versions": versions, "said": ran.stdout}


def run_until_it_ends(tmp_path: Path, hosts: list[DockerHost], end: Callable[[], None]) -> str:
    """Run something without an end on both hosts, do that to the second one; return what was said.

    It ends before any request to an engine runs out of time.
    """
    file = tmp_path / "long.yaml"
    file.write_text(LEADER_KILL.replace("count: 150", "count: 100_000"))
    command = [sys.executable, "-m", "harness.commands.harness_command", "run", str(file)]
    command += ["--engines", f"{hosts[0].url},{hosts[1].url}", "--runs", str(tmp_path / "runs")]
    said = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            said.append(line)
            if "start put-all" in line:
                end()
                break
        rest, _ = running.communicate(timeout=engine.REQUEST_TIMEOUT_S)
    told = "".join(said) + rest
    print(told)
    assert running.returncode == 255
    assert "Traceback" not in told
    assert f"Docker engine {hosts[1].url}: expected an answer, got none" in told
    return told
