"""A Celery application, and workers of it as processes of their own.

Its tasks note what they do in a file, and some wait until a test lets them go. `celery -A
worlds.celery_application` reads the environment that `CeleryWorker` sets.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded

import zkmq.celery  # noqa: F401 - makes zkmq:// known
from harness.common.polling import wait_until
from worlds.command_line import ROOT
from zkmq.working.ending import JobEnding

WITHIN_S = 60.0
SESSION_S = 60.0  # a machine that stands still ends none
FOLDER, BROKER, SETTINGS = "SUITE_FOLDER", "SUITE_BROKER", "SUITE_SETTINGS"
BROKEN = "SUITE_BROKEN"  # set by the control


def application(broker: str, folder: Path, **settings: Any) -> Celery:
    """Return the application, for a client or for a worker; its results are files."""
    results = folder / "results"
    results.mkdir(exist_ok=True)
    app = Celery("suite", broker=broker, backend=f"file://{results}")
    defaults = {
        "broker_transport_options": {"session_timeout_s": SESSION_S},
        "broker_connection_retry_on_startup": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 4,
        "result_chord_retry_interval": 0.1,
    }
    app.conf.update(defaults | settings)
    _register_pure(app)
    _register_noting(app, folder)
    return app


def _register(app: Celery, function: Any, **options: Any) -> None:
    app.task(name=f"suite.{function.__name__}", shared=False, **options)(function)


def _register_pure(app: Celery) -> None:
    """Give the application tasks that only return, raise, or take their time."""

    def add(a: Any, b: Any) -> Any:
        return a + b

    def total(numbers: list[int]) -> int:
        return sum(numbers)

    def fail(text: str) -> None:
        raise ValueError(text)

    def patient() -> str:
        try:
            time.sleep(WITHIN_S)
        except SoftTimeLimitExceeded:
            return "soft"
        return "never"

    for function in (add, total, fail, patient):
        _register(app, function)
    _register_bound(app)


def _register_bound(app: Celery) -> None:
    """Give it tasks that publish another one in their place."""

    def flaky(self: Any, times: int) -> int:
        if self.request.retries < times:
            raise self.retry(countdown=0.1, max_retries=times)
        return int(self.request.retries)

    def replaced(self: Any, a: int) -> None:
        raise self.replace(app.signature("suite.add", (a, 1)))

    for function in (flaky, replaced):
        _register(app, function, bind=True)


def _register_noting(app: Celery, folder: Path) -> None:
    """Give it tasks that note what they do, and one that waits for a test."""

    def note(what: str, name: str) -> None:
        with (folder / "notes").open("a") as notes:
            notes.write(f"{what} {name}\n")

    def say(name: str) -> str:
        note("say", name)
        return name

    def hold(name: str) -> str:
        note("begin", name)
        go = folder / f"go-{name}"
        wait_until(go.exists, within_s=WITHIN_S, every_s=0.02)
        note("end", name)
        return name

    for function in (say, hold):
        _register(app, function)


class CeleryWorker:
    """A worker with its log, in a session of its own; `with` ends it at once, if it still runs."""

    def __init__(
        self, broker: str, folder: Path, *flags: str, name: str = "one", **settings: Any
    ) -> None:
        self.name = f"{name}@suite"
        self._log = folder / f"{name}.log"
        command = [sys.executable, "-m", "celery", "-A", "worlds.celery_application", "worker"]
        flags = ("--concurrency=1", "--without-mingle", "--without-gossip", *flags)
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, f"--hostname={self.name}", "--loglevel=INFO", *flags],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={
                    **os.environ,
                    "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}",
                    FOLDER: str(folder),
                    BROKER: broker,
                    SETTINGS: json.dumps(settings),
                },
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(WITHIN_S)

    @property
    def log(self) -> str:
        """What it has written."""
        return self._log.read_text()

    def ready(self) -> Self:
        """Wait until it consumes."""
        seen = wait_until(lambda: " ready." in self.log, within_s=WITHIN_S, every_s=0.05)
        assert seen, self.log
        return self

    def tell(self, number: signal.Signals) -> None:
        """Send the main process a signal."""
        os.kill(self.process.pid, number)

    def ended(self) -> int:
        """Wait until it has ended, and return its status."""
        return self.process.wait(WITHIN_S)


def break_give_back() -> None:
    """Break zkmq for the control: what a worker did not begin, it acknowledges when it stops."""
    JobEnding.give_back = JobEnding.done  # type: ignore[method-assign, assignment]


if BROKER in os.environ:
    if BROKEN in os.environ:
        break_give_back()
    app = application(
        os.environ[BROKER], Path(os.environ[FOLDER]), **json.loads(os.environ[SETTINGS])
    )
