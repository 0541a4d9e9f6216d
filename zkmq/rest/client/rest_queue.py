"""The queue over HTTP as an application sees it."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Self

from zkmq import checks
from zkmq.doubt import Settled
from zkmq.errors import (
    NoQuorumError,
    NotAppliedError,
    OutcomeUnknownError,
    PartlyPutError,
    ZkmqError,
)
from zkmq.putting.batches import MAX_BATCH_ITEMS, Put, writes_of
from zkmq.putting.entry import Entry, entries_of
from zkmq.rest.client.exchange import Exchange
from zkmq.rest.client.http import open_client
from zkmq.rest.client.operator_calls import OperatorCalls, queue_name
from zkmq.rest.client.putting import Putting
from zkmq.rest.client.rest_consumer import Consuming
from zkmq.taking.finish import Done
from zkmq.taking.held_items import OnLost, ignore_lost
from zkmq.taking.order import Order
from zkmq.taking.reserve import Reservation
from zkmq.tree.item import Item
from zkmq.zookeeper.call_lock import CallLock

# The longest a gateway is asked to wait in one request.
_WAIT_S = 20.0

# How long `close` waits for the gateway.
CLOSED_WITHIN_S = 5.0


class Queue(OperatorCalls):
    """A queue behind a gateway: the guarantees of `zkmq.Queue`, over HTTP.

    Every request is sent again when its answer was lost: puts carry an Idempotency-Key that is
    kept in ZooKeeper, so that they take effect once whichever gateway gets them; what a consumer
    asks for again is answered as the first time. A consumer lives in one gateway and ends with
    it; its items then go to others. Thread-safe.

    Args:
        url: of the gateway's endpoint, `http://host:9998`, maybe with a context path.
        path: the queue's root, one segment below the endpoint's root.
        session_s: after so long a silence the gateway gives this client's items away.
        deadline_s: how long a call may take, besides the time a reserve may wait for items.
        lost: called with (consumer, items) when items are no longer this consumer's.
        order, on_crash, max_deliveries, label: as for `zkmq.Queue`.
        http: settings of `httpx.Client`, such as `auth` and `verify`. The environment's proxies
            and certificates do not count for a gateway on loopback.
    """

    def __init__(
        self,
        url: str,
        path: str = "/queue",
        *,
        session_s: float = 10.0,
        deadline_s: float = 30.0,
        lost: OnLost | None = None,
        order: Order = "auto",
        on_crash: Literal["requeue", "partial"] = "requeue",
        max_deliveries: int | None = None,
        label: str = "",
        http: Mapping[str, Any] | None = None,
    ) -> None:
        queue_name("path", path)  # before anything is opened
        self._client = open_client(url, http or {})
        exchange = Exchange(self._client)
        super().__init__(exchange, path, deadline_s)
        base = self._base
        self._producing = CallLock(exchange.now)
        self._putting = Putting(exchange, base, self._deadline)
        settings = {"session_s": session_s, "order": order, "on_crash": on_crash, "label": label}
        if max_deliveries is not None:
            settings["max_deliveries"] = max_deliveries
        self._consuming = Consuming(exchange, base, settings, lost or ignore_lost, self._deadline)

    @classmethod
    def connect(cls, url: str, path: str = "/queue", **settings: Any) -> Self:
        """Open the queue, and see that the gateway answers.

        Raises:
            NoQuorumError: no answer in time.
        """
        queue = cls(url, path, **settings)
        try:
            queue._exchange.ask("OPTIONS", f"{queue._base}/items", queue._deadline())
        except BaseException as error:
            queue.close()
            if not isinstance(error, NoQuorumError | OutcomeUnknownError):
                raise
            at = queue._client.base_url.netloc.decode()  # without a password
            raise NoQuorumError(
                f"connect: {at}: expected a gateway's answer within {queue.deadline_s:.1f} s, got "
                f"none; is the gateway up, and the address right? ({error.args[0]})"
            ) from error
        return queue

    @property
    def session_id(self) -> int | None:
        """The consumer's ZooKeeper session; None while there is none."""
        live = self._consuming.live
        return live.session if live else None

    @property
    def consumer_id(self) -> str | None:
        """The consumer's registration; None until the first reserve, and after its end."""
        live = self._consuming.live
        return live.consumer if live else None

    @property
    def held(self) -> tuple[Item, ...]:
        """What this client's consumer holds now, as far as the client knows."""
        live = self._consuming.live
        return tuple(live.held.values()) if live else ()

    @property
    def producer_id(self) -> str:
        """What the keys of this client's puts begin with."""
        return self._putting.id

    def put(
        self,
        data: bytes,
        *,
        priority: int = 100,
        delay_s: float = 0.0,
        ttr_s: float | None = None,
        dedup_id: str | None = None,
        expires_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        content_type: str | None = None,
        group: str | None = None,
    ) -> Put:
        """Append an item, as `zkmq.Queue.put`."""
        entry = Entry(
            data=data,
            priority=priority,
            delay_s=delay_s,
            ttr_s=ttr_s,
            dedup_id=dedup_id,
            expires_s=expires_s,
            headers=headers,
            content_type=content_type,
            group=group,
        )
        return self._put([entry])[0]

    def put_many(
        self, items: Iterable[bytes | Entry], *, priority: int = 100, batch: int = MAX_BATCH_ITEMS
    ) -> list[Put]:
        """Append items in order, as `zkmq.Queue.put_many`; one request for each write."""
        checks.number("put_many: batch", batch, 1, MAX_BATCH_ITEMS)
        entries = entries_of(items, priority)
        puts: list[Put] = []
        try:
            for part in writes_of(entries, batch):
                puts += self._put(part)
        except OutcomeUnknownError as error:
            error.tell(tuple(puts), len(part), len(entries))
            raise
        except ZkmqError as error:
            if puts:
                raise PartlyPutError(tuple(puts), len(entries), error) from error
            raise
        return puts

    def resolve(self) -> tuple[Settled, ...]:
        """Settle the calling thread's last put whose outcome was unknown, by asking for it again.

        As `error.resolve()`, which is that of any call, from any thread: the call is asked for
        until it is answered. Then it has taken effect, once, or never will.

        Raises:
            OutcomeUnknownError: still no answer before the deadline.
        """
        self._require_open()
        doubt = self._putting.doubt
        return doubt.resolve() if doubt is not None else ()

    def reserve(
        self, n: int = 1, *, timeout_s: float = 0.0, done: Sequence[Item] = (), sync: bool = False
    ) -> Reservation:
        """Take up to `n` items, as `zkmq.Queue.reserve`."""
        checks.number("reserve: n", n, 1, MAX_BATCH_ITEMS)
        checks.seconds("reserve: timeout_s", timeout_s, endless=True)
        checks.items("reserve: done", done, Item)
        until_s = self._exchange.now() + timeout_s
        # Of the whole call, however many consumers end during it.
        most_s = self._deadline() + timeout_s
        acked: Done | None = None
        try:
            while True:
                self._require_open()
                wait_s = min(max(0.0, until_s - self._exchange.now()), _WAIT_S)
                left = () if acked else list(done)
                deadline_s = min(self._deadline(), most_s)
                found = self._consuming.reserve(n, wait_s, left, sync=sync, deadline_s=deadline_s)
                acked = acked or (found.done if found else None)
                if found and (found.items or self._exchange.now() >= until_s):
                    return replace(found, done=acked)
                if found is None and self._exchange.now() >= most_s:
                    raise NoQuorumError("reserve: each consumer ended until the deadline")
        except NotAppliedError:
            if acked is None:
                raise
            return Reservation((), done=acked, looked=False)  # that much did take effect

    def done(self, *items: Item) -> Done:
        """Acknowledge items, as `zkmq.Queue.done`."""
        return self._end("done", items)

    def release(
        self, *items: Item, delay_s: float = 0.0, to: Literal["place", "back"] = "place"
    ) -> Done:
        """Give items back, as `zkmq.Queue.release`."""
        return self._end("release", items, delay_s=delay_s, to=to)

    def touch(self, *items: Item) -> Done:
        """Start the items' time to run anew, as `zkmq.Queue.touch`."""
        return self._end("touch", items)

    def bury(self, *items: Item, reason: str) -> Done:
        """Put items aside, as `zkmq.Queue.bury`."""
        return self._end("bury", items, reason=reason)

    def close(self) -> None:
        """Return what is held, and end the consumer.

        Ends within `deadline_s`, and within five seconds, also without a gateway. In that case the
        gateway, or ZooKeeper, does the same after `session_s`.
        """
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(ZkmqError):
            self._consuming.close(self._exchange.now() + min(self.deadline_s, CLOSED_WITHIN_S))
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, entries: Sequence[Entry]) -> list[Put]:
        deadline_s = self._deadline()

        def put() -> list[Put]:
            self._require_open()
            return self._putting.put(entries, deadline_s)

        return self._producing.run(deadline_s, put)

    def _end(self, verb: str, items: Sequence[Item], **options: Any) -> Done:
        self._require_open()
        checks.some_items(items, Item)
        return self._consuming.end(verb, items, self._deadline(), **options)
