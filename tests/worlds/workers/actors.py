"""Handlers as actors of a simulation, in place of threads."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from worlds.sim.scheduler import Actor, Flag, Scheduler


class ActorThreads(Executor):
    """An executor whose threads are actors. `actors` are there for whoever kills them."""

    def __init__(self, scheduler: Scheduler, name: str, count: int) -> None:
        self._scheduler = scheduler
        self._calls: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._came = Flag()
        self.actors: list[Actor] = [
            scheduler.spawn(f"{name}-{number}", self._serve) for number in range(count)
        ]

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Let the next free actor make this call."""
        future: Future[Any] = Future()
        self._calls.append((future, lambda: fn(*args, **kwargs)))
        self._scheduler.set(self._came)
        return future

    def _serve(self) -> None:
        while True:
            while self._calls:
                future, call = self._calls.popleft()
                if not future.set_running_or_notify_cancel():
                    continue
                try:
                    future.set_result(call())
                except Exception as error:  # noqa: BLE001 - as a thread does
                    future.set_exception(error)
            self._came.is_set = False
            self._scheduler.wait(self._came, float("inf"))
