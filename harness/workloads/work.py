"""zkmq's own worker loop as the consumer, with each of its calls in the history."""

import itertools
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from harness.clients.client import Client
from harness.clients.subject import Taken
from harness.common.harness_errors import ScenarioError
from harness.common.settings.setting_types import Clients, Count, Seconds
from harness.workloads import Workload, workloads
from zkmq import Done, Item, Job, NoQuorumError, NotHeldError, Reservation
from zkmq.taking.consumer import GiveUp
from zkmq.taking.held_items import OnLost
from zkmq.tree.item import Hold
from zkmq.tree.redelivery_policy import RedeliveryPolicy
from zkmq.working.daemon_threads import DaemonThreads
from zkmq.working.work_settings import WorkSettings
from zkmq.working.worker import Worker
from zkmq.zookeeper.signals import ThreadSignal

# How long one recorded reserve waits, so that the loop soon hears of handlers that finished.
LOOK_S = 0.2


@workloads.register("work")
@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Workload):
    """Consume with zkmq's worker loop (`queue.work`) until no workload puts any more."""

    clients: Clients = 1
    """How many clients, a process each."""
    concurrency: Count = 4
    """How many handlers of a client run at once."""
    work_s: Seconds = 0.0
    """How long a handler works on an item."""
    fail_every: Count | None = None
    """Let every n-th run of a handler fail, so that its item comes back. None: none."""
    after: str | None = None
    """The workload of the same phase that must be over before."""

    def run(self, client: Client, number: int) -> None:
        """Run the loop on this thread; handlers have threads of their own."""
        threads, calls = DaemonThreads(self.concurrency), itertools.count(1)

        def handle(jobs: Sequence[Job]) -> None:
            for job in jobs:
                job.lost.wait(self.work_s)
                if self.fail_every is not None and next(calls) % self.fail_every == 0:
                    raise HandlerFailedError

        def begin(jobs: list[Job]) -> Future[Any]:
            return threads.submit(handle, jobs)

        consumer = RecordedConsumer(client)
        settings = WorkSettings(concurrency=self.concurrency, retry_s=0.0)
        worker = Worker(consumer, _Clock(), settings, begin)
        consumer.over = worker.stop
        try:
            worker.run()
        finally:
            threads.shutdown()


class HandlerFailedError(Exception):
    """What a handler of this workload raises on purpose."""


class RecordedConsumer:
    """A consumer whose calls go through a recording client. For one thread, but for `wake`.

    The client goes on as a new process after an unknown outcome, so what it held is lost then.
    `over` is called once the queue was seen empty after the last put.
    """

    def __init__(self, client: Client) -> None:
        self.policy = RedeliveryPolicy()
        self.lost_listeners: list[OnLost] = []
        self.over = _ignore
        self._client = client
        self._held: dict[int, Taken] = {}

    def reserve(
        self, n: int, *, timeout_s: float, done: Sequence[Item], sync: bool, give_up: GiveUp
    ) -> Reservation:
        """Acknowledge, then take, as two calls of the history."""
        if done:
            self.done(done)
        until_s = time.monotonic() + timeout_s
        while True:
            # Before the reserve: what it misses came later.
            puts_were_over = self._client.puts_over()
            process = self._client.process
            taken = self._client.reserve(n, min(timeout_s, LOOK_S), sync=sync)
            self._lose_ended(process)
            if puts_were_over and self._client.found_empty and not self._held:
                self.over()
            if taken or give_up() or time.monotonic() >= until_s:
                break
        items = tuple(map(_item, taken))
        self._held.update((id(item), each) for item, each in zip(items, taken, strict=True))
        return Reservation(items)

    def done(self, items: Sequence[Item]) -> Done:
        """Acknowledge items, all or none."""
        return self._end(items, acknowledges=True)

    def release(self, items: Sequence[Item], *, delay_s: float, to: str) -> Done:
        """Give items back, all or none; without a delay, which the history has no call for."""
        return self._end(items, acknowledges=False)

    def touch(self, items: Sequence[Item]) -> Done:
        """Do nothing: the items of a scenario have no time to run."""
        return Done(None, 0)

    def bury(self, items: Sequence[Item], *, reason: str) -> Done:
        """Give items back: without `max_deliveries` no item is buried."""
        return self._end(items, acknowledges=False)

    def wake(self) -> None:
        """Do nothing: a reserve ends by itself within LOOK_S."""

    def _end(self, items: Sequence[Item], *, acknowledges: bool) -> Done:
        taken = [self._held[id(item)] for item in items if id(item) in self._held]
        if not taken:
            raise NotHeldError("a call before has found that they are lost")
        call = self._client.done if acknowledges else self._client.release
        process = self._client.process
        applied = call(taken)
        self._lose_ended(process)
        if self._client.process != process:
            raise NotHeldError("the client goes on as a new process")
        if not applied:
            raise NoQuorumError("certainly no effect")
        return Done(None, 1)

    def _lose_ended(self, process: int) -> None:
        """Tell of what is not held any more: all, if the client is not that process any more."""
        for key, each in list(self._held.items()):
            item = _item(each)
            if item.hold is Hold.HELD and self._client.process != process:
                item.hold = Hold.LOST
            if item.hold is not Hold.HELD:
                del self._held[key]
                for listener in self.lost_listeners if item.hold is Hold.LOST else ():
                    listener(item.consumer, [item])


class _Clock:
    """Real time, for the loop."""

    def now(self) -> float:
        return time.monotonic()

    def signal(self) -> ThreadSignal:
        return ThreadSignal()


def _ignore() -> None:
    """Go on: nobody waits for the end."""


def _item(taken: Taken) -> Item:
    if not isinstance(taken.handle, Item):
        raise ScenarioError("work: expected the subject zkmq, whose items a worker can hold")
    return taken.handle
