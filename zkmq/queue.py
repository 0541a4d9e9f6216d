"""The queue that applications use: put, reserve, done, and what operators do."""

import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from signal import SIGTERM, Signals
from typing import TYPE_CHECKING, Any, Literal

from zkmq import checks
from zkmq.doubt import Settled
from zkmq.errors import BadArgumentError, ZkmqError
from zkmq.janitor.claim_returner import OnReturned
from zkmq.janitor.janitor import Janitor
from zkmq.janitor.janitor_thread import JanitorThread
from zkmq.janitor.returned_reporter import ReturnedReporter
from zkmq.observing.observed import Observed
from zkmq.observing.observer import Observer
from zkmq.operating.operator_queue import LEAVE_S, MOST, OperatorQueue
from zkmq.putting.batches import MAX_BATCH_ITEMS, Put
from zkmq.putting.entry import Entry, entries_of
from zkmq.putting.put_calls import PutCalls
from zkmq.taking.finish import Done
from zkmq.taking.held_items import OnLost, ignore_lost
from zkmq.taking.order import KEY as ORDER_KEY
from zkmq.taking.order import ORDERS, Order
from zkmq.taking.reserve import Reservation
from zkmq.tree.compatibility import registrations
from zkmq.tree.compatibility.charter import SEGMENT_ITEMS
from zkmq.tree.item import Item
from zkmq.tree.redelivery_policy import RedeliveryPolicy
from zkmq.working import working
from zkmq.working.graceful_stop import STOP_SIGNALS
from zkmq.working.job import Job
from zkmq.working.work_settings import WorkSettings
from zkmq.zookeeper.store import Store

if TYPE_CHECKING:
    from zkmq.observing.tracing import Tracing

# How long `close` takes at most; what of that is for the end of the session, or half of a shorter
# deadline. The session's expiry does the same.
CLOSED_WITHIN_S = 5.0
END_S = 1.0


class Queue(OperatorQueue):
    """A queue with priorities and at-least-once delivery.

    A put that returned is in the queue exactly once. An item has one owner at any zxid. If a
    consumer dies, or loses its session, before `done`, the item is delivered again, so an item can
    arrive twice, and late. `done` takes effect at most once, and never after the consumer's
    session has expired. Within a priority, items come in the order of their puts. An item that
    comes back has its old place in that order.

    One Queue is one client: one session, one producer, and one consumer, which registers at the
    first reserve. Thread-safe. Every call ends at about its deadline. Either it returns and took
    effect, or it raises a ZkmqError whose `definite` says whether it certainly took no effect.

    Args:
        store: an open session; `Queue.connect` opens one.
        path: the queue's root.
        order: "strict", or "relaxed" for many consumers of one queue. In relaxed order, each
            consumer takes other items of a window at the head, so that claims seldom collide.
            "auto" is strict while one consumer is registered, and relaxed from two on.
        on_crash: where this consumer's items go if it dies: "requeue" to their old places, or
            "partial", put aside as by the original.
        max_deliveries: an item that was delivered this often and comes back is a dead letter.
        max_items: refuse puts while about this many items wait.
        janitor: run a janitor thread. One client's janitor is elected.
        deadline_s: how long a call may take, without the time a reserve waits for items. For
            put_many, how long each answer may take.
        lost: called with (consumer, items) when this consumer has lost items, from another thread
            or from the call that finds out.
        on_returned: called on another thread with the items that this client's janitor took back
            from consumers, while it was the elected one.
        observer: gets counters and times of this client's work, such as `PrometheusMetrics`.
        tracing: makes OpenTelemetry spans of puts, and of the handlers of workers.
        label: a text for people who look at the tree.
        segment_items: the number of items in one segment. Used only when the tree is made.
        close_store: whether `close` also ends the session.
        make: make the queue if there is none at `path`. If False, raise IncompatibleTreeError.
    """

    def __init__(
        self,
        store: Store,
        path: str = "/queue",
        *,
        order: Order = "auto",
        on_crash: Literal["requeue", "partial"] = "requeue",
        max_deliveries: int | None = None,
        max_items: int | None = None,
        janitor: bool = True,
        deadline_s: float = 30.0,
        lost: OnLost | None = None,
        on_returned: OnReturned | None = None,
        observer: Observer | None = None,
        tracing: "Tracing | None" = None,
        label: str = "",
        segment_items: int = SEGMENT_ITEMS,
        close_store: bool = False,
        make: bool = True,
    ) -> None:
        checks.choice("order", order, ORDERS)
        checks.choice("on_crash", on_crash, ("requeue", "partial"))
        checks.text("label", label, 1000)
        for name, most in (("max_deliveries", max_deliveries), ("max_items", max_items)):
            if most is not None:
                checks.number(name, most, 1, MOST)
        super().__init__(
            store,
            path,
            deadline_s=deadline_s,
            segment_items=segment_items,
            close_store=close_store,
            make=make,
        )
        self._ended = False
        bound, tree, segment_items = self._bound, self._tree, self.charter.segment_items
        about = registrations.about(
            bound.edition.version, host=socket.gethostname(), pid=os.getpid(), label=label
        )
        self._puts = PutCalls(
            bound,
            tree,
            segment_items=segment_items,
            max_items=max_items,
            about=about,
            deadline=self._deadline,
            patience_s=lambda: self._deadline_s,
            require_open=self._require_open,
        )
        watched = Observed(observer, store, self.path, on_returned, tracing)
        self._observed = watched
        self._consumer = watched.consumer(
            bound,
            tree,
            RedeliveryPolicy(on_crash, max_deliveries),
            order=order,
            segment_items=segment_items,
            deadline=self._deadline,
            about=about | {ORDER_KEY: order},
            on_lost=lost or ignore_lost,
            is_paused=lambda: bound.charter.paused is not None,
        )
        self._janitor = None
        self._reporter = None
        if janitor and watched.on_returned is not None:
            self._reporter = ReturnedReporter(watched.on_returned)
        if janitor:
            core = Janitor(
                bound,
                tree,
                name=self.producer_id,
                segment_items=segment_items,
                on_returned=self._reporter.tell if self._reporter else None,
                on_elected=watched.elected,
                lists=bound.lists,
            )
            self._janitor = JanitorThread(core, store)
            self._janitor.start()

    @property
    def consumer_id(self) -> str | None:
        """The consumer's id; None before the first reserve, and after its session ended."""
        return self._consumer.membership.id

    @property
    def producer_id(self) -> str:
        """The id of the producer's ticket."""
        return self._puts.producer.id

    @property
    def held(self) -> tuple[Item, ...]:
        """What this client's consumer holds now, as far as the client knows.

        This includes items that a reserve claimed whose answer was lost: the next reserve returns
        them.
        """
        return tuple(self._consumer.membership.held)

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
        """Append an item. Priority 0 is the most urgent, 999 the least. One quorum write.

        `zkmq.Entry` describes the options.

        Raises:
            OutcomeUnknownError: no answer before the deadline; call its `resolve()` to find out.
            BadArgumentError: the queue does not accept a value.
            QueueFullError: about `max_items` items wait.
            NoQuorumError: certainly not put.
        """

        def entries() -> list[Entry]:
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
            return [entry]

        return self._observed.put(entries, lambda each: self._puts.put(each, 1))[0]

    def put_many(
        self, items: Iterable[bytes | Entry], *, priority: int = 100, batch: int = MAX_BATCH_ITEMS
    ) -> list[Put]:
        """Append items in order; return one Put for each.

        An item is its payload, or an `Entry` with options of its own; `priority` is that of
        payloads.

        Up to `batch` items, and 256 KiB, go in one write, which takes effect as a whole. Several
        writes are in flight at once. Everything is checked before anything is sent. The call
        continues as long as answers come, however many items there are.

        Raises:
            OutcomeUnknownError: no answer before the deadline. `applied` has the puts that are
                certain, and `doubtful` is the number of items after those that are in doubt; its
                `resolve()` finds out about them.
            PartlyPutError: some items are put, and the others certainly not.
            BadArgumentError: the queue does not accept a value; nothing is put.
            QueueFullError: about `max_items` items wait; nothing is put.
            NoQuorumError: certainly nothing is put.
        """
        checks.number("put_many: batch", batch, 1, MAX_BATCH_ITEMS)
        return self._observed.put(
            lambda: entries_of(items, priority), lambda each: self._puts.put(each, batch)
        )

    def resolve(self) -> tuple[Settled, ...]:
        """Find out what became of the calling thread's last put whose outcome was unknown.

        Use it after Ctrl-C, or another exception from a signal's handler, ended a put. Otherwise
        call `resolve()` of the error, which answers for that very call, from any thread.
        Returns one answer for each write that was sent, in order: one for a put, maybe several for
        a put_many, none if nothing was sent. A write that has not taken effect by now never will.
        The outcomes of a call are told once, here or by its error: then this returns none, until
        the next put in doubt. So what it returns is about the put that was just ended, also if the
        handler had raised before that put began.

        Raises:
            OutcomeUnknownError: still no answer before the deadline.
        """
        self._require_open()
        doubt = self._puts.producer.doubt
        return () if doubt is None or doubt.is_told else doubt.resolve()

    def reserve(
        self, n: int = 1, *, timeout_s: float = 0.0, done: Sequence[Item] = (), sync: bool = False
    ) -> Reservation:
        """Take up to `n` items, most urgent and oldest first, and hold them until `done`.

        Waits up to `timeout_s` for the first item; `math.inf` is for ever. `done` acknowledges
        other items in the same write, or at once if there is nothing to take yet. With `sync`, the
        client first catches up with everything that was committed before the call. Without it, the
        call may miss an item that another client has just put.

        Raises:
            OutcomeUnknownError: no answer before the deadline. The next reserve returns what was
                claimed, if anything was.
            AckUnknownError: the session ended with this in doubt; claimed items go to others.
            NotHeldError: an item of `done` is not held; nothing took effect.
            NoQuorumError: nothing took effect.
        """
        checks.seconds("reserve: timeout_s", timeout_s, endless=True)
        checks.items("reserve: done", done, Item)
        self._require_open()
        return self._consumer.reserve(n, timeout_s=timeout_s, done=done, sync=sync)

    def done(self, *items: Item) -> Done:
        """Acknowledge items, all or none: they are removed for ever. One quorum write.

        Raises:
            NotHeldError: one is not held any more; nothing took effect.
            AckUnknownError: the session ended with this in doubt. The items may come again.
            OutcomeUnknownError: no answer before the deadline.
        """
        return self._consumer.done(items)

    def release(
        self, *items: Item, delay_s: float = 0.0, to: Literal["place", "back"] = "place"
    ) -> Done:
        """Give items back, all or none: to their old places, or to the back of their priorities.

        With `delay_s`, they come back to their places when that time is over. An item that was
        delivered `max_deliveries` times becomes a dead letter instead.

        Raises:
            NotHeldError: one is not held any more; nothing took effect.
            AckUnknownError: the session ended with this in doubt.
            OutcomeUnknownError: no answer before the deadline.
        """
        checks.choice("to", to, ("place", "back"))
        checks.item_seconds("release: delay_s", delay_s)
        if delay_s and to == "back":
            raise BadArgumentError(f"release: delay_s: expected 0 with to='back', got {delay_s!r}")
        return self._consumer.release(items, delay_s=delay_s, to=to)

    def touch(self, *items: Item) -> Done:
        """Start the time to run (`ttr_s`) of the items again.

        Raises:
            NotHeldError: one is not held any more; nothing took effect.
            OutcomeUnknownError: no answer before the deadline.
        """
        return self._consumer.touch(items)

    def bury(self, *items: Item, reason: str) -> Done:
        """Put items aside as dead letters. An operator can bring them back with `kick`.

        Raises:
            NotHeldError: one is not held any more; nothing took effect.
            AckUnknownError: the session ended with this in doubt.
            OutcomeUnknownError: no answer before the deadline.
        """
        return self._consumer.bury(items, reason=reason)

    def work(
        self,
        handler: Callable[[Any], object],
        *,
        executor: Executor | None = None,
        stop_on: Sequence[Signals] = STOP_SIGNALS,
        **settings: Any,
    ) -> working.Worked:
        """Call `handler(job)` for every item, until SIGTERM or Ctrl-C; return what became of them.

        If the handler returns, the item is `done`. If it raises, the item comes back later, and
        after `max_deliveries` it is a dead letter with the error as its reason. Items with a time
        to run are touched while the handler runs. The loop goes on through outages and lost
        sessions; `job.lost` tells a handler that its item is not its own any more.

        Args:
            handler: gets a `Job`, or with `batch` a list of them. It must be idempotent. An async
                function is refused: `zkmq.aio.Queue.work` takes those.
            executor: where handlers run, by default on `concurrency` daemon threads. With a
                ProcessPoolExecutor of that size, they run in processes, and get copies of jobs.
            stop_on: signals that stop the worker, if it runs on the main thread. A second signal
                does what it would have done without the worker.
            settings: those of `zkmq.WorkSettings`, such as `concurrency=8`.

        Raises:
            BadArgumentError: a setting is not accepted, or the handler is an async function.
            ClosedError, AccessDeniedError, IncompatibleTreeError: the queue cannot be used any
                more.
            WorkerStuckError: every handler runs for longer than `time_limit_s`.
        """
        self._require_open()
        checks.handler(handler)
        chosen = WorkSettings(**settings)
        return working.work(
            self._consumer,
            self._store,
            self._observed.handler(handler),
            chosen,
            executor=executor,
            stop_on=stop_on,
        )

    def consume(self, *, stop_on: Sequence[Signals] = (SIGTERM,), **settings: Any) -> Iterator[Job]:
        """Give one job after the other: `for job in queue.consume(): with job: ...`.

        As `work`, with the body of the loop as the handler; `settings` are those of
        `zkmq.WorkSettings` but `concurrency` and `batch`. `with job:` acknowledges the item if
        its block succeeds. If the block raises an Exception, it is logged, the item comes back
        later, and the loop goes on. To leave the loop stops the worker.

        Raises:
            BadArgumentError: a setting is not accepted, or a turn of the loop did not use
                `with job:`.
        """
        self._require_open()
        chosen = WorkSettings.of_loop(**settings)
        return working.consume(self._consumer, self._store, chosen, stop_on=stop_on)

    def close(self) -> None:
        """Give back what is held, remove the registration, and end the session if it is ours.

        Ends within `deadline_s`, and within five seconds, also without a server. In that case the
        servers do the same when the session expires. Calls in which other threads wait end with a
        ClosedError. In a forked child this ends nothing, because the queue is the parent's.
        """
        if self._ended or self._process != os.getpid():
            return
        now_s, within_s = self._store.now(), min(self._deadline_s, CLOSED_WITHIN_S)
        try:
            self._closed = True
            try:
                self._leave(now_s + within_s - min(END_S, within_s / 2))
            except ZkmqError:
                pass  # the end of the session does the same a little later
            finally:
                self._end(now_s + within_s)
        except BaseException:
            self._end(now_s + within_s)  # again, because a handler may have raised in the first one
            raise

    def _end(self, deadline_s: float) -> None:
        self._consumer.forget()
        self._end_session(deadline_s)
        self._ended = True

    def _leave(self, deadline_s: float) -> None:
        if self._janitor is not None:
            self._janitor.stop_soon()
        try:
            self._give_back(deadline_s)
        finally:
            # Last, because a step of a janitor with much to do may take all of the time.
            if self._janitor is not None:
                self._janitor.stop(max(0.0, deadline_s - self._store.now()))
            if self._reporter is not None:
                self._reporter.close(max(0.0, min(LEAVE_S, deadline_s - self._store.now())))

    def _give_back(self, deadline_s: float) -> None:
        leaving = self._puts.leave()
        self._consumer.close(deadline_s)
        self._leave_writes(deadline_s)
        if leaving is not None:
            leaving.reply(min(deadline_s, self._store.now() + LEAVE_S))
