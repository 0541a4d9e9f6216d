"""The file of a campaign: one line when a task begins and one when it ends, as it happens.

Each line is on disk before the next task is counted, and a reader may follow the file. One process
at a time writes it. A campaign that was stopped goes on with what the file does not decide.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from harness.campaign import code_identity
from harness.campaign.line_file import LineFile, whole_lines
from harness.common.harness_errors import ScenarioError
from harness.common.run_clock import utc_stamp

FILE = "campaign.jsonl"
FOLDER = "campaigns"  # below the folder of runs


class Opened(msgspec.Struct, kw_only=True, tag_field="event", tag="opened"):
    """The first line, and one each time that it goes on.

    Attributes:
        command: such as `run` or `oracle`.
        work: a digest of all tasks, so that a campaign goes on with nothing else.
        tasks: how many there are; 0 if that is not known before.
        code: a digest of the code that does them; outcomes of two kinds of code are not mixed.
    """

    campaign: str
    command: str
    work: str
    tasks: int
    code: str
    at: str


class Started(msgspec.Struct, kw_only=True, tag_field="event", tag="began"):
    """A worker has begun a task."""

    task: str
    worker: str
    attempt: int
    at: str


class Ended(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="event", tag="ended"):
    """A task has ended.

    Attributes:
        name: of its scenario, or of what else it tried.
        verdict: valid, invalid, unknown, skipped or failed (the harness, not the queue).
        decided: whether it needs no other try when the campaign goes on.
        cause: why it is not valid, in a few words; tasks with one cause are one finding.
        run: its folder below the folder of runs; empty if none was kept.
        figures: what the command needs to know of it when the campaign goes on.
    """

    task: str
    name: str
    verdict: str
    at: str
    as_expected: bool = False
    decided: bool = True
    cause: str = ""
    run: str = ""
    seed: int | None = None
    worker: str = ""
    attempts: int = 1
    took_s: float = 0.0
    figures: dict[str, Any] = {}


_LINE = msgspec.json.Decoder(Opened | Started | Ended)


@dataclass(slots=True, kw_only=True)
class Outcomes:
    """What a campaign's file says.

    Attributes:
        ended: the newest end of each task, in the order of the file.
        running: the newest begin of each task that has not ended since.
        code: of each decided task, the code that decided it.
        malformed: lines in the middle of the file that are none of ours.
    """

    opened: Opened | None = None
    ended: dict[str, Ended] = field(default_factory=dict)
    running: dict[str, Started] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    malformed: int = 0
    _newest: Opened | None = None

    @classmethod
    def of(cls, lines: Iterable[bytes]) -> "Outcomes":
        """Return what lines say."""
        told = cls()
        for line in lines:
            try:
                told.take(_LINE.decode(line))
            except (msgspec.MsgspecError, ValueError, RecursionError):
                told.malformed += 1
        return told

    def take(self, line: Opened | Started | Ended) -> None:
        """Add what one line says."""
        match line:
            case Opened():
                self.opened, self._newest = self.opened or line, line
                self.running.clear()  # nobody works any more for a process that has ended
            case Started():
                self.running[line.task] = line
            case Ended():
                self.running.pop(line.task, None)
                self.ended.pop(line.task, None)
                self.ended[line.task] = line
                self.code.pop(line.task, None)
                if line.decided and self._newest is not None:
                    self.code[line.task] = self._newest.code


def read(path: Path) -> Outcomes:
    """Read a campaign's file, also while it is written: a last line without its end is left out.

    Raises:
        ScenarioError: it cannot be read.
    """
    return Outcomes.of(whole_lines(path, "campaign"))


class OutcomeFile:
    """A campaign's file, open for writing by this process alone."""

    def __init__(self, lines: LineFile, opened: Opened) -> None:
        self.folder = lines.path.parent
        self._lines = lines
        self.outcomes = Outcomes.of(lines.lines)
        self._require_same(opened)
        self._append(opened)

    def began(self, task: str, worker: str, attempt: int) -> None:
        """Note that a worker has begun a task.

        Raises:
            StoreError: it cannot be written.
        """
        self._append(Started(task=task, worker=worker, attempt=attempt, at=utc_stamp()))

    def ended(self, ended: Ended) -> None:
        """Note what became of a task.

        Raises:
            StoreError: it cannot be written.
        """
        self._append(ended)

    def decided(self, task: str) -> Ended | None:
        """Return what a task came to, if it is decided."""
        known = self.outcomes.ended.get(task)
        return known if known is not None and known.decided else None

    def _append(self, line: Opened | Started | Ended) -> None:
        self._lines.append(msgspec.json.encode(line))
        self.outcomes.take(line)

    def _require_same(self, opened: Opened) -> None:
        before = self.outcomes.opened
        if before is not None and (before.command, before.work) != (opened.command, opened.work):
            raise ScenarioError(
                f"--campaign: expected a new name, or the work of {opened.campaign!r} again "
                f"({before.command}, {before.tasks} tasks), got other work ({opened.command}, "
                f"{opened.tasks} tasks)"
            )
        if others := {*self.outcomes.code.values()} - {opened.code}:
            raise ScenarioError(
                f"--campaign: expected a new name, or the code that decided tasks of "
                f"{opened.campaign!r} ({', '.join(sorted(others))}), got other code "
                f"({opened.code}): files of zkmq, harness or cluster have changed since. With a "
                f"new name all tasks are done by the code as it is now"
            )


@contextmanager
def opened(
    runs: Path, campaign: str, *, command: str, work: Iterable[str], tasks: int = 0
) -> Iterator[OutcomeFile]:
    """Open the file of a campaign, new or stopped before; `work` says all that its tasks are.

    Raises:
        ScenarioError: another process works on it, or it is of other work.
        StoreError: it cannot be written.
    """
    folder = runs / FOLDER / campaign
    first = Opened(
        campaign=campaign,
        command=command,
        work=hashlib.sha256("\0".join(work).encode()).hexdigest()[:16],
        tasks=tasks,
        code=code_identity.digest(),
        at=utc_stamp(),
    )
    try:
        lines = LineFile(folder / FILE, "campaign")
    except BlockingIOError:
        raise ScenarioError(
            f"--campaign: expected one that nobody works on, got {campaign!r}, which another "
            f"process has open"
        ) from None
    with closing(lines):
        yield OutcomeFile(lines, first)
