"""Tasks on Dask, with a client that does what a test says in the place of a cluster."""

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from types import SimpleNamespace
from typing import Any

import pytest
from distributed import KilledWorker

from harness.campaign import dask_executor
from harness.campaign.dask_executor import DaskExecutor
from harness.campaign.tasks import Began, Done, Task, UndoneError
from harness.common.harness_errors import RunError

ONE = {"resources": {"quorum": 1.0}, "nthreads": 1}
Result = Callable[[], Any]


class Future:
    """Ends when it is told to, and gives one result after the other when it is asked."""

    def __init__(self, results: list[Result], *, ended: bool) -> None:
        self.results, self.ended = results, ended
        self.calls: list[Callable[[Any], None]] = []

    def add_done_callback(self, call: Callable[[Any], None]) -> None:
        self.calls.append(call)
        if self.ended:
            call(self)

    def end(self) -> None:
        self.ended = True
        for call in self.calls:
            call(self)

    def result(self, timeout: float) -> Any:
        return self.results.pop(0)()


class Client:
    """A scheduler whose tasks end as it is told, by their keys."""

    def __init__(self, workers: int = 1) -> None:
        self.workers: int | None = workers  # None: the scheduler is gone
        self.results: dict[str, list[Result]] = {}
        self.submitted: list[str] = []
        self.long: dict[str, Future | None] = {}  # what does not end when it is submitted
        self.looks = 0
        self.cancelled = 0
        self.hear: Callable[[tuple[float, Any]], None] = lambda _: None

    def subscribe_topic(self, _: str, hear: Callable[[tuple[float, Any]], None]) -> None:
        self.hear = hear

    def scheduler_info(self, *, n_workers: int) -> dict[str, Any]:
        if self.workers is None:
            raise RuntimeError("the scheduler is gone")
        self.looks += 1
        if self.looks % 100 == 0:  # so nothing else happens any more
            for future in self.long.values():
                if future is not None and not future.ended:
                    future.end()
        return {"workers": dict.fromkeys(range(self.workers), ONE)}

    def submit(self, *words: Any, key: str, **settings: Any) -> Future:
        _, _, _, task, *_ = words
        self.submitted.append(task)
        results = self.results.get(task, [lambda: answer(task)])
        future = Future(results, ended=task not in self.long)
        if task in self.long:
            self.long[task] = future
        return future

    def cancel(self, futures: list[Future], *, force: bool) -> None:
        self.cancelled += len(futures)


def answer(value: Any) -> Any:
    """Return what a worker says of a task that returned a value."""
    return SimpleNamespace(value=value, error=None, worker="w", took_s=1.0)


def raising(error: BaseException) -> Result:
    """Return a result that is an error."""

    def result() -> Any:
        raise error

    return result


def tasks(*keys: str) -> Iterator[Task]:
    """Yield tasks that nobody does."""
    return (Task(key=key, call=print) for key in keys)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    """Give a client, and an executor's clock that ticks without waiting."""
    monkeypatch.setattr(dask_executor, "TICK_S", 0.0)
    return Client()


def test_what_was_done_is_told(client: Client) -> None:
    """Each task ends once, with its value and where it was done."""
    ended = list(DaskExecutor(client, "c").run(tasks("a", "b")))
    assert [(done.key, done.value, done.worker) for done in ended if isinstance(done, Done)] == [
        ("a", "a", "w"),
        ("b", "b", "w"),
    ]
    assert client.cancelled == 0


def test_no_more_is_submitted_than_can_begin(client: Client) -> None:
    """Tasks come from an iterator that may have no end; closing cancels what is under way."""
    client.workers = 3
    coming = DaskExecutor(client, "c").run(Task(key=str(n), call=print) for n in range(10**9))
    next(coming)
    assert client.submitted == ["0", "1", "2", "3", "4", "5"]  # three have ended
    for _ in range(200):
        next(coming)
    coming.close()
    assert len(client.submitted) <= 201 + dask_executor.MOST_READY + 2 * client.workers
    assert client.cancelled == len(client.submitted) - 201


@pytest.mark.parametrize("quorum", [True, False], ids=["quorums", "short tasks"])
def test_a_long_task_keeps_no_other_worker_idle(client: Client, *, quorum: bool) -> None:
    """Whoever is free gets the next task, whatever the others still do."""
    client.workers, client.long = 2, {"long": None}
    executor = DaskExecutor(client, "c", quorum=quorum)
    ended = list(executor.run(tasks("long", *"abcdefg")))
    assert [done.key for done in ended if isinstance(done, Done)] == [*"abcdefg", "long"]


def test_an_attempt_is_counted_when_a_worker_begins(client: Client) -> None:
    """A second worker that begins means that the first is gone, and the end knows of both."""
    executor = DaskExecutor(client, "c")

    def late() -> Any:
        client.hear((0.0, ["a", "w1"]))
        client.hear((0.0, ["a", "w2"]))
        raise TimeoutError

    client.results["a"] = [late, lambda: answer(7)]
    first, second, done = executor.run(tasks("a"))
    assert first == Began(key="a", worker="w1", attempt=1)
    assert second == Began(key="a", worker="w2", attempt=2)
    assert isinstance(done, Done)
    assert (done.value, done.attempts) == (7, 2)


def test_a_begin_after_the_end_is_dropped(client: Client) -> None:
    """What a worker said on its way is no event any more."""
    executor = DaskExecutor(client, "c")
    ended = list(executor.run(tasks("a")))
    client.hear((0.0, ["a", "w1"]))
    assert len(ended) == 1
    assert len(list(executor.run(tasks("b")))) == 1


def test_a_task_that_kills_its_workers_is_not_known(client: Client) -> None:
    """After the last allowed death it is an UndoneError, and the other tasks go on."""
    client.results["a"] = [raising(KilledWorker("a", None, 2))]  # type: ignore[arg-type]
    killed, other = DaskExecutor(client, "c").run(tasks("a", "b"))
    assert isinstance(killed, Done)
    assert isinstance(killed.error, UndoneError)
    assert killed.attempts == 3
    assert "3 workers died with it" in str(killed.error)
    assert isinstance(other, Done)
    assert other.error is None


@pytest.mark.parametrize("error", [CancelledError("gone"), ModuleNotFoundError("no harness")])
def test_what_no_worker_could_do_is_not_known(client: Client, error: BaseException) -> None:
    """A worker without our package, or a scheduler that lost the task, decides nothing."""
    client.results["a"] = [raising(error)]
    (done,) = DaskExecutor(client, "c").run(tasks("a"))
    assert isinstance(done, Done)
    assert isinstance(done.error, UndoneError)
    assert str(error) in str(done.error)


@pytest.mark.parametrize(
    ("workers", "why"),
    [(0, "no worker has been there for 0 s"), (None, "the scheduler does not answer any more")],
)
def test_it_does_not_wait_for_ever(client: Client, workers: int | None, why: str) -> None:
    """Without any worker, or without its scheduler, a campaign ends and says why."""
    client.workers, client.long = 2, {"long": None}
    coming = DaskExecutor(client, "c", no_worker_s=0.0).run(tasks("long", "a"))
    next(coming)
    client.workers = workers
    with pytest.raises(RunError, match=f"{why}.*goes on from there"):
        next(coming)
    assert client.cancelled == 1


@pytest.mark.parametrize(
    ("workers", "why"),
    [(0, "no worker has been there for 0 s"), (None, "the scheduler does not answer any more")],
)
def test_it_does_not_wait_for_a_first_worker_for_ever(
    client: Client, workers: int | None, why: str
) -> None:
    """A campaign that finds no worker, or no scheduler, ends and leaves no task behind."""
    client.workers, client.long = workers, {"a": None}
    coming = DaskExecutor(client, "c", no_worker_s=0.0).run(tasks("a"))
    with pytest.raises(RunError, match=f"{why}.*goes on from there"):
        next(coming)
    assert client.cancelled == len(client.submitted)


class Worker:
    """What a task sees of the worker that does it."""

    name, address = "0", "tcp://w"

    def __init__(self) -> None:
        self.told: list[Any] = []

    def log_event(self, topic: str, message: Any) -> None:
        self.told.append((topic, message))


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    """Be a worker."""
    worker = Worker()
    monkeypatch.setattr(dask_executor, "get_worker", lambda: worker)
    return worker


def attempted(call: Callable[..., Any], *arguments: Any, code: str = "") -> Any:
    """Do a task as a worker does."""
    ours = code or dask_executor.code_identity.digest()
    return dask_executor.attempt(ours, "topic", "a", call, arguments)


def test_a_worker_tells_before_it_begins(worker: Worker) -> None:
    """Its message is there even if the task never returns."""

    def call() -> int:
        assert worker.told == [("topic", ["a", "0 at tcp://w"])]
        return 7

    assert attempted(call).value == 7


def test_what_a_task_raises_is_its_answer(worker: Worker) -> None:
    """A task's own TimeoutError is not taken for one of Dask's; what cannot be sent is told."""

    class LocalError(Exception):
        """Cannot be pickled."""

    def fails(error: Exception) -> None:
        raise error

    assert isinstance(attempted(fails, TimeoutError("x")).error, TimeoutError)
    told = attempted(fails, LocalError("x")).error
    assert type(told) is RunError
    assert str(told) == "LocalError: x"


def test_a_worker_with_other_code_does_nothing(worker: Worker) -> None:
    """One that joined later with other code runs nothing, and says so."""
    done: list[int] = []
    told = attempted(done.append, 1, code="other").error
    assert done == []
    assert isinstance(told, UndoneError)
    assert "0 at tcp://w has other code" in str(told)
