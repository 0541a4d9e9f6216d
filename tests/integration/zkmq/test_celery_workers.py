"""What becomes of tasks when Celery's workers stop, die, freeze, or have too many.

Each test has workers of its own, of one process, which acknowledge late and take four tasks at a
time. At the end, every task was executed as often as it may be, and none is left.
"""

import os
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.zkmq.celery_suite import Suite, opened

from harness.common.polling import wait_until
from worlds.celery_application import BROKEN, WITHIN_S, CeleryWorker

pytestmark = pytest.mark.docker

SHORT_S = 4.0  # the session of a worker whose session has to end
SHORT = {"broker_transport_options": {"session_timeout_s": SHORT_S}}
SOFT_S = 5.0  # Celery waits for all of it, whatever ends before
MORE = ("a", "b", "c", "d", "e")


@pytest.fixture
def suite(server: str, tmp_path: Path) -> Iterator[Suite]:
    """Give a client of the application, on a broker of the test's own."""
    with opened(server, tmp_path) as one:
        yield one


def worker(suite: Suite, name: str = "one", **settings: Any) -> CeleryWorker:
    """Start one; `with` ends it."""
    return CeleryWorker(suite.broker, suite.folder, "--without-heartbeat", name=name, **settings)


def occupied(suite: Suite, one: CeleryWorker, *, takes: int = 3) -> None:
    """Give it a task that it executes until it may go on, and five that it does not come to.

    It takes so many of them, and the rest is in the queue.
    """
    one.ready()
    suite.call("hold", "h")
    suite.noted("begin h")
    for word in MORE:
        suite.call("say", word)
    wait_until(lambda: suite.waiting() == len(MORE) - takes, within_s=WITHIN_S, every_s=0.05)
    assert suite.waiting() == len(MORE) - takes


def require_all_once(suite: Suite, *, holds: int) -> None:
    """Let a second worker execute what is left, and require that it is all, and nothing twice."""
    with worker(suite, "two") as two:
        two.ready()
        suite.go("h")
        for word in MORE:
            suite.noted(f"say {word}")
        suite.noted("end h")
        assert suite.count("begin h") == holds
        suite.app.control.shutdown(destination=[two.name])
        assert two.ended() == 0, two.log
    assert suite.waiting() == 0


@pytest.mark.parametrize("by", ["SIGTERM", pytest.param("control", marks=pytest.mark.slow)])
def test_a_warm_shutdown_finishes_what_runs(suite: Suite, by: str) -> None:
    """What the worker has not begun goes back, for another one, without a word about sessions."""
    with worker(suite) as one:
        occupied(suite, one)
        if by == "SIGTERM":
            one.tell(signal.SIGTERM)
        else:
            suite.app.control.shutdown(destination=[one.name])
        told = {"SIGTERM": "Warm shutdown", "control": "Got shutdown from remote"}[by]
        wait_until(lambda: told in one.log, within_s=WITHIN_S, every_s=0.02)
        assert told in one.log
        suite.go("h")
        assert one.ended() == 0, one.log
    assert suite.count("end h") == 1
    assert suite.waiting() == len(MORE)
    require_all_once(suite, holds=1)


@pytest.mark.slow
def test_a_worker_that_gives_nothing_back_is_found(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: a transport that acknowledges what it should give back fails the test above."""
    monkeypatch.setenv(BROKEN, "1")
    with pytest.raises(AssertionError, match="waiting"):
        test_a_warm_shutdown_finishes_what_runs(suite, "SIGTERM")


def test_a_cold_shutdown_gives_back_what_runs(suite: Suite) -> None:
    """SIGQUIT: the task is broken off, and another worker executes it from its beginning."""
    with worker(suite) as one:
        occupied(suite, one)
        one.tell(signal.SIGQUIT)
        one.ended()
    assert suite.count("end h") == 0
    require_all_once(suite, holds=2)


@pytest.mark.slow
def test_a_soft_shutdown_waits_for_what_runs(suite: Suite) -> None:
    """SIGQUIT with a time for it: what ends within it is over, and is not executed again."""
    with worker(suite, worker_soft_shutdown_timeout=SOFT_S) as one:
        occupied(suite, one)
        one.tell(signal.SIGQUIT)
        wait_until(lambda: "Soft Shutdown" in one.log, within_s=WITHIN_S, every_s=0.02)
        assert "Soft Shutdown" in one.log
        suite.go("h")
        one.ended()
    require_all_once(suite, holds=1)


@pytest.mark.slow
def test_a_process_of_the_pool_that_dies_gives_its_task_back(suite: Suite) -> None:
    """As by the OOM killer; the worker goes on, and executes it again."""
    with worker(suite) as one:
        occupied(suite, one)
        (child,) = suite.ask(one.name, "stats")["pool"]["processes"]
        os.kill(child, signal.SIGKILL)
        suite.noted("begin h", 2)
        suite.go("h")
        for word in MORE:
            suite.noted(f"say {word}")
        suite.noted("end h")
        wait_until(lambda: suite.waiting() == 0, within_s=WITHIN_S, every_s=0.05)
        one.tell(signal.SIGTERM)
        assert one.ended() == 0, one.log
    assert suite.waiting() == 0


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_nothing_but_what_it_acknowledged(suite: Suite) -> None:
    """Acknowledged early, a task dies with its worker, as Celery says; the others do not."""
    with worker(suite, task_acks_late=False, **SHORT) as one:
        occupied(suite, one, takes=4)  # what it executes has left the queue
        os.killpg(one.process.pid, signal.SIGKILL)
        one.ended()
        with worker(suite, "two") as two:
            two.ready()
            for word in MORE:
                suite.noted(f"say {word}")
    assert suite.waiting() == 0
    assert suite.count("begin h") == 1
    assert suite.count("end h") == 0


@pytest.mark.slow
def test_a_worker_that_was_frozen_for_longer_than_its_session_goes_on(suite: Suite) -> None:
    """It learns of it, connects again, and executes what it held once more, and new tasks.

    Celery asks for the heartbeat before it reads, so this once ended with a worker that consumed
    no more.
    """
    with worker(suite, **SHORT) as one:
        occupied(suite, one)
        os.killpg(one.process.pid, signal.SIGSTOP)
        time.sleep(2 * SHORT_S)
        os.killpg(one.process.pid, signal.SIGCONT)
        suite.go("h")
        suite.noted("begin h", 2)
        wait_until(
            lambda: suite.waiting() == 0 and all(suite.count(f"say {word}") for word in MORE),
            within_s=WITHIN_S,
            every_s=0.05,
        )
        assert "Connection to broker lost" in one.log
        later = uuid.uuid4().hex
        assert suite.get(suite.call("say", later)) == later
        one.tell(signal.SIGTERM)
        assert one.ended() == 0, one.log
    assert suite.waiting() == 0
    assert suite.count("end h") == 2
    # When it woke up, it went on with what it had: nobody can take that back.
    assert {suite.count(f"say {word}") for word in MORE} <= {1, 2}


@pytest.mark.slow
def test_a_task_over_its_rate_limit_waits_in_the_worker(suite: Suite) -> None:
    """Other tasks pass it. When the worker stops, it goes back, and another worker executes it."""
    with worker(suite) as one:
        one.ready()
        assert "ok" in suite.order(one.name, "rate_limit", "suite.say", "1/h")
        suite.get(suite.call("say", "first"))
        suite.call("say", "second")
        assert suite.get(suite.call("add", 1, 1)) == 2
        assert suite.count("say second") == 0
        assert suite.waiting() == 0
        one.tell(signal.SIGTERM)
        assert one.ended() == 0, one.log
    with worker(suite, "two") as two:
        two.ready()
        suite.noted("say second")
        two.tell(signal.SIGTERM)
        assert two.ended() == 0, two.log
    assert suite.count("say first") == 1
