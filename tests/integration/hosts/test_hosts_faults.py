"""Faults of single nodes on two Docker hosts: they bite there, or say that they did not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster import lending
from cluster.pods.sandbox import Sandbox
from harness.common.harness_errors import UnsupportedError
from harness.common.settings.quorum_config import QuorumConfig
from harness.faults.packets.late import Latency
from harness.faults.packets.links import Bandwidth
from harness.target import System
from harness.workers.running_clients import NO_CLIENTS
from worlds.docker_hosts import DockerHost
from worlds.host_runs import NEEDS_HOSTS, nothing_is_left, run

pytestmark = [*NEEDS_HOSTS, pytest.mark.slow]
LATE_LINKS = "/usr/bin/late-links"
EACH_FAMILY = """
description: One fault of each family that has a mechanism of its own, on both hosts if it can be.
seed: 21
budget: majority
cluster:
  nodes: 5
  engines: [host-1, host-2]
  data_mb: 96
  faketime: true
  disk_shim: true
  failpoints: true
  reconfig: true
claim: stale
bind: {f: a follower}
workload: [{put-all: {count: 3000, rate_hz: 15, while_faults: true}}, {check-all: {rate_hz: 30}}]
faults:
  - {bandwidth: {target: leader, rate_kbit: 64}, first_s: 1, for_s: 1}
  - latency: {target: [{node: 1}, {node: 2}], delay_ms: 50, duplicate_percent: 30, clients: true}
    after: bandwidth
    for_s: 1
  - {regions: {groups: {host-1: [1, 3, 5], host-2: [2, 4]}, rtt_ms: 40}, after: latency, for_s: 1}
  - {clock: {target: [{node: 1}, {node: 2}], offset_s: 3600}, after: regions, for_s: 1}
  - {disk-full: {target: [{node: 3}, {node: 4}]}, after: clock, for_s: 1}
  - {slow-disk: {target: all, delay_ms: 50}, after: disk-full, for_s: 1}
  - failpoint:
      target: f
      point: "SendAckRequestProcessor.processRequest:writePacket:before"
      do: halt
    after: slow-disk
    for_s: 1
  - {client-cut: {}, after: failpoint, for_s: 1}
  - {replace: {target: follower}, after: client-cut, for_s: 1}
  - {power-loss: {target: all}, after: replace, down_s: 1}
"""


def test_each_family_of_faults_bites_on_both_hosts(
    loaded: list[DockerHost], tmp_path: Path
) -> None:
    """Network, clocks, disks, code, members and clients, each by its own mechanism."""
    ended = run(tmp_path, EACH_FAMILY, *(host.url for host in loaded))
    assert (ended["status"], ended["verdict"]) == (0, "valid")
    assert {fault["outcome"] for fault in ended["faults"]} == {"installed"}
    shaped = next(fault for fault in ended["faults"] if fault["fault"] == "bandwidth")
    assert {seen["clients"]["kind"] for seen in shaped["evidence"]["seen"]} == {"tbf"}
    assert nothing_is_left(loaded)


def test_what_one_host_cannot_do_is_on_no_host(loaded: list[DockerHost]) -> None:
    """Node 2, on the second host, lacks what a fault needs; or it does nothing, and none bit."""
    config = QuorumConfig(nodes=2, engines=[host.url for host in loaded])
    with lending.started(config, by_hand=False, say=print) as quorum:
        quorum.wait_ready(within_s=90)
        system = System(quorum=quorum, clients=NO_CLIENTS)
        other, both = quorum.nodes[2].sandbox, [1, 2]
        shape, late = Bandwidth(rate_kbit=64), Latency(delay_ms=100)
        for fault, program, told in (
            (shape, "/usr/sbin/tc", "Error: Specified qdisc kind is unknown."),
            (late, LATE_LINKS, "late-links: netlink: Protocol not supported"),
        ):
            with (
                in_place_of(other, program, f"echo '{told}'; exit 1"),
                pytest.raises(UnsupportedError, match="node 2: this kernel"),
            ):
                fault.inject(system, both)
            assert quorum.nodes[1].shaped()["kind"] == "noqueue"
            assert quorum.delayed(both) == {}
        # Packets pass a queue that no program reads.
        with in_place_of(other, LATE_LINKS, 'echo bound; while [ -e "$2" ]; do sleep 0.1; done'):
            assert not late.bit(late.inject(system, both))
            late.heal(system, both)
        assert late.bit(late.inject(system, both))
    assert nothing_is_left(loaded)


@contextmanager
def in_place_of(sandbox: Sandbox, program: str, does: str) -> Iterator[None]:
    """Put a script in the place of a program."""
    script = f"#!/bin/sh\n{does}\n"
    install = f'mv {program} {program}.real && printf %s "$1" > {program} && chmod +x {program}'
    sandbox.run(["sh", "-c", install, "install", script])
    try:
        yield
    finally:
        sandbox.run(["mv", f"{program}.real", program])
