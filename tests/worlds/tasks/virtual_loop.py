"""An event loop of asyncio that runs in an actor of a world, in virtual time."""

import asyncio
from collections.abc import Callable
from typing import Any

from worlds.sim.scheduler import Flag, Scheduler


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop whose actor lets others run where a real one would wait in `select`."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._woken = Flag()
        # The base class asks these of us.
        self._selector = self
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._scheduler.now_s

    def select(self, timeout: float | None) -> list[Any]:
        until_s = float("inf") if timeout is None else self.time() + timeout
        self._scheduler.wait(self._woken, until_s)
        self._woken.is_set = False
        return []

    def _process_events(self, events: list[Any]) -> None:
        """There are none: the base class runs what `call_soon` and timers brought."""

    def _write_to_self(self) -> None:
        self._scheduler.set(self._woken)


class VirtualChanges:
    """What threads of one queue wait for that want the same lock, for actors."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._told = Flag()

    def tell(self) -> None:
        self._scheduler.set(self._told)

    def wait_for(self, changed: Callable[[], bool], timeout_s: float) -> bool:
        until_s = self._scheduler.now_s + timeout_s
        while not changed():
            self._told.is_set = False
            if not self._scheduler.wait(self._told, until_s):
                return changed()
        return True


def spawner(scheduler: Scheduler, actors: list[Any]) -> Callable[[str, Callable[[], None]], None]:
    """Return what starts a thread of a queue as an actor, and notes it in `actors`."""

    def spawn(name: str, body: Callable[[], None]) -> None:
        actors.append(scheduler.spawn(name, body))

    return spawn
