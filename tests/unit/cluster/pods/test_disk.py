"""A node's disk: what is read of it is read again where the engine loses the answer."""

from collections.abc import Sequence

import pytest
from docker.models.containers import Container

from cluster.cluster_errors import ClusterError
from cluster.engine import labels
from cluster.engine.containers import Executed
from cluster.pods import disk, sandbox
from cluster.pods.sandbox import Sandbox
from harness.common.harness_errors import UnsupportedError

SPACE = "1K-blocks Avail\n  65536 40000\n"


class Disk(Sandbox):
    """A sandbox that answers by a word of the command; the engine loses each answer once."""

    def __init__(self, **answers: str) -> None:
        super().__init__(id=2, run="r", tags={})
        self._answers, self._lost = answers, set[str]()

    def run(self, command: Sequence[str]) -> str:
        """Answer, or lose the answer the first time."""
        text = " ".join(command)
        found = next((word for word in self._answers if word in text), None)
        if found is None:
            return ""
        if found not in self._lost:
            self._lost.add(found)
            return ""
        return self._answers[found]


def test_a_wipe_counts_what_it_deletes() -> None:
    """The size is read before the deletion, and what is left is read after it."""
    node = Disk(du="512\n", ls="myid nemesis\n")
    assert disk.wipe(node) == {"node": 2, "wiped_kb": 512, "left": ["myid", "nemesis"]}


def test_a_database_that_stays_is_no_wipe() -> None:
    """A folder that could not be deleted is an error."""
    with pytest.raises(ClusterError, match="node 2: wipe: /data/version-2 is still there"):
        disk.wipe(Disk(du="512\n", ls="myid version-2\n"))


def test_a_full_disk_refuses_a_write() -> None:
    """The evidence has the disk's size, what was filled, what is left, and a write that failed."""
    node = Disk(fallocate="0\nfailed\n", df=SPACE)
    node.lease.take = lambda: "true"  # type: ignore[method-assign]
    seen = {"node": 2, "size_kb": 65536, "filled_kb": 40000, "free_kb": 0, "write_failed": True}
    assert disk.fill(node) == seen
    assert disk.free(node) == {"node": 2, "free_kb": 40000}


def test_what_a_command_complains_of_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine may send standard error behind standard output: an answer is the latter."""
    complaint = "fallocate: fallocate failed: No space left on device\n"
    ended = Executed(0, "0\nfailed\n", complaint)
    monkeypatch.setattr(sandbox, "execute", lambda *_: ended)
    monkeypatch.setattr(disk, "_space", lambda _: (65536, 40000))
    tags = {labels.NODE: "2", labels.RUN: "r"}
    node = Sandbox.attach(Container(attrs={"Config": {"Labels": tags}}))
    node.lease.take = lambda: "true"  # type: ignore[method-assign]
    assert disk.fill(node)["write_failed"]
    monkeypatch.setattr(sandbox, "execute", lambda *_: ended._replace(status=1))
    with pytest.raises(ClusterError, match=r"exit 1: 0\nfailed\nfallocate: .* on device"):
        disk.fill(node)


def test_the_machines_own_disk_is_not_filled() -> None:
    """A disk that was not limited is the machine's: filling it would harm more than the node."""
    with pytest.raises(UnsupportedError, match="its disk of 90 GB is the machine's own"):
        disk.fill(Disk(df=f"1K-blocks Avail\n {90 << 20} 40000\n"))
