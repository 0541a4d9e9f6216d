"""Disks that one quorum leaves to the next."""

from contextlib import closing
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from cluster import lending
from harness.common.settings.quorum_config import QuorumConfig

pytestmark = pytest.mark.docker
WITHIN_S = 60.0


def test_the_next_quorum_goes_on_with_the_tree(tmp_path: Path) -> None:
    """Its servers have the znodes, and its transactions come after those of the first."""
    first = QuorumConfig(nodes=1)
    with lending.started(first, by_hand=False, say=print, keep_disks=tmp_path) as quorum:
        quorum.wait_ready(within_s=WITHIN_S)
        with closing(KazooClient(quorum.hosts, timeout=WITHIN_S)) as client:
            client.start(timeout=WITHIN_S)
            client.create("/left", b"behind")
            before = client.exists("/left").czxid
            client.stop()
    again = QuorumConfig(nodes=1, disks=str(tmp_path))
    with lending.started(again, by_hand=False, say=print) as quorum:
        quorum.wait_ready(within_s=WITHIN_S)
        with closing(KazooClient(quorum.hosts, timeout=WITHIN_S)) as client:
            client.start(timeout=WITHIN_S)
            assert client.get("/left")[0] == b"behind"
            client.create("/next")
            assert client.exists("/next").czxid > before
            client.stop()


def test_a_quorum_that_failed_leaves_no_disks(tmp_path: Path) -> None:
    """What a broken run leaves is no state to go on from."""
    with (
        pytest.raises(RuntimeError, match="the run failed"),
        lending.started(QuorumConfig(nodes=1), by_hand=False, say=print, keep_disks=tmp_path),
    ):
        raise RuntimeError("the run failed")
    assert list(tmp_path.iterdir()) == []
