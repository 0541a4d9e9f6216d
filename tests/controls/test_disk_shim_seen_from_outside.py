"""Controls of the disk faults: a client of ZooKeeper tells whether a disk was slow, or forgot.

The faults' own evidence is the shim's counts, which these tests do not look at.
"""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kazoo.client import KazooClient

from cluster import lending
from cluster.quorum import DockerQuorum
from harness.common.polling import wait_until
from harness.common.settings.quorum_config import QuorumConfig
from harness.faults.disk_faults import DiskStall, PowerLoss, SlowDisk
from worlds.outside import client_of, must_come, system

pytestmark = pytest.mark.docker
READY_WITHIN_S = 90.0
ITEMS = 100
TERM_S = 8  # longer than most busy machines take from the injection to the look


@contextmanager
def one_server(**zoo_cfg: str) -> Iterator[DockerQuorum]:
    """Lend a single server under the shim."""
    config = QuorumConfig(nodes=1, disk_shim=True, zoo_cfg=dict(zoo_cfg))
    with lending.started(config, by_hand=False, say=print) as up:
        up.wait_ready(within_s=READY_WITHIN_S)
        yield up


@pytest.mark.parametrize(("force_sync", "left"), [("yes", ITEMS), ("no", 0)])
def test_what_a_power_loss_leaves(force_sync: str, left: int) -> None:
    """A server that fsyncs has all its nodes afterwards, one that does not has none."""
    with one_server(forceSync=force_sync) as up:
        with client_of(up) as client:
            for number in range(ITEMS):
                client.create(f"/item-{number}")
        PowerLoss().inject(system(up), [1])
        PowerLoss().heal(system(up), [1])
        up.wait_ready(within_s=READY_WITHIN_S)
        with client_of(up) as client:
            assert len([n for n in client.get_children("/") if n.startswith("item-")]) == left


@contextmanager
def steady(client: KazooClient) -> Iterator[None]:
    """Create a node each 50 ms, so that a fault that waits for a call of the server has one."""
    over = threading.Event()

    def create() -> None:
        while not over.wait(0.05):
            client.create_async("/steady-", sequence=True)

    thread = threading.Thread(target=create)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_slow_disk_is_slow_for_a_client_and_then_no_more() -> None:
    """A create takes at least the delay, and after the heal one takes less."""
    slow = SlowDisk(delay_ms=700)
    with one_server() as up, client_of(up) as client:
        with steady(client):
            slow.inject(system(up), [1])
        assert create_s(client, "/slow") >= 0.7
        slow.heal(system(up), [1])
        assert any(create_s(client, f"/quick-{n}") < 0.7 for n in range(20))


def test_a_stall_ends_with_its_lease_when_nobody_renews_it() -> None:
    """The sandbox takes the rule off by itself, and the write that hung comes to its end."""
    # A single server whose log hangs answers no ping either: the session has to outlast the stall.
    with one_server() as up, client_of(up) as client:
        up.limit_faults(TERM_S)
        numbers = itertools.count()

        def hangs() -> Any:
            with steady(client):
                DiskStall().inject(system(up), [1])
            hanging = client.create_async(f"/hangs-{next(numbers)}")
            if not hanging.wait(1.0):
                return hanging
            DiskStall().heal(system(up), [1])  # a machine that stood still came to look too late
            return None

        hanging = wait_until(hangs, within_s=READY_WITHIN_S, every_s=0)
        assert hanging, "it hangs"
        assert hanging.get(timeout=READY_WITHIN_S).startswith("/hangs")
        must_come(lambda: not up.nodes[1].disk_calls()["in_force"])


def create_s(client: KazooClient, path: str) -> float:
    """Return how many seconds a create takes."""
    began = time.monotonic()
    client.create(path)
    return time.monotonic() - began
