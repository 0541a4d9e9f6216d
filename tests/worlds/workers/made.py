"""Workers with actors as handlers, for tests that run the loop on the test's own thread."""

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

from worlds.memory.queues import janitor_of
from worlds.memory.store import World
from worlds.workers.actors import ActorThreads
from zkmq import Queue, ServerRefusedError
from zkmq.working import working
from zkmq.working.work_settings import WorkSettings
from zkmq.working.worker import Worker


def worker_of(
    world: World, queue: Queue, handler: Callable[[Any], object], **settings: Any
) -> Worker:
    """A worker whose handlers sleep in virtual time. It stops after 60 idle seconds."""
    chosen = WorkSettings(**{"idle_s": 60.0, **settings})
    threads = ActorThreads(world.scheduler, "handler", chosen.concurrency)
    call = working._call_many if chosen.batch else working._call_one
    return Worker(
        queue._consumer,
        queue._store,
        chosen,
        lambda jobs: threads.submit(call, handler, jobs),
        rng=Random(1),
    )


def keep_house(world: World, period_s: float = 1.0) -> None:
    """Let a janitor work beside the test, until the world ends."""
    janitor = janitor_of(world)

    def sweep() -> None:
        while True:
            with suppress(ServerRefusedError):  # at a full quota there is no room for its lock
                janitor.step(world.scheduler.now_s + 60)
            world.scheduler.sleep(period_s)

    world.scheduler.spawn("janitor", sweep)
