"""Start workload clients as processes, follow what they report, and end them."""

import signal
import subprocess
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from harness.clients.foreign_calls import session_end
from harness.common import process_group
from harness.common.harness_errors import WorkerError
from harness.common.polling import wait_until
from harness.common.progress import Progress
from harness.common.run_clock import Clock
from harness.history.record import HistoryWriter, first_process
from harness.scenario.schema import WorkloadEntry
from harness.workers.forwarder import Forwarder, Forwarding
from harness.workers.worker_process import ALL_CALL, FAULTS_OVER, OVER, PUTS_OVER, Job

# A client's process starts in half a second; beside other work it has taken seven.
CALLS_WITHIN_S = 30.0
TICK_S = 0.02
JOIN_TIMEOUT_S = 60  # after SIGKILL; only a machine that stands still needs more than a moment
STDERR_TAIL = 2000
_LAST = ("process", "session", "consumer", "alive_ns")


@dataclass(slots=True)
class Worker:
    """One client process.

    Attributes:
        last: the last report of each of its callers, of which only a command has several: its
            process in the history, its session, its consumer, and when it was certainly alive.
        dies: whether its death is intended.
        forwarder: what it connects through, if clients can be cut off.
        ended: whether its end was noticed and its pipes are closed.
        over: whether it said that it did all of its job.
        told: the lines that it was told: that all call, that no more puts come, that the faults are
            over.
    """

    job: Job
    process: subprocess.Popen[bytes]
    errors: Path
    dies: bool
    last: dict[int, dict[str, Any]] = field(default_factory=dict)
    reader: threading.Thread | None = None
    ended: bool = False
    over: bool = False
    told: set[bytes] = field(default_factory=set)
    forwarder: Forwarder | None = None

    @property
    def running(self) -> bool:
        """Tell whether the process has not ended."""
        return self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process and to all that it has started; gone ones are fine."""
        process_group.tell(self.process.pid, number)

    @property
    def called(self) -> bool:
        """Tell whether it has begun its first call."""
        return bool(self.last)


class Workers:
    """All client processes of a run.

    Args:
        folder: the run's folder; histories go to `history/`, what workers print to `logs/`.
        environment: added to theirs, so that `clean` finds leftovers.
        forwarding: gives each client a forwarder to connect through.
    """

    def __init__(
        self,
        *,
        folder: Path,
        clock: Clock,
        progress: Progress,
        history: HistoryWriter,
        subject: Mapping[str, Any],
        environment: Mapping[str, str],
        forwarding: Forwarding | None = None,
    ) -> None:
        self._folder, self._clock, self._progress = folder, clock, progress
        self._history, self._subject, self._environment = history, dict(subject), environment
        self._forwarding = forwarding
        self._all: list[Worker] = []

    @property
    def all(self) -> Sequence[Worker]:
        """Return every worker that was started, in order."""
        return self._all

    def start(self, entry: WorkloadEntry) -> list[Worker]:
        """Start all clients of one workload entry."""
        settings = asdict(entry.workload)
        return self.start_kind(entry.kind, settings, dies=_dies(entry.workload), where=entry.where)

    def start_kind(
        self, kind: str, settings: dict[str, Any], *, dies: bool = False, where: str = ""
    ) -> list[Worker]:
        """Start all clients of a workload by its registered name."""
        return [
            self._start(kind, settings, number, dies=dies, where=where)
            for number in range(int(settings.get("clients", 1)))
        ]

    def await_first_calls(self, workers: Iterable[Worker]) -> None:
        """Wait until each of these has begun its first call, or has ended; CALLS_WITHIN_S at most.

        Raises:
            WorkerError: as `reap` does.
        """
        awaited = list(workers)

        def called() -> bool:
            self.reap()
            return all(worker.called or not worker.running for worker in awaited)

        wait_until(called, within_s=CALLS_WITHIN_S, every_s=TICK_S)

    def all_call(self) -> None:
        """Tell all workers that each of their phase has begun its first call."""
        self._tell(ALL_CALL)

    def puts_over(self) -> None:
        """Tell all workers that no more puts will come."""
        self._tell(PUTS_OVER)

    def faults_over(self) -> None:
        """Tell all workers that every fault of their phase was injected and is over."""
        self._tell(FAULTS_OVER)

    def _tell(self, line: bytes) -> None:
        for worker in self._all:
            if line not in worker.told and worker.running and worker.process.stdin is not None:
                worker.told.add(line)
                try:
                    worker.process.stdin.write(line)
                    worker.process.stdin.flush()
                except BrokenPipeError:
                    continue  # it ended this very moment, so it need not know

    def reap(self) -> None:
        """Close the pipes of those that ended; a death that was not intended ends the run.

        Raises:
            WorkerError: a worker failed, or ended before its job was done, whatever its status;
                says what it printed last.
        """
        for worker in self._all:
            if worker.ended or worker.running:
                continue
            self._close(worker)
            status = worker.process.returncode
            if not worker.dies and (status != 0 or not worker.over):
                early = " before its job was done" if status == 0 else ""
                raise WorkerError(
                    f"worker {worker.job.name}: exit {status}{early}: {_tail(worker.errors)} "
                    f"(all of it: {worker.errors})"
                )

    def end(self, ended: Iterable[Worker]) -> None:
        """Kill these workers; their death counts as intended."""
        for worker in ended:
            if worker.running:
                worker.dies = True
                worker.send(signal.SIGKILL)
                worker.process.wait(JOIN_TIMEOUT_S)

    def stop(self) -> None:
        """End all workers now, and record the end of the sessions they leave behind."""
        self.end(self._all)
        for worker in self._all:
            if not worker.ended:
                self._close(worker)
        if self._forwarding is not None:
            self._forwarding.close()

    def _start(
        self, kind: str, settings: dict[str, Any], number: int, *, dies: bool, where: str
    ) -> Worker:
        place = len(self._all)
        name = f"{place:02d}-{kind}"
        history = self._folder / "history" / f"{name}.jsonl"
        forwarder = None if self._forwarding is None else self._forwarding.forwarder()
        hosts = {} if forwarder is None else {"hosts": forwarder.hosts}
        job = Job(
            name=name,
            kind=kind,
            settings=settings,
            number=number,
            process=first_process(place),
            origin_ns=self._clock.origin_ns,
            history=str(history),
            subject=self._subject | hosts,
            where=where,
        )
        errors = self._folder / "logs" / f"worker-{name}.log"
        errors.parent.mkdir(parents=True, exist_ok=True)
        with errors.open("wb") as log:
            popen = process_group.start(
                ["harness.workers.worker_process"], self._environment, stderr=log
            )
        worker = Worker(job=job, process=popen, errors=errors, dies=dies, forwarder=forwarder)
        assert popen.stdin is not None
        popen.stdin.write(msgspec.json.encode(job) + b"\n")
        popen.stdin.flush()
        worker.reader = threading.Thread(target=self._read, args=(worker,), daemon=True)
        worker.reader.start()
        self._all.append(worker)
        return worker

    def _read(self, worker: Worker) -> None:
        assert worker.process.stdout is not None
        for line in worker.process.stdout:
            if line == OVER:
                worker.over = True
                continue
            try:
                told = msgspec.json.decode(line)
            except msgspec.DecodeError:
                continue  # cut off by a kill; the history file has it, these are only counts
            caller = worker.last.setdefault(told.pop("caller", 0), {})
            caller |= {k: told[k] for k in _LAST if k in told}
            self._progress.add({k: v for k, v in told.items() if k not in _LAST})

    def _close(self, worker: Worker) -> None:
        worker.process.wait(JOIN_TIMEOUT_S)
        worker.send(signal.SIGKILL)  # what it has left behind, which may hold its pipes open
        if worker.reader is not None:
            worker.reader.join(JOIN_TIMEOUT_S)
        for pipe in (worker.process.stdin, worker.process.stdout):
            if pipe is not None:
                pipe.close()
        worker.ended = True
        for last in worker.last.values():
            if last.get("process") is not None:
                self._record_death(last)

    def _record_death(self, last: Mapping[str, Any]) -> None:
        """Record the end of a process, and of its session, if it had one that is known."""
        names = {name: last.get(name) for name in ("session", "consumer")}
        now_ns, alive_ns = self._clock.now_ns(), last.get("alive_ns", 0)
        self._history.append(
            session_end(last["process"], now_ns, names, "killed", alive_until_ns=alive_ns)
        )


def all_ended(workers: Sequence[Worker]) -> bool:
    """Tell whether none of these processes runs any more."""
    return all(not worker.running for worker in workers)


def _dies(workload: Any) -> bool:
    return bool(getattr(workload, "dies", False))


def _tail(path: Path) -> str:
    text = path.read_text(errors="replace").strip()
    return text[-STDERR_TAIL:].splitlines()[-1] if text else "it printed nothing"
