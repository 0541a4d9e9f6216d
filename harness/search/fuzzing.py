"""Fuzzing: scenario after scenario, each result on disk, so that it can be resumed.

`fuzz.jsonl` has one line a scenario; each cause that was found has a file `finding-N.yaml`. A run
that broke off is tried again by the next command, and has a line for each try.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal

import msgspec

from harness.campaign import code_identity
from harness.campaign.line_file import LineFile
from harness.campaign.tasks import Began, Done, Executor, InTurn, Task
from harness.common.harness_errors import HistoryError, RunError, ScenarioError, UnmetError
from harness.search import finding, shrink
from harness.search.fuzz import Failure
from harness.search.shrink import Data

Results = Mapping[str, Any]
MOST_BROKEN = 3  # runs in a row that end in no verdict: then it is not the scenarios

FILE = "fuzz.jsonl"
VERDICTS = ("valid", "unknown", "invalid", "skipped", "broken")


class BrokenError(RunError):
    """Several runs in a row came to no verdict."""


class Note(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A line: what came of a scenario.

    Attributes:
        why: it was skipped or broke off.
        failure: what an invalid run failed of.
        cause: the number of the finding that it is a case of; None for a failure that did not
            show again.
        code: a digest of the code that ran it; empty in a line of an earlier release.
        minimal, file: of the first case of a finding: what its smallest scenario fails of, and
            where that is.
    """

    number: int
    verdict: Literal["valid", "unknown", "invalid", "skipped", "broken"]
    why: str | None = None
    failure: Failure | None = None
    cause: int | msgspec.UnsetType | None = msgspec.UNSET
    minimal: Failure | None = None
    file: str | None = None
    code: str = ""


_DECODER = msgspec.json.Decoder(Note)
_ENCODER = msgspec.json.Encoder(order="deterministic")


def open_lines(folder: Path) -> LineFile:
    """Open the lines in a folder, new or of an earlier command; the caller closes them.

    Raises:
        ScenarioError: another process works on them, or they cannot be read.
        StoreError: they cannot be written.
    """
    try:
        return LineFile(folder / FILE, "record of fuzzing")
    except BlockingIOError:
        raise ScenarioError(
            f"{folder / FILE}: expected scenarios that nobody works on, got ones that another "
            f"process draws; choose another --seed"
        ) from None


@dataclass(slots=True)
class Found:
    """One cause of failures: the smallest scenario that shows it, and how often it did.

    Attributes:
        failure: of the smallest scenario that shows it.
        times: how many scenarios failed of it.
    """

    number: int
    failure: Failure
    file: str
    times: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlace:
    """Where scenarios are run.

    Attributes:
        send: makes a scenario a task.
        receive: returns the results of a task that is done, or raises why there are none.
        began: hears of each task that was begun.
    """

    executor: Executor
    send: Callable[[int, Data], Task]
    receive: Callable[[int, Done], Results]
    began: Callable[[Began], None]


def here(judge: Callable[[int, Data], Results]) -> TrialPlace:
    """Return the place where a function judges one scenario after the other, in this process."""

    def receive(_: int, done: Done) -> Results:
        if done.error is not None:
            raise done.error
        results: Results = done.value
        return results

    return TrialPlace(
        executor=InTurn(),
        send=lambda number, data: Task(key=str(number), call=judge, arguments=(number, data)),
        receive=receive,
        began=lambda _: None,
    )


@dataclass(slots=True, kw_only=True)
class Fuzzing:
    """The scenarios of one seed, and what has come of them so far.

    Attributes:
        lines: where it is noted; findings are beside them.
        draw: gives a scenario by its number.
        reduce: returns a smaller scenario that fails of the same with the results of it; None if
            the failure does not show again.
    """

    lines: LineFile
    draw: Callable[[int], Data]
    place: TrialPlace
    reduce: Callable[[Data, Results], tuple[Data, Results] | None]
    say: Callable[[str], None]
    verdicts: Counter[str] = field(default_factory=Counter)
    judged: set[int] = field(default_factory=set)
    found: list[Found] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where findings are."""
        return self.lines.path.parent

    def resume(self) -> None:
        """Go on after what an earlier command noted, but for runs that broke off."""
        decided, foreign = dict[int, Note](), 0
        for line in self.lines.lines:
            try:
                note = _DECODER.decode(line)
            except (msgspec.MsgspecError, ValueError, RecursionError):
                foreign += 1
                continue
            if note.verdict != "broken":
                decided[note.number] = note
        for note in decided.values():
            self._count(note)
        if foreign:
            self.say(f"{self.lines.path}: {foreign} lines are none of ours, and left out")
        if decided:
            left = next(self._left())
            self.say(
                f"{len(decided)} were judged before: {self.tally()}; going on with number {left}"
            )
        ours = code_identity.digest()
        if others := sum(note.code != ours for note in decided.values()):
            self.say(
                f"{others} of them by other code: files of zkmq, harness or cluster have changed "
                f"since; without {self.lines.path} all are drawn and judged anew"
            )

    def run_while(self, goes_on: Callable[[], bool]) -> None:
        """Draw, run and judge until it is enough.

        Raises:
            BrokenError: several in a row came to no verdict, so it is not for their faults.
        """
        broken, drawn = 0, dict[int, Data]()

        def tasks() -> Iterator[Task]:
            for number in self._left():
                if not goes_on():
                    return
                drawn[number] = self.draw(number)
                yield self.place.send(number, drawn[number])

        with closing(self.place.executor.run(tasks())) as events:
            for event in events:
                if isinstance(event, Began):
                    self.place.began(event)
                    continue
                came = self._one(event, drawn.pop(int(event.key)))
                note = msgspec.structs.replace(came, code=code_identity.digest())
                self.lines.append(_ENCODER.encode(note))
                self._count(note)
                broken = broken + 1 if note.verdict == "broken" else 0
                if broken == MOST_BROKEN:
                    raise BrokenError(f"{broken} runs in a row came to no verdict: {note.why}")

    @property
    def decided(self) -> float:
        """Return the share of the runs that ended valid or invalid; 0 if there was none."""
        ran = self.verdicts.total() - self.verdicts["skipped"]
        return (self.verdicts["valid"] + self.verdicts["invalid"]) / ran if ran else 0.0

    def tally(self) -> str:
        """Return the number of scenarios by verdict, in words."""
        return ", ".join(f"{self.verdicts[v]} {v}" for v in VERDICTS if self.verdicts[v])

    def _left(self) -> Iterator[int]:
        """Yield the numbers of all scenarios that were not judged, for ever."""
        return (number for number in count() if number not in self.judged)

    def _count(self, note: Note) -> None:
        self.verdicts[note.verdict] += 1
        self.judged.add(note.number)
        if isinstance(note.cause, int) and note.minimal is not None and note.file is not None:
            self.found.append(Found(note.cause, note.minimal, note.file))
        for one in self.found:
            one.times += one.number == note.cause

    def _one(self, done: Done, data: Data) -> Note:
        number = int(done.key)
        told = f"{number:4}  {shrink.size_of(data)}"
        try:
            results = self.place.receive(number, done)
        except UnmetError as unmet:
            self.say(f"{told}: skipped: {unmet}")
            return Note(number=number, verdict="skipped", why=str(unmet))
        except (RunError, HistoryError) as error:
            self.say(f"{told}: no verdict: {_on_one_line(str(error))}")
            return Note(number=number, verdict="broken", why=str(error))
        failure = Failure.of(results)
        if failure is None:
            self.say(f"{told}: {results['verdict']}{_doubts(results)}")
            return Note(number=number, verdict=results["verdict"])
        self.say(f"{told}: invalid: {failure}")
        cause = self._cause(failure, data, results)
        return Note(number=number, verdict="invalid", failure=failure, **cause)

    def _cause(self, failure: Failure, data: Data, results: Results) -> dict[str, Any]:
        """Find the cause of a failure among those known, or shrink it to a new one."""
        if (known := self._explains(failure)) is not None:
            return self._again(known)
        if (smaller := self.reduce(data, results)) is None:
            self.say("      it did not show again")
            return {"cause": None}
        reduced, its_results = smaller
        minimal = Failure.of(its_results) or failure
        if (known := self._explains(minimal)) is not None:
            return self._again(known)
        number = max((one.number for one in self.found), default=0) + 1
        file = f"finding-{number}.yaml"
        comments = [f"{reduced['description'].strip()}", f"Fails of {minimal}."]
        (self.folder / file).write_text(finding.text(reduced, comments))
        self.say(f"      cause {number}: {minimal}; {shrink.size_of(reduced)}; {file}")
        return {"cause": number, "minimal": minimal, "file": file}

    def _explains(self, failure: Failure) -> Found | None:
        return next((one for one in self.found if one.failure.explains(failure)), None)

    def _again(self, known: Found) -> dict[str, Any]:
        self.say(f"      cause {known.number} again, {known.times + 1} times now")
        return {"cause": known.number}


def _doubts(results: Results) -> str:
    """Return why a run shows too little, in brackets; nothing for one that was valid."""
    doubts = [why for c in results["checks"] if c["verdict"] == "unknown" for why in c["reasons"]]
    return f" ({', '.join(doubts)})" if doubts else ""


def _on_one_line(text: str) -> str:
    """Return the first and the last line of an error that quotes what a program printed."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ... ".join(dict.fromkeys([*lines[:1], *lines[-1:]]))
