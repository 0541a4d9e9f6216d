"""What tests of the queue on the in-memory ZooKeeper share."""

from collections.abc import Callable

from worlds.memory.store import World
from zkmq import Queue
from zkmq.janitor.janitor import Janitor
from zkmq.tree import raw_copy
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.store import Store

Open = Callable[..., Queue]


def drained(queue: Queue) -> list[bytes]:
    """Take and acknowledge all that waits; in the order of delivery."""
    taken: list[bytes] = []
    while items := queue.reserve(50, sync=True).items:
        queue.done(*items)
        taken += [item.data for item in items]
    return taken


def janitor_of(world: World, *, segment_items: int = 3, store: Store | None = None) -> Janitor:
    """One more client's janitor, which sweeps in every step."""
    return Janitor(
        store or world.client("janitor"),
        QueueTree("/queue"),
        name="janitor",
        segment_items=segment_items,
        sweep_period_s=0.0,
    )


def swept(janitor: Janitor, world: World, steps: int = 1) -> None:
    """Let the janitor do its work."""
    for _ in range(steps):
        assert janitor.step(world.scheduler.now_s + 60)


def places_of(world: World) -> raw_copy.Places:
    """Where everything is, by the leader."""
    return raw_copy.decode(world.dump())
