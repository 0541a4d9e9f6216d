"""The open queues of one endpoint, and the consumers of its HTTP clients."""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from zkmq import Queue, Security, ZkmqError
from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.http.statuses import RETRY
from zkmq.rest.queues.http_consumer import RemoteConsumer, gone
from zkmq.rest.queues.open_queue import OpenQueue
from zkmq.rest.upstream.async_session import AsyncSession
from zkmq.rest.upstream.blocking_calls import BlockingCalls
from zkmq.rest.upstream.gateway_config import EndpointConfig, Limits
from zkmq.zookeeper.session.kazoo_store import KazooStore

T = TypeVar("T")
_log = logging.getLogger(__name__)


class EndpointQueues:
    """Opens queues at first use, and keeps them open. Opens and expires consumers.

    When there are too many queues, it closes the one that was not used for the longest time.
    `run` runs a blocking call in a thread.
    """

    def __init__(self, config: EndpointConfig, limits: Limits, shared: AsyncSession) -> None:
        self._config = config
        self._limits = limits
        self._shared = shared
        self.run = BlockingCalls().run
        # The one whose last call ended first comes first.
        self._queues: dict[str, asyncio.Task[OpenQueue]] = {}
        self._calls: Counter[str] = Counter()
        self._consumers: dict[str, RemoteConsumer] = {}
        self._opening = 0
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def consumers(self) -> int:
        """The number of open consumers."""
        return len(self._consumers)

    @contextmanager
    def in_call(self, name: str) -> Iterator[None]:
        """Keep a queue open while a call of it runs."""
        self._calls[name] += 1
        try:
            yield
        finally:
            self._calls[name] -= 1
            if not self._calls[name]:
                del self._calls[name]
            if name in self._queues:
                self._queues[name] = self._queues.pop(name)

    async def queue(self, name: str) -> OpenQueue:
        """Return a queue. Open it at first use, and make its tree if there is none.

        Raises:
            HttpError: 503, too many queues that are in use.
            ZkmqError: the queue cannot be opened.
        """
        opening = self._queues.get(name)
        if opening is None:
            if len(self._queues) >= self._limits.queues and not self._close_idle():
                most = self._limits.queues
                raise HttpError(503, f"queues: at most {most} at a time", headers=RETRY)
            opening = asyncio.ensure_future(self._open(name))
            self._queues[name] = opening
            opening.add_done_callback(lambda task: self._opened(name, task))
        return await asyncio.shield(opening)

    async def existing(self, name: str) -> OpenQueue:
        """Return a queue that exists already.

        Raises:
            HttpError: 404, there is no such queue.
        """
        if name not in self._queues and await self._shared.exists(f"/{name}/items") is None:
            raise HttpError(404, f"{name} not found: no such queue")
        return await self.queue(name)

    async def call(self, name: str, method: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Call a blocking method of a queue that exists already; raises as `existing`."""
        found = await self.existing(name)
        return await self.run(method, found.queue, *arguments, **options)

    async def open_consumer(
        self, name: str, session_s: float, settings: Mapping[str, Any]
    ) -> RemoteConsumer:
        """Open a consumer with its own ZooKeeper session; `settings` are those of `Queue`.

        The queue is opened too: its janitor brings back what is due, and the items of the dead.

        Raises:
            HttpError: 503, too many consumers or queues.
            ZkmqError: the consumer cannot be opened.
        """
        if len(self._consumers) + self._opening >= self._limits.consumers:
            most = self._limits.consumers
            raise HttpError(503, f"consumers: at most {most} at a time", headers=RETRY)
        self._opening += 1
        try:
            await self.queue(name)
            return await self._open_consumer(name, session_s, settings)
        finally:
            self._opening -= 1

    async def _open_consumer(
        self, name: str, session_s: float, settings: Mapping[str, Any]
    ) -> RemoteConsumer:
        id = f"consumer-{secrets.token_hex(8)}"
        loop = asyncio.get_running_loop()

        def lost(_session: int) -> None:  # called by a thread of the store
            loop.call_soon_threadsafe(self._end, id)

        queue = await self.run(self._connect, name, session_s, lost, janitor=False, **settings)
        consumer = RemoteConsumer(id, queue, session_s=session_s, run=self.run)
        self._consumers[id] = consumer
        self.beat(consumer)
        return consumer

    def consumer(self, id: str) -> RemoteConsumer:
        """Return a live consumer.

        Raises:
            ConsumerLostError: the consumer does not exist, or has ended.
        """
        consumer = self._consumers.get(id)
        if consumer is None:
            raise gone(id)
        return consumer

    def beat(self, consumer: RemoteConsumer) -> None:
        """Restart a consumer's expiry timer."""
        if consumer.expiry:
            consumer.expiry.cancel()
        loop = asyncio.get_running_loop()
        consumer.expiry = loop.call_later(consumer.session_s, self._expire, consumer)

    def beat_if_alive(self, consumer: RemoteConsumer) -> None:
        """Restart the expiry timer of a consumer that still exists."""
        if consumer.id in self._consumers:
            self.beat(consumer)

    async def close_consumer(self, id: str) -> None:
        """End a consumer if it exists; its items go back to the queue."""
        consumer = self._forget(id)
        if consumer is not None:
            await self.run(consumer.queue.close)

    def shut(self) -> None:
        """Let each reserve end that waits for items, within a few seconds."""
        for consumer in self._consumers.values():
            consumer.shut()

    async def close(self) -> None:
        """End all consumers and close all queues."""
        for id in list(self._consumers):
            self._end(id)
        queues = [task.result().queue for task in self._queues.values() if _succeeded(task)]
        closing = (self.run(queue.close) for queue in queues)
        await asyncio.gather(*closing, *self._ending, return_exceptions=True)

    async def _open(self, name: str) -> OpenQueue:
        limits = self._limits
        janitor = not self._config.read_only
        timeout_s = limits.queue_session_s
        queue = await self.run(self._connect, name, timeout_s, None, janitor=janitor)
        return OpenQueue(name, queue, self.run, self._shared)

    def _close_idle(self) -> bool:
        """Begin to close a queue without calls and consumers; return whether there was one."""
        consumed = {consumer.queue.path for consumer in self._consumers.values()}
        for name, task in self._queues.items():
            if _succeeded(task) and name not in self._calls and f"/{name}" not in consumed:
                del self._queues[name]
                self._in_background(self.run(task.result().queue.close))
                return True
        return False

    def _opened(self, name: str, task: asyncio.Task[OpenQueue]) -> None:
        if not _succeeded(task):  # the next request tries again
            del self._queues[name]

    def _connect(
        self, name: str, session_s: float, lost: Callable[[int], None] | None, **settings: Any
    ) -> Queue:
        store = KazooStore.connect(
            self._config.hosts,
            session_timeout_s=session_s,
            connect_timeout_s=self._limits.connect_wait_s,
            security=_Credentials(endpoint=self._config),
        )
        try:
            if lost is not None:
                store.on_session_lost(lost)
            return Queue(
                store,
                f"/{name}",
                deadline_s=self._limits.request_timeout_s,
                close_store=True,
                **settings,
            )
        except BaseException:
            store.close()
            raise

    def _expire(self, consumer: RemoteConsumer) -> None:
        if consumer.calls:
            self.beat(consumer)
        else:
            self._end(consumer.id)

    def _end(self, id: str) -> None:
        consumer = self._forget(id)
        if consumer is not None:
            self._in_background(self._close_quietly(consumer))

    def _in_background(self, ending: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(ending)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _forget(self, id: str) -> RemoteConsumer | None:
        consumer = self._consumers.pop(id, None)
        if consumer and consumer.expiry:
            consumer.expiry.cancel()
        return consumer

    async def _close_quietly(self, consumer: RemoteConsumer) -> None:
        try:
            await self.run(consumer.queue.close)
        except ZkmqError as error:  # the end of its session does the same a little later
            _log.warning("%s: %s", consumer.id, error)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Credentials(Security):
    """An endpoint's credentials. Any client may use the nodes made, unless it has an identity."""

    endpoint: EndpointConfig

    def kazoo_arguments(self) -> dict[str, Any]:
        """The arguments for KazooClient."""
        return self.endpoint.kazoo_arguments()


def _succeeded(task: "asyncio.Task[Any]") -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
