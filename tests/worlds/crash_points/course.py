"""Crash points: one operation, one plan of faults, and what is found when all is healed.

    points = CrashPoints("127.0.0.1:2181")
    for plan in points.single_faults("done"):
        trial = points.strike("done", plan)
        assert not trial.violations

After a crash point the connection is healed, another client drains the queue, the outcome is
asked for if it was unknown, the client acknowledges what it believes to hold and closes, and the
other client drains again. What is found then is compared with what the call reported.
"""

import itertools
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from worlds.crash_points.checks import Ended, Outcome, Violation, claims_by_item, violations
from worlds.crash_points.client import (
    PATIENCE_S,
    PATIENT_S,
    PAUSE_S,
    SESSION_TIMEOUT_S,
    Client,
    SteeredStore,
    run_in_process,
)
from worlds.crash_points.epilogue import Epilogue
from worlds.crash_points.operation import Operation, Other
from worlds.crash_points.table import OPERATIONS
from worlds.proxy.faults import AFTER, HOLDS, KILLS, PASSES_DEADLINE, SILENT, Fault
from worlds.proxy.protocol import WRITES, Opcode, Request
from worlds.proxy.proxy import Plan, Proxy
from worlds.wire.starvation import Starvation
from zkmq.errors import PartlyPutError, ZkmqError
from zkmq.tree import item_names

START_WITHIN_S = 90.0
AT_ONCE = 4
TRIES = 5
BASELINES = 3


@dataclass(slots=True)
class Trial:
    """One crash point and what came of it. `requests` are those that could be struck at."""

    operation: str
    plan: Plan
    outcome: Outcome
    requests: list[Request]
    unstruck: list[int]
    violations: list[Violation] = field(default_factory=list)

    def __str__(self) -> str:
        """For people: what was struck, what the caller was told, and what is wrong."""
        plan = ", ".join(
            f"{fault} at {number} ({self.requests[number - 1]})"
            if number <= len(self.requests)
            else f"{fault} at {number}"
            for number, fault in sorted(self.plan.items())
        )
        wrong = "; ".join(map(str, self.violations)) or "nothing wrong"
        return f"{self.operation}: {plan or 'no fault'}: {self.outcome}: {wrong}"


class CrashPoints:
    """Strikes at operations on one server, each on a tree of its own."""

    def __init__(self, server: str, operations: Mapping[str, Operation] = OPERATIONS) -> None:
        self._server = server
        self._operations = operations
        self._numbers = itertools.count(1)
        self._prefix = f"/crash-points-{os.getpid()}-{time.monotonic_ns()}"
        self._store = SteeredStore.open(server)
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(["worlds.crash_points.table", "pytest"])
        self._baselines: dict[str, Trial] = {}
        self._threads = ThreadPoolExecutor(AT_ONCE)
        self._starvation = Starvation()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._threads.shutdown()
        self._starvation.stop()
        self._store.close()

    def baseline(self, name: str) -> Trial:
        """The operation without faults: the shortest of some runs, since waits end by the clock."""
        if name not in self._baselines:
            runs = [self.strike(name, {}) for _ in range(BASELINES)]
            self._baselines[name] = min(
                runs, key=lambda run: (not run.violations, len(run.requests))
            )
        return self._baselines[name]

    def single_faults(self, name: str) -> Iterator[Plan]:
        """Every fault at every request of an operation, but for those that come to the same."""
        for number, request in enumerate(self.baseline(name).requests, 1):
            for fault in applicable(request, first=number == 1):
                yield {number: fault}

    def pairs(self, first: Trial) -> Iterator[Plan]:
        """Every second fault after one fault, at every request that came then."""
        (earlier,) = first.plan
        for number in range(earlier + 1, len(first.requests) + 1):
            for fault in applicable(first.requests[number - 1], first=False):
                yield {**first.plan, number: fault}

    def waits_through_a_cut(self) -> bool:
        """Whether a reserve that waits gets an item put after its connection broke."""
        root = f"{self._prefix}/{next(self._numbers)}"
        with Proxy(self._server) as proxy:
            other = Other(self._store, root, segment_items=1000)
            client = Client(proxy.address, root)
            waiting = self._threads.submit(lambda: client.queue.reserve(timeout_s=PATIENT_S))
            while not self._store.list(
                f"{root}/waiting/{item_names.free_bucket([])}", time.monotonic() + PATIENT_S
            ):
                time.sleep(PAUSE_S)
            proxy.cut()
            proxy.await_connections(2)
            other.put(b"after the cut")
            got = [item.data for item in waiting.result().items]
            client.close()
            other.queue.close()
        return got == [b"after the cut"]

    def strike_all(self, name: str, plans: Iterable[Plan]) -> list[Trial]:
        """Run an operation under each plan, some at a time: mostly they wait for the server."""
        return list(self._threads.map(lambda plan: self.strike_surely(name, plan), plans))

    def strike_surely(self, name: str, plan: Plan) -> Trial:
        """Run again if a request of the plan did not come: waits end by the clock."""
        for _ in range(TRIES):
            trial = self.strike(name, plan)
            if not trial.unstruck:
                break
        return trial

    def strike(self, name: str, plan: Plan) -> Trial:
        """Run one operation under one plan."""
        operation = self._operations[name]
        root = f"{self._prefix}/{next(self._numbers)}"
        with Proxy(self._server) as proxy:
            other = Other(self._store, root, segment_items=operation.segment_items)
            other.claims_elsewhere = lambda: claims_by_item(proxy.journal, root)
            operation.prepare(other)
            silent = SILENT.intersection(plan.values())
            client = Client(
                proxy.address,
                root,
                patience_s=PATIENCE_S if silent else SESSION_TIMEOUT_S,
                settings=dict(operation.settings),
            )
            proxy.meanwhile = lambda: operation.meanwhile(other)
            if KILLS.intersection(plan.values()):
                outcome = self._kill(operation, client, proxy, plan)
                epilogue = Epilogue(operation, outcome, other, proxy, None)
            else:
                operation.ready(client)
                proxy.pass_deadline = client.pass_deadline
                proxy.arm(plan)
                outcome = _call(operation, client, self._starvation)
                epilogue = Epilogue(operation, outcome, other, proxy, client)
            found = epilogue.run(self._store)
            requests = [each.request for each in proxy.journal if each.number]
            unstruck = proxy.unstruck()
        return Trial(name, plan, outcome, requests, unstruck, violations(operation, outcome, found))

    def _kill(self, operation: Operation, client: Client, proxy: Proxy, plan: Plan) -> Outcome:
        """Run the call in a process, which the plan kills."""
        here, there = self._processes.Pipe()
        with closing(here), closing(there):
            process = self._processes.Process(
                target=run_in_process, args=(operation.name, client, there)
            )
            process.start()
            assert here.poll(START_WITHIN_S), "the process did not get ready"
            pid = here.recv()
            proxy.kill = lambda: os.kill(pid, signal.SIGKILL)
            proxy.arm(plan)
            here.send("go")
            process.join(PATIENT_S)
            survived = process.exitcode != -signal.SIGKILL
            process.kill()
            process.join()
            process.close()
        return Outcome(Ended.UNKNOWN if survived else Ended.KILLED)


def applicable(request: Request, *, first: bool) -> Iterator[Fault]:
    """The faults that make a difference at a request.

    A read whose answer is lost and a read that never arrives leave the same server and the same
    client, and one that arrives late changes nothing. A kill before a request is a kill after
    the one before. A handshake has no deadline of the queue's.
    """
    writes = request.opcode in WRITES
    for fault in Fault:
        if fault is Fault.KILL_BEFORE and not first:
            continue
        if fault in HOLDS | AFTER and not writes and request.opcode is not Opcode.CONNECT:
            continue
        if request.opcode is Opcode.CONNECT and fault in (
            PASSES_DEADLINE | HOLDS | {Fault.OVERTAKEN}
        ):
            continue
        yield fault


def _call(operation: Operation, client: Client, starvation: Starvation) -> Outcome:
    """Make the call and tell how it ended; the time the machine kept us from running is not its."""
    started_s = time.monotonic()
    outcome = Outcome(Ended.OK)
    try:
        operation.call(client)
    except ZkmqError as error:
        outcome = Outcome(Ended.FAIL if error.definite else Ended.UNKNOWN, error)
        outcome.applied = len(getattr(error, "applied", ()))
        if isinstance(error, PartlyPutError):
            outcome.ended = Ended.FAIL
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
        outcome = Outcome(Ended.UNKNOWN, error)
    outcome.took_s = starvation.ran_s(started_s)
    return outcome


def seeded_pairs(points: CrashPoints, seed: int, count: int) -> Iterator[Trial]:
    """Strike twice at put, reserve or done, chosen by the seed."""
    rng = random.Random(seed)
    while count:
        name = rng.choice(["put", "reserve", "done"])
        first = points.strike_surely(name, rng.choice(list(points.single_faults(name))))
        pairs = list(points.pairs(first))
        if pairs:
            count -= 1
            yield points.strike_surely(name, rng.choice(pairs))
