"""Random runs that say what is wrong with them, and how rough they were."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from worlds.memory.store import MemoryStore, World
from zkmq import Queue
from zkmq.errors import ClosedError, NoQuorumError, ZkmqError
from zkmq.janitor.janitor import Janitor
from zkmq.tree.paths import QueueTree

ROOT = "/queue"
SEGMENT_ITEMS = 5
Q = TypeVar("Q", bound=Queue)


class RoughRun(Protocol):
    """One run, by its seed."""

    wrong: list[str]
    tally: Counter[str]

    def run(self) -> Any:
        """Run it to its end, and judge it."""


def judged(run: RoughRun) -> tuple[list[str], Counter[str]]:
    """Run it; return what is wrong, and what happened how often."""
    run.run()
    return list(run.wrong), run.tally


def judge_all(make: Callable[[int], RoughRun], seeds: range) -> Counter[str]:
    """Require of each seed's run that nothing is wrong; return what happened in all of them."""
    tally: Counter[str] = Counter()
    for seed in seeds:
        wrong, told = judged(make(seed))
        assert wrong == [], f"seed {seed}"
        tally += told
    return tally


def opened(make: type[Q], store: MemoryStore, **settings: Any) -> Q:
    """Open a queue without a janitor, again and again until servers answer."""
    settings |= {"janitor": False, "segment_items": SEGMENT_ITEMS, "close_store": True}
    while True:
        with suppress(NoQuorumError):
            return make(store, ROOT, **settings)


def keep_house(world: World, open_queue: Callable[[MemoryStore], Queue]) -> None:
    """Do a janitor's work for ever, as one actor."""
    with suppress(ClosedError):
        store = world.client("janitor")
        bound = open_queue(store)._bound
        janitor = Janitor(bound, QueueTree(ROOT), name="janitor", segment_items=SEGMENT_ITEMS)
        while True:
            with suppress(ZkmqError):
                janitor.step(store.now() + 10.0)
            store.sleep(1.0)


def cut_all(world: World, seconds: float) -> None:
    """Cut every client off, as the death of a leader does."""
    for client in world.clients:
        client.cut(seconds)
