"""Record a history in a test: calls of its own code, and clients as processes; then judge it."""

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import msgspec
import pydantic

from harness import judge
from harness.claim import Claim, Level
from harness.clients import subject_lookup
from harness.clients.client import Client
from harness.clients.foreign_calls import CallLine, ForeignCalls
from harness.clients.guarded_subject import Guarded, unlimited
from harness.clients.subject import Note, Subject, SubjectConfig
from harness.common.harness_errors import RunError, ScenarioError, told
from harness.common.polling import wait_until
from harness.common.progress import Progress
from harness.common.run_clock import Clock
from harness.common.verdict import CheckResult
from harness.history import record
from harness.history.columns import History
from harness.history.record import HistoryWriter, Value
from harness.run_ending import Ending
from harness.scenario import loading
from harness.scenario.schema import WorkloadEntry
from harness.target import Clients, Quorum
from harness.workers.forwarder import Forwarding
from harness.workers.pool import Worker, Workers, all_ended
from harness.workers.running_clients import RunningClients

TICK_S = 0.02
ENDS_WITHIN_S = 300.0
# Processes of their own count from 0; these are of the test's code, and of clients beside it.
OWN_PROCESS, LAST_CLIENT = 500, 999


@dataclass(slots=True)
class OwnCall:
    """A call of the test's code; `value` is what a take or reserve got, None for nothing."""

    value: Value | list[Value] | None = None


class Recording:
    """A history while it is recorded, and afterwards. On leaving it, all clients have ended.

    Args:
        quorum: where the clients connect to.
        folder: where the history is kept, and what client processes print.
        subject: the queue of `start`, `client` and `drain`: a name, `module:Class`, or a class at
            the top of a module.
        heal: undoes all faults in force.
        environment: added to that of client processes.
        settings: `path`, and the keys of a scenario for its clients, such as `deadline_s`.

    Raises:
        ScenarioError: no such subject or setting.
    """

    def __init__(
        self,
        quorum: Quorum,
        folder: Path,
        subject: str | type = "zkmq",
        *,
        heal: Callable[[], None] = lambda: None,
        environment: Mapping[str, str],
        **settings: Any,
    ) -> None:
        self._folder, self._heal = folder, heal
        self._class = subject if isinstance(subject, type) else None
        self._config = _config(quorum, subject, settings)
        if self._class is None:
            subject_lookup.find(self._config.kind, self._config.folders)
        else:
            subject_lookup.require(self._config.kind, self._class)
        self._clock, self._progress, self._lock = Clock(), Progress(), threading.Lock()
        self._of_harness = HistoryWriter(self._parts / "harness.jsonl")
        self._of_test = HistoryWriter(self._parts / "test.jsonl")
        self._writers = [self._of_harness, self._of_test]
        self._callers: dict[int, int] = {}
        self._own = ForeignCalls(
            self._of_test.append, self._clock, process=OWN_PROCESS, report=_drop, values="any"
        )
        self._workers = Workers(
            folder=folder,
            clock=self._clock,
            progress=self._progress,
            history=self._of_harness,
            subject=self._config.model_dump(),
            environment=environment,
            forwarding=Forwarding({id: n.client_address for id, n in quorum.nodes.items()}),
        )
        self._ending = Ending(
            quorum, self._of_harness, clock=self._clock, progress=self._progress, say=print
        )
        self._started: list[tuple[WorkloadEntry, list[Worker]]] = []
        self._clients: list[Client] = []

    @property
    def clients(self) -> Clients:
        """Return the client processes, for faults."""
        return RunningClients(self._workers)

    @contextmanager
    def call(self, f: str, value: Value | None = None, *, n: int = 1) -> Iterator[OwnCall]:
        """Record one call of the test's code: put, take, reserve, done or release.

        What a take or reserve got is to be assigned to `value` of what this gives. An error is
        recorded as `fail` if it has `definite = True`, else as `info`, and raised.
        """
        with self._lock:
            process = self._callers.setdefault(threading.get_ident(), len(self._callers))
        gets = f in {"take", "reserve"}
        about: dict[str, Any] = {"f": f, "process": process}
        self._tell(type="invoke", value=value, **about, **({"n": n} if gets else {}))
        call = OwnCall()
        try:
            yield call
        except BaseException as error:
            outcome = "fail" if getattr(error, "definite", False) else "info"
            self._tell(type=outcome, error=told(error), **about)
            raise
        self._tell(type="ok", value=call.value if gets else None, **about)

    def client(self) -> Client:
        """Return a client of the subject in this process, whose calls are recorded.

        Its methods return False or an empty list where a call was not acknowledged.
        """
        number = LAST_CLIENT - len(self._clients)
        self._writers.append(HistoryWriter(self._parts / f"client-{number}.jsonl"))
        self._clients.append(
            Client(
                connect=self._connect,
                history=self._writers[-1],
                clock=self._clock,
                process=number,
                report=_drop,
                puts_over=self._puts_are_over,
            )
        )
        return self._clients[-1]

    def start(self, workload: str, **settings: Any) -> None:
        """Start the clients of a workload as processes; return when each has begun a call.

        Raises:
            ScenarioError: no such workload or setting.
        """
        scenario = loading.of({"description": "a test", "workload": [{workload: settings}]})
        (entry,) = scenario.phases[0].workload
        started = self._workers.start(entry)
        self._started.append((entry, started))
        self._workers.await_first_calls(started)
        self._workers.all_call()

    def wait(self, within_s: float = ENDS_WITHIN_S) -> None:
        """Wait until all client processes have ended.

        Raises:
            RunError: one failed, or some still run; says which.
        """

        def over() -> bool:
            self._workers.reap()
            if self._puts_are_over():
                self._workers.puts_over()
            return all_ended(self._workers.all)

        def still(_: bool) -> RunError:  # noqa: FBT001 -- what was seen last
            running = [entry.kind for entry, group in self._started if not all_ended(group)]
            return RunError(
                f"recorded_history: expected all clients to end within {within_s:g} s; still "
                f"running: {', '.join(running)}"
            )

        wait_until(over, within_s=within_s, every_s=TICK_S, late=still)

    def drain(self) -> None:
        """Heal all faults, wait for the clients, and let a new one take what is left."""
        self._heal()
        self.wait()
        self._ending.drain(self._workers, lambda: None)

    def check(self, checker: str, claim: Level = "snapshot", **claimed: Any) -> CheckResult:
        """Return the verdict of one checker of `harness list`; `valid` tells if it is that.

        `claim` and `claimed` are the keys of a scenario that say what its run promises.

        Raises:
            ScenarioError: no such checker, or no such key.
        """
        try:
            what = Claim.model_validate({"claim": claim, **claimed})
        except pydantic.ValidationError as error:
            raise _wrong("check", error) from None
        (result,) = judge.examine(self.history, what, [checker])
        return result

    @property
    def history(self) -> History:
        """Return what was recorded until now; a call without an outcome is `info`."""
        merged = self._folder / "history.jsonl"
        record.merge(self._parts, merged)
        return History.load(merged)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.wait()
        finally:
            self._workers.stop()
            for client in self._clients:
                client.close()
            with self._lock:
                self._own.end(closed=True)
            for writer in self._writers:
                writer.close()

    @property
    def _parts(self) -> Path:
        return self._folder / "history"

    def _connect(self, note: Note) -> Subject:
        if self._class is None:
            return subject_lookup.connect(self._config, note)
        return cast(Subject, Guarded(self._class, self._config, note, unlimited))

    def _puts_are_over(self) -> bool:
        return all(all_ended(group) for entry, group in self._started if entry.workload.reach())

    def _tell(self, **event: Any) -> None:
        with self._lock:
            self._own.add(msgspec.convert(event, CallLine))


def _config(quorum: Quorum, subject: str | type, settings: Mapping[str, Any]) -> SubjectConfig:
    kind, folders = (subject, [str(Path.cwd())]) if isinstance(subject, str) else _place(subject)
    try:
        return SubjectConfig(kind=kind, folders=folders, hosts=quorum.hosts, **settings)
    except pydantic.ValidationError as error:
        raise _wrong("recorded_history", error) from None


def _place(subject: type) -> tuple[str, list[str]]:
    """Return `module:Class` of a class, and the folder from which another process imports it."""
    if "." in subject.__qualname__:
        raise ScenarioError(
            f"recorded_history: expected a class at the top of a module, got {subject.__qualname__}"
        )
    file = Path(inspect.getfile(subject)).resolve()
    parts, folder = [file.stem], file.parent
    while (folder / "__init__.py").exists():
        parts, folder = [folder.name, *parts], folder.parent
    return f"{'.'.join(parts)}:{subject.__name__}", [str(folder)]


def _wrong(what: str, error: pydantic.ValidationError) -> ScenarioError:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return ScenarioError(f"{what}: {place}: {first['msg']}, got {first['input']!r}")


def _drop(_: Mapping[str, Any]) -> None:
    """Drop what a client reports: no terminal shows it."""
