"""Celery on zkmq under test: each put is a published task, each delivery one that a worker runs.

A client has one worker of Celery's on a thread, which runs one task at a time and acknowledges
late. Its task waits until the client calls `done` or `release`, and `done` waits until the servers
have the acknowledgement. Celery comes with the extra `zkmq[celery]`, and is imported when a client
connects.
"""

import json
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any

from harness.clients import payload
from harness.clients.subject import Applied, Note, SubjectConfig, subjects
from harness.clients.worked_subject import LOOK_S, WorkedSubject, WorkRefusedError
from harness.history.record import Value
from zkmq.errors import NotAppliedError
from zkmq.tree.raw_copy import decode
from zkmq.working.job import Job

TASK, QUEUE = "harness.take", "celery"
# How long a worker may take to end: it ends between two looks of its loop, which wait for a second.
END_WITHIN_S = 10.0


@subjects.register("celery")
class CelerySubject(WorkedSubject):
    """Celery with zkmq as its broker; one client is a publisher and a worker of one process."""

    def __init__(self, config: SubjectConfig, note: Note) -> None:
        super().__init__(config, f"{config.path}/queues/{QUEUE}")
        self._jobs: dict[str, Job] = {}
        self._worker: EmbeddedWorker | None = None
        try:
            self._app = self.application(config)
            self._task = self.task_of(self._app)
        except BaseException:
            self._operator.close()
            raise

    def application(self, config: SubjectConfig) -> Any:
        """Return the application."""
        return configured(_application(), config, self._jobs)

    def task_of(self, app: Any) -> Any:
        """Return the task that a put publishes, with the value as its argument."""
        from celery.exceptions import Reject  # noqa: PLC0415 - of an extra

        @app.task(name=TASK, bind=True, shared=False)  # type: ignore[untyped-decorator]
        def take(task: Any, value: Value) -> None:
            if not self.work_on(value, self.job_of(task)):
                raise Reject("released", requeue=True)

        return take

    def job_of(self, task: Any) -> Job:
        """Return the delivery for which a task runs."""
        return self._jobs[task.request.id]

    @property
    def session(self) -> str | None:
        """Return the session's id in ZooKeeper's own notation: the worker's, or the publisher's."""
        transport = self._worker.transport if self._worker else None
        store = self._store if transport is None else transport.session.store
        id = store.session_id
        return None if id is None else f"0x{id:x}"

    def put(self, value: Value, priority: int) -> Applied:
        """Publish a task. Priority 0 of the scenario is Celery's 9, and 9 and more is 0."""
        try:
            self._task.apply_async((value,), priority=max(0, 9 - priority))
        except Exception as error:
            cause = error.__cause__ or error
            if isinstance(cause, NotAppliedError):
                raise WorkRefusedError(str(cause)) from error
            raise
        return Applied()

    def start(self) -> None:
        """Start a worker."""
        self._worker = EmbeddedWorker(self._app)

    def end(self) -> None:
        """End the worker, whose tasks go back, and what publishes."""
        if self._worker is not None:
            self._worker.close(self.let_go)
        self._app.producer_pool.force_close_all()
        self._app.pool.force_close_all()
        self._app.close()

    @staticmethod
    def places(nodes: Mapping[str, bytes], root: str) -> dict[str, list[Value]]:
        """Sort a raw copy of the broker's tree into the places of Celery's queue."""
        found = decode(nodes, f"{root}/queues/{QUEUE}")
        return {
            place: [_value_of(data) for _, data in getattr(found, place)]
            for place in ("items", "claims", "partial", "dead", "delayed", "purged")
        }


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


def _application() -> Any:
    """Make an application of the harness's own.

    Raises:
        ModuleNotFoundError: Celery is not installed; names the extra.
    """
    from celery import Celery  # noqa: PLC0415 - the line above says what to install

    import zkmq.celery  # noqa: F401, PLC0415 - of an extra; says which

    app = Celery("harness", set_as_current=False)
    app.conf.update(task_acks_late=True, task_ignore_result=True)
    return app


def configured(app: Any, config: SubjectConfig, jobs: dict[str, Job]) -> Any:
    """Let an application use the quorum; its transport notes each job by the id of its task."""
    from zkmq.celery.transport import Transport  # noqa: PLC0415 - of an extra

    class NotingTransport(Transport):
        def arrived(self, channel: Any, delivery: Any) -> None:
            if isinstance(delivery.handle, Job):
                jobs[json.loads(delivery.data)["headers"]["id"]] = delivery.handle
            super().arrived(channel, delivery)

    app.conf.update(
        broker_url=f"zkmq://{config.hosts}{config.path}",
        broker_transport=NotingTransport,
        broker_transport_options={
            "session_timeout_s": config.session_timeout_s,
            "deadline_s": config.deadline_s / 3,  # a publish, and its retry
            "order": "auto" if config.order == "strict" else config.order,
        },
        broker_connection_timeout=config.deadline_s / 3,
        broker_connection_max_retries=None,
        task_publish_retry_policy={"max_retries": 1},
        worker_enable_remote_control=False,
    )
    return app


def _value_of(data: bytes) -> Value:
    """Read a put's value from the task that it published."""
    message = json.loads(data)
    arguments = json.loads(b64decode(message["body"]))[0]
    return payload.plain(str(arguments[0]))
