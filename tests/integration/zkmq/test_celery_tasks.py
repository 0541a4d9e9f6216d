"""What Celery's own integration suite asks of a broker: tasks, canvas, remote control.

One worker of one process, with four tasks at a time, acknowledges late. Results are files, which
can do chords, as `rpc://` cannot.
"""

import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from celery import chain, chord, group
from celery.exceptions import ChordError, TaskRevokedError, TimeLimitExceeded
from integration.zkmq.celery_kills import close
from integration.zkmq.celery_suite import Suite, opened

from harness.common.polling import wait_until
from worlds.celery_application import SESSION_S, WITHIN_S, CeleryWorker, application

pytestmark = pytest.mark.docker

PREFETCH = 4


@pytest.fixture(scope="module")
def suite(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """Give a client of the application, on a broker of the module's own."""
    with opened(server, tmp_path_factory.mktemp("celery")) as one:
        yield one


@pytest.fixture(scope="module", autouse=True)
def worker(suite: Suite) -> Iterator[CeleryWorker]:
    """Give a worker that lives through the module; remote control ends it, in order."""
    with CeleryWorker(suite.broker, suite.folder) as one:
        yield one.ready()
        suite.app.control.shutdown(destination=[one.name])
        assert one.ended() == 0, one.log


def name() -> str:
    """Return a name that no other test has."""
    return uuid.uuid4().hex[:8]


# Tasks


def test_many_threads_publish(suite: Suite) -> None:
    """Each task of each thread is executed, and its result is the thread's own."""
    results: list[list[Any]] = [[] for _ in range(4)]

    def publish(number: int) -> None:
        results[number] += [suite.call("add", number, n) for n in range(5)]

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [[suite.get(result) for result in of_one] for of_one in results]
    assert told == [[number + n for n in range(5)] for number in range(4)]


def test_arguments_arrive_as_they_were(suite: Suite) -> None:
    """Any text, and one that needs most of a znode; wrong ones are the caller's error."""
    long = "ä€😀" * 30_000
    assert suite.get(suite.call("add", long, "\0")) == long + "\0"
    with pytest.raises(TypeError):
        suite.get(suite.call("add", 1))


def test_a_task_is_retried_and_replaced(suite: Suite) -> None:
    """A retry waits for its countdown in the queue; a replacement has the result of the first."""
    assert suite.get(suite.call("flaky", 3)) == 3
    assert suite.get(suite.call("replaced", 5)) == 6
    with pytest.raises(ValueError, match="no"):
        suite.get(suite.call("fail", "no"))


def test_a_result_that_nobody_wants_is_not_kept(suite: Suite) -> None:
    """With ignore_result, the task is executed all the same."""
    said = name()
    result = suite.call("say", said, ignore_result=True)
    suite.noted(f"say {said}")
    assert suite.get(suite.call("add", 0, 0)) == 0  # the worker is past it
    assert result.result is None
    assert result.state == "PENDING"


def test_time_limits_end_a_task(suite: Suite) -> None:
    """A soft one raises in the task, a hard one ends its process; the worker goes on."""
    # On a busy machine a task may need a while to come to where it can be told.
    assert suite.get(suite.call("patient", soft_time_limit=3.0)) == "soft"
    with pytest.raises(TimeLimitExceeded):
        suite.get(suite.call("patient", time_limit=0.5))
    assert suite.get(suite.call("add", 1, 1)) == 2


@pytest.mark.parametrize("delay", [{}, {"countdown": 1.0}])
def test_a_revoked_task_is_not_executed(
    suite: Suite, worker: CeleryWorker, delay: dict[str, Any]
) -> None:
    """One that waits for the worker, and one that waits in the queue until it is due."""
    held, revoked = name(), name()
    suite.call("hold", held)
    suite.noted(f"begin {held}")
    result = suite.call("say", revoked, **delay)
    suite.order(worker.name, "revoke", result.id)
    assert result.id in suite.ask(worker.name, "revoked")
    suite.go(held)
    with pytest.raises(TaskRevokedError):
        suite.get(result)
    assert suite.count(f"say {revoked}") == 0


def test_a_task_is_revoked_while_it_runs(suite: Suite, worker: CeleryWorker) -> None:
    """With `terminate`, its process ends; the task is over, and the worker goes on."""
    held = name()
    result = suite.call("hold", held)
    suite.noted(f"begin {held}")
    suite.order(worker.name, "revoke", result.id, terminate=True)
    with pytest.raises(TaskRevokedError):
        suite.get(result)
    assert suite.get(suite.call("add", 1, 1)) == 2
    assert suite.count(f"end {held}") == 0


def test_tasks_are_revoked_by_their_headers(suite: Suite, worker: CeleryWorker) -> None:
    """A stamp of the publisher's names those that are not to run, and only those."""
    held, revoked, other = name(), name(), name()
    suite.call("hold", held)
    suite.noted(f"begin {held}")
    stamped = suite.s("say", revoked)
    stamped.stamp(batch="b1")
    result = stamped.apply_async()
    kept = suite.call("say", other)
    suite.order(worker.name, "revoke_by_stamped_headers", {"batch": "b1"})
    suite.go(held)
    with pytest.raises(TaskRevokedError):
        suite.get(result)
    assert suite.get(kept) == other
    assert suite.count(f"say {revoked}") == 0


def test_urgent_tasks_are_executed_first(suite: Suite, worker: CeleryWorker) -> None:
    """Of those that wait in a queue, which a worker then begins to consume; and it ends to."""
    queue, said = name(), {priority: name() for priority in (0, 3, 9, 6)}
    results = [
        suite.call("say", word, queue=queue, priority=priority) for priority, word in said.items()
    ]
    assert suite.waiting(queue) == 4
    assert "ok" in suite.order(worker.name, "add_consumer", queue)
    for result in results:
        suite.get(result)
    order = [note.removeprefix("say ") for note in suite.notes() if note[4:] in said.values()]
    assert order == [said[priority] for priority in (9, 6, 3, 0)]
    assert "ok" in suite.order(worker.name, "cancel_consumer", queue)
    last = suite.call("say", name(), queue=queue)
    assert suite.get(suite.call("add", 1, 1)) == 2
    assert not last.ready()
    assert suite.waiting(queue) == 1


# Canvas


def test_chains_and_groups(suite: Suite) -> None:
    """Also within each other: each task gets what the one before returned."""
    add = suite.s
    assert suite.get(chain(add("add", 1, 1), add("add", 2), add("add", 3))()) == 7
    assert suite.get(group(add("add", n, n) for n in range(8))()) == [*range(0, 16, 2)]
    nested = chain(add("add", 1, 1), group(add("add", 10), chain(add("add", 20), add("add", 1))))
    assert suite.get(nested()) == [12, 23]
    task = suite.app.tasks["suite.add"]
    assert suite.get(task.chunks([(n, n) for n in range(4)], 2)()) == [[0, 2], [4, 6]]
    assert suite.get(task.starmap([(1, 2), (3, 4)]).apply_async()) == [3, 7]


def test_chords(suite: Suite) -> None:
    """The body comes after all of the header, which Celery finds out by tasks with a countdown."""
    header = [suite.s("add", n, n) for n in range(6)]
    assert suite.get(chord(header)(suite.s("total"))) == 30
    twice = chain(chord(header[:2], suite.s("total")), suite.s("add", 1))
    assert suite.get(chord([twice, suite.s("add", 5, 5)])(suite.s("total"))) == 13
    failing = chord([suite.s("add", 1, 1), suite.s("fail", "no")])(suite.s("total"))
    error = failing.get(timeout=WITHIN_S, interval=0.02, propagate=False)
    assert isinstance(error, ChordError)


def test_callbacks(suite: Suite) -> None:
    """A link is called with the result; it is a task of its own."""
    word = name()
    suite.call("say", word, link=suite.s("hold").clone())
    suite.noted(f"begin {word}")
    suite.go(word)
    suite.noted(f"end {word}")
    error = name()
    suite.call("fail", "no", link_error=suite.app.signature("suite.say", (error,), immutable=True))
    suite.noted(f"say {error}")


# Remote control


def test_inspection_tells_of_the_worker(suite: Suite, worker: CeleryWorker) -> None:
    """Each question reaches the worker, and its answer this process; nobody answers for another."""
    assert suite.ask(worker.name, "ping") == {"ok": "pong"}
    assert suite.ask(worker.name, "clock")["clock"] > 0
    assert "suite.add" in suite.ask(worker.name, "registered")
    assert [queue["name"] for queue in suite.ask(worker.name, "active_queues")] == ["celery"]
    stats = suite.ask(worker.name, "stats")
    assert stats["pid"] == worker.process.pid
    assert stats["broker"]["transport"] == "zkmq"
    assert "zkmq" in suite.ask(worker.name, "report")["ok"]
    assert suite.ask(worker.name, "conf")["task_acks_late"] is True
    assert suite.app.control.inspect(["nobody@suite"], timeout=0.5).ping() is None


def test_inspection_tells_of_tasks(suite: Suite, worker: CeleryWorker) -> None:
    """Which run and which wait in the worker, which has no more than its prefetch count."""
    held = name()
    first = suite.call("hold", held)
    suite.noted(f"begin {held}")
    more = [suite.call("say", name()) for _ in range(PREFETCH + 2)]

    def reserved() -> set[str]:
        return {one["id"] for one in suite.ask(worker.name, "reserved")} - {first.id}

    wait_until(lambda: len(reserved()) >= PREFETCH - 1, within_s=WITHIN_S, every_s=0.05)
    assert [one["id"] for one in suite.ask(worker.name, "active")] == [first.id]
    assert reserved() == {one.id for one in more[: PREFETCH - 1]}
    assert suite.ask(worker.name, "query_task", first.id)[first.id][0] == "active"
    assert suite.ask(worker.name, "query_task", more[-1].id) == {}
    assert suite.waiting() == 3
    # A second process doubles the prefetch count, and begins at once.
    suite.order(worker.name, "pool_grow", 1)
    for result in more:
        suite.get(result)
    suite.order(worker.name, "pool_shrink", 1)
    suite.go(held)
    suite.get(first)


def test_a_task_with_an_eta_waits_where_it_is_asked_to(suite: Suite, worker: CeleryWorker) -> None:
    """In the queue by default; with `eta_in_queue: False` in the worker, as with other brokers."""
    in_queue = suite.call("say", name(), countdown=600)
    client = application(suite.broker, suite.folder)
    client.conf.broker_transport_options = {"session_timeout_s": SESSION_S, "eta_in_queue": False}
    try:
        in_worker = client.signature("suite.say", (name(),)).apply_async(countdown=600)
        scheduled = wait_until(
            lambda: suite.ask(worker.name, "scheduled"), within_s=WITHIN_S, every_s=0.05
        )
        assert [one["request"]["id"] for one in scheduled] == [in_worker.id]
    finally:
        suite.order(worker.name, "revoke", [in_worker.id, in_queue.id])
        close(client)
