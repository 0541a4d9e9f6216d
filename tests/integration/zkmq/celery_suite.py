"""A client of the application of `worlds.celery_application`, with what its tests ask again."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from celery import Celery
from integration.zkmq.celery_kills import close

from harness.common.polling import wait_until
from worlds.celery_application import WITHIN_S, application


class Suite:
    """The application's client, on a broker and a folder of the test's own."""

    def __init__(self, app: Celery, broker: str, folder: Path) -> None:
        self.app, self.broker, self.folder = app, broker, folder

    def call(self, task: str, *arguments: Any, **options: Any) -> Any:
        """Publish a task."""
        return self.app.signature(f"suite.{task}", arguments).apply_async(**options)

    def s(self, task: str, *arguments: Any) -> Any:
        """Return a task's signature."""
        return self.app.signature(f"suite.{task}", arguments)

    def get(self, result: Any) -> Any:
        """Wait for a result."""
        return result.get(timeout=WITHIN_S, interval=0.02)

    def notes(self) -> list[str]:
        """What tasks have noted, in order."""
        path = self.folder / "notes"
        return path.read_text().splitlines() if path.exists() else []

    def count(self, note: str) -> int:
        """How often that was noted."""
        return self.notes().count(note)

    def noted(self, note: str, times: int = 1) -> None:
        """Wait until that was noted so often."""
        wait_until(lambda: self.count(note) >= times, within_s=WITHIN_S, every_s=0.02)
        assert self.count(note) == times, self.notes()

    def go(self, name: str) -> None:
        """Let the task `hold` of that name go on."""
        (self.folder / f"go-{name}").touch()

    def waiting(self, queue: str = "celery") -> int:
        """How many tasks are in a queue that no worker has."""
        with self.app.connection_for_read() as connection, connection.channel() as channel:
            return int(channel.queue_declare(queue, passive=True).message_count)

    def ask(self, worker: str, what: str, *arguments: Any) -> Any:
        """Ask one worker by `inspect`; it must answer."""
        inspect = self.app.control.inspect([worker], timeout=WITHIN_S, limit=1)
        return getattr(inspect, what)(*arguments)[worker]

    def order(self, worker: str, what: str, *arguments: Any, **options: Any) -> Any:
        """Give one worker an order by remote control, and return its answer."""
        order = getattr(self.app.control, what)
        (answer,) = order(
            *arguments, destination=[worker], reply=True, timeout=WITHIN_S, limit=1, **options
        )
        return answer[worker]


@contextmanager
def opened(server: str, folder: Path) -> Iterator[Suite]:
    """Lend a client on a broker of its own."""
    broker = f"zkmq://{server}/{uuid.uuid4().hex}"
    app = application(broker, folder)
    try:
        yield Suite(app, broker, folder)
    finally:
        close(app)
