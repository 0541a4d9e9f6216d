"""The process of one workload client: `python -m harness.workers.worker_process`.

The harness writes one line of JSON (a Job) to standard input, later the lines `all-call`,
`puts-over` and `faults-over`, and closes it to end the worker at once. The worker writes its
history to its own file, and lines of JSON with counts to standard output, the last of which says
that it did its job.
"""

import os
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pydantic

from harness.clients.client import Client
from harness.clients.subject import SubjectConfig
from harness.clients.subject_lookup import connect
from harness.common import process_group, run_clock
from harness.common.harness_errors import HarnessError
from harness.history import record
from harness.workers.watchdog import Watchdog
from harness.workloads import workloads

ALL_CALL, PUTS_OVER, FAULTS_OVER = b"all-call\n", b"puts-over\n", b"faults-over\n"
OVER = b"over\n"
"""The last line of a worker that did all of its job."""


class Job(msgspec.Struct, kw_only=True, frozen=True):
    """What one worker does.

    Attributes:
        kind: the workload's registered name; `settings` are its fields.
        number: which of the workload's clients this is, from 0.
        process: number of its first process in the history.
        origin_ns: the run's start on CLOCK_MONOTONIC.
        history: the file it appends to.
        where: the place of the workload in its scenario, for errors.
    """

    name: str
    kind: str
    settings: dict[str, Any]
    number: int
    process: int
    origin_ns: int
    history: str
    subject: dict[str, Any]
    where: str = ""


def main() -> None:
    """Read a job from standard input and do it; the exit status is 1 if it failed."""
    stdin = sys.stdin.buffer
    # What a subject prints goes to the worker's log, not among the counts.
    stdout = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    job = msgspec.json.decode(stdin.readline(), type=Job)
    told = {line: threading.Event() for line in (ALL_CALL, PUTS_OVER, FAULTS_OVER)}
    threading.Thread(target=_obey, args=(stdin, told), daemon=True).start()
    status = 0
    try:
        work(job, stdout, told)
    except Exception as error:  # noqa: BLE001 -- the harness reads the last line of the log
        traceback.print_exc()
        if isinstance(error, HarnessError):
            sys.stderr.write(" ".join(f"{error}".splitlines()) + "\n")
        status = 1
    stdout.flush()
    sys.stderr.flush()
    process_group.end_others()  # what a command has left behind
    # Threads of a client library must not hold up the end; the history is on disk already.
    os._exit(status)


def work(job: Job, out: BinaryIO, told: Mapping[bytes, threading.Event]) -> None:
    """Run the workload with a recording client."""
    adapter = pydantic.TypeAdapter(workloads[job.kind])
    workload = adapter.validate_json(msgspec.json.encode(job.settings))
    config = SubjectConfig(**job.subject)

    def report(counts: Mapping[str, Any]) -> None:
        out.write(msgspec.json.encode(counts) + b"\n")
        out.flush()

    with closing(Watchdog()) as watchdog, record.HistoryWriter(Path(job.history)) as history:
        client = Client(
            connect=lambda note: connect(config, note, watchdog.limit),
            history=history,
            clock=run_clock.Clock(job.origin_ns),
            process=job.process,
            report=report,
            all_call=told[ALL_CALL].wait,
            puts_over=told[PUTS_OVER].is_set,
            faults_over=told[FAULTS_OVER].is_set,
            config=config,
            where=job.where,
        )
        try:
            workload.run(client, job.number)
        finally:
            client.close()
    out.write(OVER)


def _obey(stdin: BinaryIO, told: Mapping[bytes, threading.Event]) -> None:
    """Obey the harness: note what it tells, and die when the pipe closes."""
    try:
        for line in stdin:
            if line in told:
                told[line].set()
        process_group.end_others()
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
