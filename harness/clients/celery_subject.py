"""Celery on zkmq under test: each put is a published task, each delivery one that a worker runs.

A client has one worker of Celery's on a thread, which runs one task at a time and acknowledges
late. Its task waits until the client calls `done` or `release`, and `done` waits until the servers
have the acknowledgement. Celery comes with the extra `zkmq[celery]`, and is imported when a client
connects.
"""

import json
import queue
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

from harness.clients import payload
from harness.clients.subject import (
    Applied,
    Note,
    Reserved,
    Subject,
    SubjectConfig,
    Taken,
    subjects,
)
from harness.history.record import Value
from zkmq.errors import NotAppliedError
from zkmq.operating.operator_queue import OperatorQueue
from zkmq.tree.raw_copy import decode
from zkmq.working.job import Job, Outcome
from zkmq.zookeeper.kazoo_store import KazooStore

TASK, QUEUE = "harness.take", "celery"
FINISH, BACK = True, False
LOOK_S = 0.05
# How long a worker may take to end: it ends between two looks of its loop, which wait for a second.
END_WITHIN_S = 10.0


class CeleryRefusedError(Exception):
    """The call certainly took no effect."""

    definite = True


class CeleryInDoubtError(Exception):
    """What became of the call is not known."""


@dataclass(eq=False)
class RunningTask:
    """One task that the worker runs: it waits for `decided`, whether to finish or to go back."""

    value: Value
    job: Job
    decided: "queue.SimpleQueue[bool]" = field(default_factory=queue.SimpleQueue)


@subjects.register("celery")
class CelerySubject(Subject):
    """Celery with zkmq as its broker; one client is a publisher and a worker of one process."""

    takes: ClassVar[bool] = False
    most: ClassVar[int | None] = 1

    def __init__(self, config: SubjectConfig, note: Note) -> None:
        self._deadline_s = config.deadline_s
        self._running: queue.SimpleQueue[RunningTask] = queue.SimpleQueue()
        self._current: RunningTask | None = None
        self._store = KazooStore.connect(
            config.hosts,
            session_timeout_s=config.session_timeout_s,
            connect_timeout_s=config.deadline_s,
        )
        try:
            self._queue = OperatorQueue(
                self._store, f"{config.path}/queues/{QUEUE}", deadline_s=config.deadline_s,
                close_store=True,
            )  # fmt: skip
        except BaseException:
            self._store.close()
            raise
        self._jobs: dict[str, Job] = {}
        self._app = _app_of(config, self._jobs, self._run)
        self._worker: EmbeddedWorker | None = None

    @property
    def session(self) -> str | None:
        """Return the session's id in ZooKeeper's own notation: the worker's, or the publisher's."""
        transport = self._worker.transport if self._worker else None
        store = self._store if transport is None else transport.session.store
        id = store.session_id
        return None if id is None else f"0x{id:x}"

    @property
    def consumer(self) -> str | None:
        """Return the registration that had the last task; None before that, or if it was lost."""
        if self._current is None or self._current.job.lost.is_set():
            return None
        return self._current.job.item.consumer

    def put(self, value: Value, priority: int) -> Applied:
        """Publish a task. Priority 0 of the scenario is Celery's 9, and 9 and more is 0."""
        try:
            self._app.send_task(TASK, (value,), priority=max(0, 9 - priority))
        except Exception as error:
            cause = error.__cause__ or error
            if isinstance(cause, NotAppliedError):
                raise CeleryRefusedError(str(cause)) from error
            raise
        return Applied()

    def reserve(self, n: int, timeout_s: float, *, sync: bool) -> Reserved:
        """Wait for the next task that the worker runs; empty if none waits in the queue."""
        if self._worker is None:
            self._worker = EmbeddedWorker(self._app)
        until_s = time.monotonic() + timeout_s
        while True:
            with suppress(queue.Empty):
                self._current = self._running.get(timeout=LOOK_S)
                taken = Taken(
                    value=self._current.value,
                    delivery=self._current.job.delivery,
                    handle=self._current,
                )
                return Reserved(items=(taken,), consumer=self._current.job.item.consumer)
            if time.monotonic() >= until_s + self._deadline_s:
                raise CeleryInDoubtError("tasks wait, and the worker runs none")
            if time.monotonic() >= until_s and not self._waiting(sync=sync):
                return Reserved()

    def done(self, items: Sequence[Taken]) -> Applied:
        """Let the task return; wait for its acknowledgement."""
        return self._end(items, FINISH)

    def release(self, items: Sequence[Taken]) -> Applied:
        """Let the task raise Reject with requeue; wait until it is back."""
        return self._end(items, BACK)

    def leftover(self) -> int:
        """Count what any worker holds, and what is delayed."""
        stats = self._queue.stats()
        return stats.held + stats.delayed

    def close(self) -> None:
        """End the worker, whose tasks go back, and the sessions."""
        try:
            if self._worker is not None:
                self._worker.close(self._let_go)
            self._app.producer_pool.force_close_all()
            self._app.pool.force_close_all()
            self._app.close()
        finally:
            self._queue.close()

    @staticmethod
    def places(nodes: Mapping[str, bytes], root: str) -> dict[str, list[Value]]:
        """Sort a raw copy of the broker's tree into the places of Celery's queue."""
        found = decode(nodes, f"{root}/queues/{QUEUE}")
        return {
            place: [_value_of(data) for _, data in getattr(found, place)]
            for place in ("items", "claims", "partial", "dead", "delayed", "purged")
        }

    def _run(self, id: str, value: Value) -> bool:
        """Be the task: hand it to the client, and wait for the client's decision."""
        task = RunningTask(payload.plain(str(value)), self._jobs[id])
        self._running.put(task)
        return task.decided.get()

    def _let_go(self) -> None:
        """Let every task that runs go back."""
        if self._current is not None:
            self._current.decided.put(BACK)
        with suppress(queue.Empty):
            while True:
                self._running.get_nowait().decided.put(BACK)

    def _end(self, items: Sequence[Taken], decision: bool) -> Applied:  # noqa: FBT001 - one of two names
        (task,) = (item.handle for item in items)
        task.decided.put(decision)
        until_s = time.monotonic() + self._deadline_s
        while task.job.outcome is None:
            if task.job.item.hold.value == "lost":
                task.job.lost.set()
                break
            if time.monotonic() >= until_s:
                raise CeleryInDoubtError("the servers do not have the acknowledgement in time")
            time.sleep(0.005)
        if task.job.outcome in {Outcome.DONE, Outcome.RETRIED}:
            return Applied()
        if task.job.outcome is Outcome.LOST:
            task.job.lost.set()
            raise CeleryRefusedError("the session that held the task has ended")
        raise CeleryInDoubtError(f"the acknowledgement: {task.job!r}")

    def _waiting(self, *, sync: bool) -> bool:
        if sync:
            self._store.sync("/", self._store.now() + self._deadline_s)
        return bool(self._queue.peek(1))


class EmbeddedWorker:
    """A worker of Celery's, on a thread. One at a time in a process: its state is global."""

    def __init__(self, app: Any) -> None:
        self._controller = app.WorkController(
            pool="solo", concurrency=1, prefetch_multiplier=1, without_mingle=True,
            without_gossip=True, without_heartbeat=True, hostname=f"w{id(app):x}@harness",
        )  # fmt: skip
        self._app = app
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    @property
    def transport(self) -> Any:
        """The transport of the worker's connection; None while it has none."""
        connection = getattr(self._controller.consumer, "connection", None)
        return None if connection is None or not connection.connected else connection.transport

    def _work(self) -> None:
        self._app.set_current()  # of this thread: a worker looks tasks up in the current one
        self._controller.start()

    def close(self, let_go: Callable[[], None]) -> None:
        """End it between two tasks; `let_go` ends those that run."""
        from celery.worker import state  # noqa: PLC0415 - of an extra

        state.should_terminate = 0
        until_s = time.monotonic() + END_WITHIN_S
        while self._thread.is_alive() and time.monotonic() < until_s:
            let_go()
            self._thread.join(LOOK_S)
        state.should_terminate = None
        connection = getattr(self._controller.consumer, "connection", None)
        if connection is not None:
            connection.close()


def _app_of(config: SubjectConfig, jobs: dict[str, Job], run: Callable[[str, Value], bool]) -> Any:
    """Make the application; its transport notes each job that arrives by the id of its task.

    Raises:
        ModuleNotFoundError: Celery is not installed; names the extra.
    """
    from celery import Celery  # noqa: PLC0415
    from celery.exceptions import Reject  # noqa: PLC0415

    import zkmq.celery  # noqa: F401, PLC0415 - of an extra; says which
    from zkmq.celery.transport import Transport  # noqa: PLC0415

    class NotingTransport(Transport):
        def arrived(self, channel: Any, delivery: Any) -> None:
            if isinstance(delivery.handle, Job):
                jobs[json.loads(delivery.data)["headers"]["id"]] = delivery.handle
            super().arrived(channel, delivery)

    app = Celery("harness", broker=f"zkmq://{config.hosts}{config.path}", set_as_current=False)
    app.conf.update(
        broker_transport=NotingTransport,
        broker_transport_options={
            "session_timeout_s": config.session_timeout_s,
            "deadline_s": config.deadline_s / 3,  # a publish, and its retry
            "order": "auto" if config.order == "strict" else config.order,
        },
        broker_connection_timeout=config.deadline_s / 3,
        broker_connection_max_retries=None,
        task_publish_retry_policy={"max_retries": 1},
        task_acks_late=True,
        task_ignore_result=True,
        worker_enable_remote_control=False,
    )

    @app.task(name=TASK, bind=True, shared=False)  # type: ignore[untyped-decorator]
    def take(self: Any, value: Value) -> None:
        if not run(self.request.id, value):
            raise Reject("released", requeue=True)

    return app


def _value_of(data: bytes) -> Value:
    """Read a put's value from the task that it published."""
    message = json.loads(data)
    arguments = json.loads(b64decode(message["body"]))[0]
    return payload.plain(str(arguments[0]))
