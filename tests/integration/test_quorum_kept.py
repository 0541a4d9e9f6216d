"""One quorum for many runs: whatever one run did to it, the next finds new servers."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from kazoo.client import KazooClient

from cluster.engine import engine, leftovers
from cluster.lending import Kept
from cluster.pods import faketime
from harness.common.harness_errors import RunError
from harness.common.polling import wait_until
from harness.common.settings.quorum_config import QuorumConfig
from harness.faults.servers import Kill
from harness.nemesis import undo
from harness.target.disturbances import Drops, Shape
from worlds.outside import PATIENT_S

pytestmark = pytest.mark.docker
WITHIN_S = 90.0
STARTED = b"Starting quorum peer"
THREE = QuorumConfig(nodes=3, faketime=True)


@pytest.fixture
def kept() -> Iterator[Kept]:
    """Give a quorum that is removed at the end of the test."""
    with closing(Kept(print)) as quorum:
        yield quorum


def test_the_next_run_finds_nothing_of_the_last(kept: Kept) -> None:
    """Data, rules, a moved clock, dead and frozen servers and their logs are gone; ports stay."""
    with kept.lend(THREE) as quorum:
        quorum.wait_ready(within_s=WITHIN_S)
        with closing(KazooClient(quorum.hosts, timeout=PATIENT_S)) as client:
            client.start(timeout=PATIENT_S)
            client.create("/left", b"behind")
            client.stop()
        quorum.drop("cut", {1: Drops(deaf_to=frozenset({2}))})
        quorum.nodes[1].shape(Shape(rate_kbit=64))
        quorum.nodes[2].set_clock(3600)
        quorum.nodes[2].pause()
        quorum.nodes[3].kill()
        # Whole, since any other process that shows this quorum tells its faults in force.
        quorum.ledger.begin(undo.entry(Kill(), id=1, name="kill", kind="kill", nodes=[3]))
        hosts, run = quorum.hosts, quorum.run
    with kept.lend(THREE) as quorum:
        quorum.wait_ready(within_s=WITHIN_S)
        assert (quorum.hosts, quorum.run) == (hosts, run)
        with closing(KazooClient(quorum.hosts, timeout=PATIENT_S)) as client:
            client.start(timeout=PATIENT_S)
            assert client.get_children("/") == ["zookeeper"]
            client.stop()
        assert quorum.dropped("cut") == {}
        assert quorum.nodes[1].shaped()["kind"] != "tbf"
        offset_s = wait_until(
            lambda: faketime.seen_offset_s(quorum.nodes[2].sandbox),
            lambda seen: seen is not None,
            within_s=PATIENT_S,
            every_s=0.1,
        )
        assert offset_s is not None
        assert abs(offset_s) < 60
        assert quorum.ledger.open() == []
        # One start each: the log of an earlier run would be judged as this one's.
        starts = [node.log().count(STARTED) for node in quorum.nodes.values()]
        assert starts == [1, 1, 1]


def test_other_settings_of_the_servers_are_the_next_ones(kept: Kept) -> None:
    """Heap and zoo.cfg are as the next run asks for; more nodes are another quorum."""
    with kept.lend(QuorumConfig(nodes=1)) as quorum:
        first = quorum.run
    with kept.lend(QuorumConfig(nodes=1, heap_mb=128, zoo_cfg={"tickTime": 700})) as quorum:
        quorum.wait_ready(within_s=WITHIN_S)
        assert quorum.run == first
        assert "ZK_SERVER_HEAP=128" in quorum.nodes[1].server.attrs["Config"]["Env"]
    with kept.lend(QuorumConfig(nodes=2)) as quorum:
        assert quorum.run != first
        client = engine.connect()
        assert leftovers.containers(client, first) == []


def test_after_a_run_that_failed_there_is_another_quorum(kept: Kept) -> None:
    """What a broken run left is not trusted."""
    seen = []

    def run(*, failing: bool) -> None:
        with kept.lend(QuorumConfig(nodes=1)) as quorum:
            seen.append(quorum.run)
            if failing:
                raise RunError("on purpose")

    with pytest.raises(RunError, match="on purpose"):
        run(failing=True)
    run(failing=False)
    assert seen[0] != seen[1]
