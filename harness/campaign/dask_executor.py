"""Tasks on a Dask cluster: Dask chooses the worker, and gives a dead worker's tasks to others.

A worker offers as many slots as it can have quorums at once, as Dask's resource `quorum`. No more
tasks are submitted than the workers can begin, so that a campaign can have millions. If a worker
dies, Dask counts that against every task it has: one that only waits there would be blamed too.
"""

import pickle
import queue
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from distributed import Client, Future, KilledWorker, get_worker

from harness.campaign import code_identity
from harness.campaign.tasks import Began, Done, Events, Task, UndoneError
from harness.common.harness_errors import RunError, told

SLOT = "quorum"
TICK_S = 1.0
NO_WORKER_S = 60.0
GATHER_WITHIN_S = 30.0  # then it is asked for once more
MOST_READY = 64  # that have ended and were not looked at: then nothing more is begun
AHEAD = 2  # short tasks that wait at the scheduler while an answer is under way


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a worker says of a task."""

    value: Any
    error: Exception | None
    worker: str
    took_s: float


@dataclass(frozen=True, slots=True)
class _Moved:
    """Something happened to a task: `began` names the worker; without it, it has ended."""

    key: str
    began: str = ""


_Moves = queue.SimpleQueue[_Moved]


class DaskExecutor:
    """Does tasks on the workers of a Dask cluster.

    Args:
        name: unlike that of any other campaign on the same scheduler.
        quorum: whether each task starts one, so that a worker does one task at a time.
        no_worker_s: for so long a campaign waits for a worker before it ends.
    """

    def __init__(
        self, client: Client, name: str, *, quorum: bool = True, no_worker_s: float = NO_WORKER_S
    ) -> None:
        self._client, self._name, self._quorum = client, name, quorum
        self._no_worker_s = no_worker_s
        self._moves: dict[str, _Moves] = {}
        self._attempts: Counter[str] = Counter()
        self._topic = f"zkmq-{name}"
        self._workers = list[dict[str, Any]]()
        self._looked_s = time.monotonic() - TICK_S
        client.subscribe_topic(self._topic, self._began)

    @property
    def slots(self) -> int:
        """How many tasks the workers do at once, now."""
        return slots(self._seen(), quorum=self._quorum)

    def run(self, tasks: Iterable[Task]) -> Events:
        """Do tasks on the workers; see Executor."""
        coming, moves, pending = iter(tasks), _Moves(), deque[_Moved]()
        futures: dict[str, Future[_Answer]] = {}
        ready: dict[str, Future[_Answer]] = {}
        had_worker_s = time.monotonic()
        try:
            while True:
                if not ready:
                    self._fill(coming, futures, moves)
                if not (futures or ready):
                    return
                if not self._happened(moves, pending):
                    had_worker_s = self._require_worker(had_worker_s)
                    continue
                had_worker_s = time.monotonic()
                # First, since workers wait: what comes of those that have ended may take a while.
                ended = [one.key for one in pending if not one.began and one.key in futures]
                ready |= {key: futures.pop(key) for key in ended}
                if len(ready) < MOST_READY:
                    self._fill(coming, futures, moves)
                if (event := self._event(pending.popleft(), futures, ready, moves)) is not None:
                    yield event
        finally:
            left = futures | ready
            for key in left:
                del self._moves[key]
            with suppress(OSError, RuntimeError):  # of a scheduler that is gone
                self._client.cancel(list(left.values()), force=True)

    def everywhere(self, call: Callable[[], object]) -> None:
        """Call something once on each worker, whatever becomes of it."""
        with suppress(OSError, RuntimeError, ValueError):
            self._client.run(call, on_error="return")

    def close(self) -> None:
        """Listen to the workers no more."""
        self._client.unsubscribe_topic(self._topic)

    def _seen(self) -> list[dict[str, Any]]:
        """Return what the scheduler knows of its workers, at most TICK_S old.

        Raises:
            RunError: the scheduler does not answer.
        """
        if time.monotonic() - self._looked_s >= TICK_S:
            try:
                known = self._client.scheduler_info(n_workers=-1)["workers"]
            except (OSError, RuntimeError) as error:
                raise RunError(
                    f"--scheduler: the scheduler does not answer any more ({told(error)}); what "
                    "was kept stands, and the same command goes on from there"
                ) from error
            self._workers, self._looked_s = list(known.values()), time.monotonic()
        return self._workers

    def _require_worker(self, had_worker_s: float) -> float:
        """Return when a worker was there last.

        Raises:
            RunError: that is too long ago.
        """
        if self._seen():
            return time.monotonic()
        if time.monotonic() - had_worker_s > self._no_worker_s:
            raise RunError(
                f"no worker has been there for {self._no_worker_s:.0f} s; what was kept stands, "
                "and the same command goes on from there"
            )
        return had_worker_s

    def _fill(
        self, coming: Iterator[Task], futures: dict[str, "Future[_Answer]"], moves: _Moves
    ) -> None:
        """Submit tasks until each slot has one, and one at least: a worker may still come."""
        room = max(1, self.slots + (0 if self._quorum else AHEAD))
        while len(futures) < room and (task := next(coming, None)) is not None:
            futures[task.key] = self._submit(task, moves)

    def _submit(self, task: Task, moves: _Moves) -> "Future[_Answer]":
        self._moves[task.key] = moves
        future = self._client.submit(
            attempt,
            code_identity.digest(),
            self._topic,
            task.key,
            task.call,
            task.arguments,
            key=f"{self._name}-{task.key}",
            pure=False,
            resources={SLOT: 1} if self._quorum else None,
        )
        future.add_done_callback(lambda _: moves.put(_Moved(task.key)))
        return future

    def _began(self, event: tuple[float, Any]) -> None:
        """Hear of a task that has begun, on the client's own thread."""
        _, (key, worker) = event
        if (moves := self._moves.get(key)) is not None:
            moves.put(_Moved(key, worker))

    def _happened(self, moves: _Moves, pending: deque[_Moved]) -> bool:
        """Take all that has happened; tell whether anything has within TICK_S."""
        with suppress(queue.Empty):
            if not pending:
                pending.append(moves.get(timeout=TICK_S))
            while True:
                pending.append(moves.get_nowait())
        return bool(pending)

    def _event(
        self,
        moved: _Moved,
        futures: dict[str, "Future[_Answer]"],
        ready: dict[str, "Future[_Answer]"],
        moves: _Moves,
    ) -> Began | Done | None:
        """Return what has happened; None if it is over already, or must be asked for again."""
        key = moved.key
        if key not in futures and key not in ready:
            return None  # a begin that was told after the end
        if moved.began:
            self._attempts[key] += 1
            return Began(key=key, worker=moved.began, attempt=self._attempts[key])
        future = ready.pop(key)
        if (done := self._gathered(key, future)) is None:
            futures[key] = future
            moves.put(moved)
            return None
        del self._moves[key], self._attempts[key]
        return done

    def _gathered(self, key: str, future: "Future[_Answer]") -> Done | None:
        """Fetch what a task came to; None if its worker died with it, so that it is done again."""
        attempts = max(1, self._attempts[key])
        try:
            answer = future.result(timeout=GATHER_WITHIN_S)
        except TimeoutError:
            return None
        except KilledWorker as killed:
            attempts = killed.allowed_failures + 1
            died = f"{attempts} workers died with it, one after the other, so nothing is known"
            return Done(key=key, error=UndoneError(died), attempts=attempts)
        except (Exception, CancelledError) as error:  # noqa: BLE001 -- it is the caller's to judge
            lost = UndoneError(f"no worker could do it: {told(error)}")
            return Done(key=key, error=lost, attempts=attempts)
        return Done(
            key=key,
            value=answer.value,
            error=answer.error,
            worker=answer.worker,
            took_s=answer.took_s,
            attempts=attempts,
        )


def slots(workers: Iterable[Mapping[str, Any]], *, quorum: bool) -> int:
    """Return how many tasks these workers, as the scheduler knows them, do at once."""
    return int(sum(w["resources"].get(SLOT, 0) if quorum else w["nthreads"] for w in workers))


def attempt(
    code: str, topic: str, key: str, call: Callable[..., Any], arguments: tuple[Any, ...]
) -> _Answer:
    """Do a task, on a worker; tell first that it has begun, so that attempts can be counted."""
    worker = get_worker()
    name = f"{worker.name} at {worker.address}"
    worker.log_event(topic, [key, name])
    began_s = time.monotonic()
    value, error = None, None
    if code != code_identity.digest():
        other = f"worker {name} has other code than this; nothing was run on it"
        return _Answer(None, UndoneError(other), name, 0.0)
    try:
        value = call(*arguments)
    except Exception as raised:  # noqa: BLE001 -- it is the caller's to judge
        error = _portable(raised)
    return _Answer(value, error, name, time.monotonic() - began_s)


def _portable(error: Exception) -> Exception:
    """Return the error, or one of ours that says the same if it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 -- what was dumped here
    except Exception:  # noqa: BLE001 -- a foreign class may raise anything here
        return RunError(told(error))
    return error
