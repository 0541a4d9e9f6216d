"""A command as workload: any program that tells its calls in lines of JSON."""

import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

import msgspec
from pydantic import Field

from harness.clients import foreign_calls
from harness.clients.client import Client
from harness.clients.command_process import CommandProcess
from harness.clients.foreign_calls import ForeignCalls
from harness.clients.guarded_subject import GRACE_S
from harness.common.harness_errors import SubjectError
from harness.common.settings.setting_types import Clients, Count
from harness.workloads import Workload, workloads
from harness.workloads.drain import NAME as DRAIN_NOTE
from harness.workloads.drain import ended

NAME: Final = "exec"
DRAIN: Final = "exec-drain"
COMMANDS: Final = frozenset({NAME, DRAIN})
Word = Annotated[str, Field(max_length=10_000)]
Words = Annotated[list[Word], Field(min_length=1, max_length=200)]
PLACEHOLDERS: Final = (
    "hosts", "gateway", "path", "number", "clients", "first", "count",
    "session_timeout_ms", "deadline_ms", "python",
)  # fmt: skip
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
_encoder = msgspec.json.Encoder()


@workloads.register(NAME)
@dataclass(frozen=True, slots=True, kw_only=True)
class Exec(Workload):
    """Run a command as each client; it tells each of its calls in a line of JSON.

    The keys `count` and `first` say which values all clients together put. `drain` is the command
    that takes what is left at the end of the run.
    """

    command: Words
    """The program and its words; `{hosts}`, `{path}`, `{number}` and the like are filled in."""
    history: Literal["stdout"] = "stdout"
    """Where it tells its calls."""
    drain: Words | None = None
    """The command that takes what is left at the end of the run. None: the harness does it."""
    count: Count | None = None
    """How many values all clients together put. None: they put none."""
    first: int = 1
    """The first value."""
    clients: Clients = 1
    """How many clients, a process each."""
    after: str | None = None
    """The workload of the phase that must be over before this one begins."""
    sync: ClassVar[bool] = False

    def values(self) -> Sequence[range]:
        """Return first, first + 1, ... `count` of them; none without a count."""
        return [] if self.count is None else [range(self.first, self.first + self.count)]

    def run(self, client: Client, number: int) -> None:
        """Run the command to its end.

        Raises:
            SubjectError: it broke the protocol, or ended with another status than 0.
        """
        own = {"number": number, "clients": self.clients}
        own |= {"first": self.first, "count": self.count or 0}
        values = next(iter(self.values()), None)
        status, last_words = _play(client, self.command, own, values, client.puts_over)
        if status:
            raise SubjectError(
                f"{client.where}: expected status 0, got {_told(status)}; the last of its standard "
                f"error: {last_words}"
            )


@workloads.register(DRAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class ExecDrain(Workload):
    """The end of a run whose `exec` has a `drain`: status 0 says that nothing is left."""

    command: Words
    """The program and its words."""
    after: str | None = None
    """The workload of the phase that must be over before this one begins."""
    clients: ClassVar[int] = 1
    sync: ClassVar[bool] = True

    def run(self, client: Client, number: int) -> None:
        """Run the command; with another status than 0 the drain is not complete."""
        client.note(DRAIN_NOTE, {"phase": "begin"})
        own = {"number": 0, "clients": 1, "first": 0, "count": 0}
        status, last_words = _play(client, self.command, own, None, lambda: True)
        why = f"its command ended with {_told(status)}: {last_words}" if status else None
        client.note(DRAIN_NOTE, ended(complete=not status, why=why))


def unknown_placeholders(words: Iterable[str]) -> list[str]:
    """Return what stands in braces and is no placeholder."""
    named = [name for word in words for name in _PLACEHOLDER.findall(word)]
    return [name for name in named if name not in PLACEHOLDERS]


def complaint_of_command(words: Sequence[str], folder: Path) -> str | None:
    """Return what is wrong with a command's first word; None if it can be run in the folder."""
    program = words[0].replace("{python}", sys.executable)
    program = str(folder / program) if "/" in program else program
    if shutil.which(program) is not None:
        return None
    return f"expected a command that can be run in {folder}, got {words[0]!r}"


def _play(
    client: Client,
    command: Sequence[str],
    own: Mapping[str, int],
    values: range | None,
    puts_over: Callable[[], bool],
) -> tuple[int, str]:
    """Run a command, record what it tells; return its status and its last words."""
    config = client.config
    known = {
        "hosts": config.hosts,
        "gateway": config.gateway,
        "path": config.path,
        "session_timeout_ms": round(config.session_timeout_s * 1000),
        "deadline_ms": round(config.deadline_s * 1000),
        "python": sys.executable,
        **own,
    }
    words = [_PLACEHOLDER.sub(lambda m: str(known.get(m[1], m[0])), word) for word in command]
    calls, status, number = client.foreign_calls(values), None, 0
    try:
        process = CommandProcess(
            words, Path(config.folders[0]), silent_s=config.deadline_s + GRACE_S
        )
        try:
            for batch in process.batches():
                _record(calls, process, batch, number, puts_over)
                number += len(batch)
        finally:
            status = process.end()
    except SubjectError as error:
        raise SubjectError(f"{client.where}: {error} ({calls.in_progress} in progress)") from error
    finally:
        calls.end(closed=status == 0)
    return status, process.last_words


def _record(
    calls: ForeignCalls,
    process: CommandProcess,
    batch: list[bytes],
    before: int,
    puts_over: Callable[[], bool],
) -> None:
    """Record the events of some lines, and let each caller go on whose call is recorded."""
    events = []
    for number, text in enumerate(batch, before + 1):
        with _in_line(number):
            events.append((number, foreign_calls.read(text)))
    for place, (number, event) in enumerate(events):
        with _in_line(number):
            calls.add(event)
        if event.type != "invoke":
            continue
        for after, later in events[place + 1 :]:
            if later.process == event.process:
                told = f"expected nothing between the invoke of line {number} and its `go`"
                raise SubjectError(f"line {after} of its output: {told}, got {later.type}")
        go = {"type": "go", "process": event.process, "puts_over": puts_over()}
        process.answer(_encoder.encode(go))


@contextmanager
def _in_line(number: int) -> Iterator[None]:
    try:
        yield
    except SubjectError as error:
        raise SubjectError(f"line {number} of its output: {error}") from error


def _told(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"
