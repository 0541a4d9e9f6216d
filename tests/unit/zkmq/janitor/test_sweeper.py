"""Sweeps go on where their slice of time ended, and come to an end however short it is."""

from collections.abc import Callable

from worlds.memory.queues import drained, janitor_of, swept
from worlds.memory.store import MemoryStore, World
from zkmq import Queue
from zkmq.janitor.sweeper import Sweeper
from zkmq.tree.paths import QueueTree
from zkmq.tree.skipped_nodes import SkippedNodes
from zkmq.zookeeper.store import Create

TREE = QueueTree("/queue")
MOST = 50


def slices(sweep: Callable[[float, float, float], bool], store: MemoryStore) -> int:
    """Return how many slices a sweep takes that are over as they begin."""
    for count in range(1, MOST):
        if not sweep(0.0, store.now(), store.now() + 60):
            return count
    return MOST


def test_segments_that_are_in_use_are_each_looked_at_once(queue: Queue, world: World) -> None:
    """One a slice; when they are drained, one a slice is deleted."""
    queue.put_many([b"x"] * 12, batch=3)
    store = world.client("sweeper")
    sweeper = Sweeper(store, TREE, SkippedNodes(store, TREE))
    segments = world.leader.tree.nodes["/queue/items/100"].children
    before = len(segments)
    assert slices(sweeper.drop_segments, store) <= before + 1
    assert len(drained(queue)) == 12
    assert slices(sweeper.drop_segments, store) <= before + 1
    assert len(segments) == 1


def test_marks_of_nodes_that_are_still_there_are_each_looked_at_once(
    queue: Queue, world: World
) -> None:
    """Those behind them get their turn."""
    queue.put(b"x")
    store = world.client("anybody")
    for number in range(5):
        store.commit([Create(f"/queue/items/foreign-{number}")], store.now() + 9)
    swept(janitor_of(world), world)
    assert len(world.leader.tree.nodes["/queue/skipped"].children) == 5
    sweeper = Sweeper(store, TREE, SkippedNodes(store, TREE))
    assert slices(sweeper.drop_marks, store) <= 6
    assert len(world.leader.tree.nodes["/queue/skipped"].children) == 5
