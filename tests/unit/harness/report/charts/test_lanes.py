"""The clients' rows of the timeline."""

import numpy as np

from harness.report.charts import lanes
from worlds.histories.by_hand import history, op


def nothing_important(size: int) -> np.ndarray:
    """Return the mask of no row."""
    return np.zeros(size, np.bool_)


def test_a_replaced_process_keeps_its_lane() -> None:
    """A process that begins after another's end goes on in its lane."""
    seen = history(op("put", 1, 0, 5), op("put", 2, 10, 15, process=1000))
    drawn = lanes.of_clients(seen, nothing_important(2))
    assert [lane.processes for lane in drawn.lanes] == [(0, 1)]


def test_processes_at_the_same_time_have_lanes_of_their_own() -> None:
    """Two that overlap never share a lane."""
    seen = history(op("put", 1, 0, 9), op("put", 3, 20, 25), op("put", 2, 10, 15, process=1))
    drawn = lanes.of_clients(seen, nothing_important(3))
    assert len(drawn.lanes) == 2
    assert drawn.of_process.tolist() == [0, 1]


def test_producers_and_consumers_do_not_mix() -> None:
    """A consumer that begins after a producer's end gets a lane of its own, with its own word."""
    seen = history(op("put", 1, 0, 5), op("reserve", 1, 10, 15, process=1))
    labels = [lane.label for lane in lanes.of_clients(seen, nothing_important(2)).lanes]
    assert labels == ["put 0", "take 1"]


def test_the_busiest_are_drawn_and_the_important_first() -> None:
    """Of too many clients the quiet ones are left out, but not one with a witness."""
    parts = [
        op("put", 100 * p + n, 10 * n, 10 * n + 5, process=p) for p in range(60) for n in range(2)
    ]
    seen = history(*parts, op("put", 9999, 0, 30, process=77))
    important = seen.process == seen.number_of_process[77]
    drawn = lanes.of_clients(seen, important)
    assert (len(drawn.lanes), drawn.left_out) == (lanes.MOST_CLIENTS, 21)
    assert drawn.of_process[seen.number_of_process[77]] >= 0
