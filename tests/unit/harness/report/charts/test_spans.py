"""What the servers and sessions did over time."""

import pytest

from harness.report.charts import spans
from worlds.histories.by_hand import events, history, note, op
from worlds.histories.judged_runs import MS, modes


def test_a_mode_lasts_until_another_is_seen() -> None:
    """A server's modes follow each other without a gap, the last one until the run's end."""
    seen = history(modes(0, 1), modes(50, 2, down=1), op("put", 1, 90 * MS, 100 * MS))
    of_one = [m for m in spans.modes(seen) if m.node == 1]
    assert [(m.mode, m.begin_ns // MS, m.end_ns // MS) for m in of_one] == [
        ("leader", 0, 50),
        ("down", 50, 100),
    ]


def test_a_leader_is_told_once() -> None:
    """A change of leader is told, a leader that merely goes on is not."""
    seen = history(modes(0, 1), modes(10, 1, down=3), modes(20, 2, down=1), modes(30, 1))
    assert spans.leader_changes(seen) == [(0, 1), (20 * MS, 2), (30 * MS, 1)]


def test_a_session_end_names_its_process() -> None:
    """The end of a session is told of the process that had it, process 0 too."""
    seen = history(
        op("put", 1, 0, 5, process=0, session="0xa"),
        note("session-end", 9, session="0xa", consumer=None, why="killed"),
    )
    (end,) = spans.session_ends(seen)
    assert (end.process, end.why) == (0, "killed")


@pytest.mark.parametrize(
    ("session", "node"),
    [
        ("0x300000000000001", 3),
        (0x5 << 56, 5),
        ("0x1000030f6c90000", 1),
        (None, None),
        ("mine", None),
    ],
)
def test_a_session_tells_who_opened_it(session: int | str | None, node: int | None) -> None:
    """The highest byte of ZooKeeper's session id is the server's id; other ids tell nothing."""
    assert spans.opened_by(session) == node


def test_the_end_counts_no_unknown_outcome() -> None:
    """An operation that never ended does not stretch the run to the end of time."""
    assert spans.end_ns(history(op("put", 1, 5, None))) == 5


def test_trees_are_the_last_of_each_node() -> None:
    """A server that was read twice stands once, as it was read last."""
    seen = history(events(note("tree", 1, node=2, zxid=1), note("tree", 2, node=2, zxid=9)))
    assert [tree["zxid"] for tree in spans.trees(seen)] == [9]
