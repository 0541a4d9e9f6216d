"""The monitor counts elections by what the servers say."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.common.progress import Progress
from harness.common.run_clock import Clock
from harness.common.server_states import NodeStatus
from harness.history.record import HistoryWriter
from harness.nemesis.monitor import Monitor
from worlds.faults.fake_quorum import FakeQuorum

Look = dict[int, tuple[str, int | None]]

BEFORE: Look = {1: ("follower", 0x100000007), 2: ("leader", 0x100000007)}
NOBODY: Look = {1: ("looking", None), 2: ("looking", None)}
AGAIN: Look = {1: ("follower", 0x200000000), 2: ("leader", 0x200000000)}
OTHER: Look = {1: ("leader", 0x200000000), 2: ("down", None)}
CUT_OFF: Look = {1: ("leader", 0x200000003), 2: ("leader", 0x100000009)}
ONLY_THE_OLD: Look = {1: ("silent", None), 2: ("leader", 0x100000009)}
BARELY_UP: Look = {1: ("looking", None), 2: ("leader", 0x100000007)}


@pytest.mark.parametrize(
    ("looks", "elections"),
    [
        ([BEFORE, BEFORE], 0),
        ([BEFORE, OTHER], 1),
        ([BEFORE, NOBODY, AGAIN, AGAIN], 1),
        ([BEFORE, AGAIN], 1),
        ([BEFORE, NOBODY, BEFORE], 0),
        ([BEFORE, BARELY_UP, AGAIN], 1),
        ([BEFORE, CUT_OFF, ONLY_THE_OLD, CUT_OFF, OTHER], 1),
        ([NOBODY, BEFORE], 0),
    ],
    ids=[
        "none",
        "another server",
        "the same server again",
        "the same server between two looks",
        "a server that did not answer",
        "a server that leads and has not begun its epoch",
        "an old leader that is cut off",
        "the first that is seen",
    ],
)
def test_an_election_is_a_new_epoch(looks: list[Look], elections: int, tmp_path: Path) -> None:
    """Whoever wins it, and whoever else says it leads."""
    progress = Progress()
    with HistoryWriter(tmp_path / "monitor.jsonl") as history:
        monitor = Monitor(FakeQuorum(), history, Clock(), progress)
        for look in looks:
            monitor._note(statuses(look))
    assert progress.elections == elections


def statuses(look: Look) -> Sequence[NodeStatus]:
    """Return what the servers say."""
    return [NodeStatus(node=node, mode=mode, zxid=zxid) for node, (mode, zxid) in look.items()]
