"""`zkmq work`: a worker loop from a shell, with a command as the handler."""

import json
import logging
import math
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated

import typer

from zkmq.cli.invocation import JsonOption, Settings, Status, complain, environment
from zkmq.errors import BadArgumentError
from zkmq.working.job import Job
from zkmq.working.work_settings import MAX_CONCURRENCY, WorkSettings
from zkmq.working.working import Worked

PLACE = "{}"
# How often a running command's item is seen to be lost.
SEE_S = 0.2
# How long a command may go on after SIGTERM.
END_S = 5.0


class CommandFailedError(Exception):
    """The command ended with a status other than 0."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: zkmq work --exec 'convert -- {} out/' -j 8 --max-deliveries 5")(
        work
    )


def work(  # noqa: PLR0917 - typer makes options of them
    context: typer.Context,
    command: Annotated[
        str, typer.Option("--exec", metavar="COMMAND", help="What works on an item.")
    ],
    jobs: Annotated[
        int, typer.Option("-j", "--jobs", help="Commands at once.", min=1, max=MAX_CONCURRENCY)
    ] = 1,
    prefetch: Annotated[
        int | None, typer.Option(help="Items held ahead; as many as --jobs if not given.", min=0)
    ] = None,
    max_deliveries: Annotated[
        int | None, typer.Option(help="An item that fails this often is dead.", min=1)
    ] = None,
    retry_s: Annotated[float, typer.Option(help="How long a failed item stays away.")] = 1.0,
    retry_most_s: Annotated[float, typer.Option(help="It doubles each time, up to this.")] = 300.0,
    rate_hz: Annotated[float | None, typer.Option(help="Items a second at most.")] = None,
    time_limit_s: Annotated[
        float, typer.Option(help="How long COMMAND may run; then it gets SIGTERM.")
    ] = math.inf,
    idle_s: Annotated[
        float, typer.Option(help="Stop when nothing came for so long; by default never.")
    ] = math.inf,
    stop_within_s: Annotated[
        float, typer.Option(help="How long a stop waits for commands that run.")
    ] = 30.0,
    *,
    as_json: JsonOption = False,
) -> int:
    """Run a command for every item, several at once, until SIGTERM or Ctrl-C.

    COMMAND is split into words as a shell does, and runs without a shell. Each {} in it stands for
    the value of the item; without one, the value is its standard input. A value may begin with
    a dash, so write `--` before {}. ZKMQ_ITEM_ID, ZKMQ_ITEM_PRIORITY, ZKMQ_ITEM_DELIVERY and
    ZKMQ_ITEM_FENCE are in its environment.

    If COMMAND ends with status 0, the item is done. With any other status, it comes back
    later, and after --max-deliveries it is put aside in `dead`. If the item goes to another
    consumer, because the session has ended, COMMAND gets SIGTERM.

    Prints how many items ended in which way. Status 5 says that a command failed, 2 that the
    outcome of some is unknown or that some are still held, 1 that no item came.
    """
    given: Settings = context.obj
    words = words_of(command)
    chosen = WorkSettings(
        concurrency=jobs,
        prefetch=prefetch,
        retry_s=retry_s,
        retry_most_s=retry_most_s,
        rate_hz=rate_hz,
        time_limit_s=time_limit_s,
        idle_s=idle_s,
        stop_within_s=stop_within_s,
    )
    _log_to_standard_error()
    commands = Commands(words)
    with given.queue(calls="many", janitor=True, max_deliveries=max_deliveries) as queue:
        try:
            worked = queue.work(commands.run, **asdict(chosen))
        finally:
            commands.end()
    counts = {name: count for name, count in asdict(worked).items() if count or name == "done"}
    told = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items())
    print(json.dumps(asdict(worked)) if as_json else told)
    return _status(worked)


def words_of(command: str) -> list[str]:
    """Split a command into its words.

    Raises:
        BadArgumentError: it cannot be split, or its program is not there.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise BadArgumentError(f"work: --exec: {error}, in {command!r}") from error
    if not words or shutil.which(words[0]) is None:
        program = words[0] if words else ""
        raise BadArgumentError(f"work: --exec: expected a program that can be run, got {program!r}")
    return words


class Commands:
    """Runs the command for items, each on the thread that asks for it."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._takes_value = any(PLACE in word for word in words)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def run(self, job: Job) -> None:
        """Run the command for one item, and end it if the item is lost.

        Raises:
            CommandFailedError: its status is not 0.
            OSError, ValueError: it could not be started with this value.
        """
        value = os.fsdecode(job.data)
        words = [word.replace(PLACE, value) for word in self._words]
        # A file, not a pipe: `communicate` forgets what is left to write when it times out.
        with tempfile.TemporaryFile() as given, self._lock:
            given.write(b"" if self._takes_value else job.data)
            given.seek(0)
            process = subprocess.Popen(
                words,
                stdin=given,
                env=os.environ | environment(job),
                process_group=0,  # Ctrl-C in a terminal is for the worker, which lets commands end
            )
            self._running.add(process)
        try:
            self._see_through(process, job)
        finally:
            self._running.discard(process)
        if process.returncode != 0:
            raise CommandFailedError(f"{self._words[0]}: status {process.returncode}")

    def end(self) -> None:
        """End the commands that still run, because their items went back."""
        with self._lock:
            running = list(self._running)
        for process in running:
            _terminate(process)

    def _see_through(self, process: subprocess.Popen[bytes], job: Job) -> None:
        while True:
            try:
                process.wait(SEE_S)
                return  # noqa: TRY300 - the loop is for the other case
            except subprocess.TimeoutExpired:
                if job.lost.is_set():
                    _terminate(process)


def _terminate(process: subprocess.Popen[bytes]) -> None:
    """End a command and what it has started: with SIGTERM, then with SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_S)


def _status(worked: Worked) -> Status:
    if worked.unknown or worked.still_held:
        return Status.UNKNOWN
    if worked.retried or worked.dead:
        return Status.COMMAND_FAILED
    return Status.OK if worked.done or worked.given_back or worked.lost else Status.EMPTY


class _Complaints(logging.Handler):
    """Writes what the worker logs to standard error, one line each, without tracebacks."""

    def emit(self, record: logging.LogRecord) -> None:
        complain(record.getMessage())


def _log_to_standard_error() -> None:
    logger = logging.getLogger("zkmq.working")
    logger.propagate = False
    logger.handlers = [_Complaints()]
