"""Let tasks of one event loop put and take while ZooKeeper's leader is killed; count each item.

PYTHONPATH=tests python -m worlds.tasks.leader_kills --items 10000 --tasks 200

Five servers. The leader is killed every 15 s, and comes back after 4 s. Half of the tasks put, all
take. An item counts as handled when `async with item:` has ended without an error.
"""

import argparse
import asyncio
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from cluster import lending
from cluster.cluster_errors import ClusterError
from cluster.quorum import DockerQuorum
from harness.common.settings.quorum_config import QuorumConfig
from zkmq.aio import AsyncItem, AsyncOutcomeUnknownError, Queue
from zkmq.errors import NoQuorumError, NotHeldError

SESSION_S = 6.0
# A run that handles nothing for so long is over. What the queue does not have then is lost.
QUIET_S = 60.0


class LeaderKiller(threading.Thread):
    """Kills the leader, and starts it again, until `stop`, or `most` times."""

    def __init__(
        self, up: DockerQuorum, every_s: float, down_s: float, most: float = float("inf")
    ) -> None:
        super().__init__(daemon=True)
        self._up, self._every_s, self._down_s, self._most = up, every_s, down_s, most
        self._over = threading.Event()
        self.count = 0

    def run(self) -> None:
        """Kill until `stop`."""
        while self.count < self._most and not self._over.wait(self._every_s):
            with suppress(ClusterError):
                node = self._up.nodes[self._up.leader()]
                node.kill()
                self.count += 1
                self._over.wait(self._down_s)
                node.start()

    def stop(self) -> None:
        """Wait for the end of the last kill."""
        self._over.set()
        self.join()


@dataclass
class Crowd:
    """The tasks, and what they were told."""

    queue: Queue
    items: int
    tasks: int
    pause_s: float
    put: set[int] = field(default_factory=set)
    handled: Counter[int] = field(default_factory=Counter)
    # What is in the queue at the end.
    left: set[int] = field(default_factory=set)
    told: Counter[str] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)
    handled_s: float = field(default_factory=time.monotonic)

    async def work(self) -> None:
        """Put all items, and take until all are handled, or nothing comes any more."""
        numbers = iter(range(self.items))
        putting = [asyncio.ensure_future(self._put(numbers)) for _ in range(self.tasks // 2)]
        taking = [asyncio.ensure_future(self._take()) for _ in range(self.tasks)]
        await asyncio.gather(*putting)
        await asyncio.gather(*taking)

    async def _put(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            while not await self._is_put(number):  # noqa: ASYNC110 - it asks the servers
                await asyncio.sleep(0.1)
            self.put.add(number)
            await asyncio.sleep(self.pause_s)

    async def _is_put(self, number: int) -> bool:
        try:
            await self.queue.put(b"%d" % number)
        except NoQuorumError:
            self.told["put: refused"] += 1
            return False
        except AsyncOutcomeUnknownError as error:
            self.told["put: unknown, then settled"] += 1
            while True:
                with suppress(AsyncOutcomeUnknownError, NoQuorumError):
                    return bool((await error.resolve())[0].took_effect)
        return True

    async def _take(self) -> None:
        while len(self.handled) < self.items and time.monotonic() < self.handled_s + QUIET_S:
            try:
                for item in (await self.queue.reserve(timeout_s=1.0)).items:
                    await self._handle(item)
            except (NoQuorumError, NotHeldError, AsyncOutcomeUnknownError) as error:
                self.told[f"take: {type(error).__name__}"] += 1
                self.said[str(error)[:160]] += 1

    async def _handle(self, item: AsyncItem) -> None:
        async with item:
            await asyncio.sleep(self.pause_s)
        self.handled[int(item.data)] += 1
        self.handled_s = time.monotonic()


async def crowd(hosts: str, items: int, tasks: int, pause_s: float) -> Crowd:
    """Run a crowd on a queue of its own."""
    connection = {"session_timeout_s": SESSION_S}
    async with await Queue.connect(hosts, "/leader-kills", connection=connection) as queue:
        made = Crowd(queue, items, tasks, pause_s)
        await made.work()
        return made


async def drain(hosts: str, made: Crowd) -> None:
    """Take what a crowd left in its queue, when the servers are well again."""
    async with await Queue.connect(hosts, "/leader-kills", deadline_s=QUIET_S) as queue:
        while items := (await queue.reserve(500, timeout_s=SESSION_S * 2, sync=True)).items:
            made.left |= {int(item.data) for item in items}
            await queue.done(*items)


def main() -> int:
    """Start a quorum, run, and print the figures; 1 if an item was lost or handled twice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--pause-s", type=float, default=0.3, help="of a task for each item")
    parser.add_argument("--every-s", type=float, default=15.0, help="between two kills")
    given = parser.parse_args()
    with lending.started(QuorumConfig(nodes=5), by_hand=False, say=print) as up:
        up.wait_ready(within_s=90)
        kills = LeaderKiller(up, given.every_s, 4.0)
        kills.start()
        began_s = time.monotonic()
        try:
            made = asyncio.run(crowd(up.hosts, given.items, given.tasks, given.pause_s))
        finally:
            kills.stop()
        took_s = time.monotonic() - began_s
        asyncio.run(drain(up.hosts, made))
    lost = made.put - set(made.handled) - made.left
    twice = sum(count > 1 for count in made.handled.values())
    print(
        f"{given.items} items, {given.tasks} tasks, the leader killed {kills.count} times, "
        f"{took_s:.0f} s\n  put: {len(made.put)}; handled: {len(made.handled)}; left in the queue: "
        f"{len(made.left - set(made.handled))}; lost: {len(lost)}; handled twice: {twice}\n"
        f"  told: {dict(made.told)}\n  said: {dict(made.said.most_common(6))}"
    )
    return int(bool(lost or twice or len(made.handled) < given.items))


if __name__ == "__main__":
    sys.exit(main())
