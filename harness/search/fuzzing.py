"""Fuzzing: scenario after scenario, each result on disk, so that it can be resumed.

`fuzz.jsonl` has one line a scenario; each cause that was found has a file `finding-N.yaml`.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from harness.campaign.tasks import Began, Done, Executor, InTurn, Task
from harness.common.harness_errors import HistoryError, RunError, UnmetError
from harness.search import finding, shrink
from harness.search.fuzz import Failure
from harness.search.shrink import Data

Results = Mapping[str, Any]
MOST_BROKEN = 3  # runs in a row that end in no verdict: then it is not the scenarios

VERDICTS = ("valid", "unknown", "invalid", "skipped", "broken")


class BrokenError(RunError):
    """Several runs in a row came to no verdict."""


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
    times: int = 1


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
        folder: where it is noted.
        draw: gives a scenario by its number.
        reduce: returns a smaller scenario that fails of the same with the results of it; None if
            the failure does not show again.
    """

    folder: Path
    draw: Callable[[int], Data]
    place: TrialPlace
    reduce: Callable[[Data, Results], tuple[Data, Results] | None]
    say: Callable[[str], None]
    verdicts: Counter[str] = field(default_factory=Counter)
    judged: set[int] = field(default_factory=set)
    found: list[Found] = field(default_factory=list)

    def resume(self) -> None:
        """Read the results of an earlier command in the same folder, and go on after them."""
        for line in self._notes.read_text().splitlines() if self._notes.is_file() else ():
            note = json.loads(line)
            self.verdicts[note["verdict"]] += 1
            self.judged.add(note["number"])
            if (minimal := note.get("minimal")) is not None:
                failure = Failure.from_json(minimal)
                self.found.append(Found(note["cause"], failure, note["file"]))
            elif note.get("cause") is not None:
                self.found[note["cause"] - 1].times += 1
        if done := self.verdicts.total():
            left = next(self._left())
            self.say(f"{done} were judged before: {self.tally()}; going on with number {left}")

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
                note = self._one(event, drawn.pop(int(event.key)))
                self._note({"number": int(event.key), **note})
                broken = broken + 1 if note["verdict"] == "broken" else 0
                if broken == MOST_BROKEN:
                    raise BrokenError(f"{broken} runs in a row came to no verdict: {note['why']}")

    @property
    def decided(self) -> float:
        """Return the share of the runs that ended valid or invalid; 0 if there was none."""
        ran = self.verdicts.total() - self.verdicts["skipped"]
        return (self.verdicts["valid"] + self.verdicts["invalid"]) / ran if ran else 0.0

    def tally(self) -> str:
        """Return the number of scenarios by verdict, in words."""
        return ", ".join(f"{self.verdicts[v]} {v}" for v in VERDICTS if self.verdicts[v])

    @property
    def _notes(self) -> Path:
        return self.folder / "fuzz.jsonl"

    def _left(self) -> Iterator[int]:
        """Yield the numbers of all scenarios that were not judged, for ever."""
        return (number for number in count() if number not in self.judged)

    def _one(self, done: Done, data: Data) -> dict[str, Any]:
        told = f"{int(done.key):4}  {shrink.size_of(data)}"
        try:
            results = self.place.receive(int(done.key), done)
        except UnmetError as unmet:
            self.say(f"{told}: skipped: {unmet}")
            return {"verdict": "skipped", "why": str(unmet)}
        except (RunError, HistoryError) as error:
            self.say(f"{told}: no verdict: {_on_one_line(str(error))}")
            return {"verdict": "broken", "why": str(error)}
        failure = Failure.of(results)
        if failure is None:
            self.say(f"{told}: {results['verdict']}{_doubts(results)}")
            return {"verdict": results["verdict"]}
        self.say(f"{told}: invalid: {failure}")
        return {"verdict": "invalid", "failure": failure.as_json(), **self._cause(data, results)}

    def _cause(self, data: Data, results: Results) -> dict[str, Any]:
        """Find the cause of a failure among those known, or shrink it to a new one."""
        failure = Failure.of(results)
        assert failure is not None
        if (known := self._explains(failure)) is not None:
            return self._again(known)
        if (smaller := self.reduce(data, results)) is None:
            self.say("      it did not show again")
            return {"cause": None}
        reduced, its_results = smaller
        minimal = Failure.of(its_results) or failure
        if (known := self._explains(minimal)) is not None:
            return self._again(known)
        number = len(self.found) + 1
        file = f"finding-{number}.yaml"
        comments = [f"{reduced['description'].strip()}", f"Fails of {minimal}."]
        (self.folder / file).write_text(finding.text(reduced, comments))
        self.found.append(Found(number, minimal, file))
        self.say(f"      cause {number}: {minimal}; {shrink.size_of(reduced)}; {file}")
        return {"cause": number, "minimal": minimal.as_json(), "file": file}

    def _explains(self, failure: Failure) -> Found | None:
        return next((one for one in self.found if one.failure.explains(failure)), None)

    def _again(self, known: Found) -> dict[str, Any]:
        known.times += 1
        self.say(f"      cause {known.number} again, {known.times} times now")
        return {"cause": known.number}

    def _note(self, note: Mapping[str, Any]) -> None:
        self.verdicts[note["verdict"]] += 1
        self.judged.add(note["number"])
        with self._notes.open("a", encoding="utf-8") as file:
            file.write(json.dumps(note) + "\n")


def _doubts(results: Results) -> str:
    """Return why a run shows too little, in brackets; nothing for one that was valid."""
    doubts = [why for c in results["checks"] if c["verdict"] == "unknown" for why in c["reasons"]]
    return f" ({', '.join(doubts)})" if doubts else ""


def _on_one_line(text: str) -> str:
    """Return the first and the last line of an error that quotes what a program printed."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ... ".join(dict.fromkeys([*lines[:1], *lines[-1:]]))
