"""Candidates of a search, each run a few times to see whether it fails of the same."""

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cluster.lending import Kept
from harness.commands.running.launch import Ran, launch, prepare
from harness.common.harness_errors import HistoryError, RunError, ScenarioError
from harness.common.rate import Rate
from harness.report.terminal import Terminal
from harness.scenario import loading
from harness.scenario.schema import Scenario
from harness.search import difference, shrink
from harness.search.replay import Cause
from harness.search.shrink import Data
from harness.view import Silent

CANDIDATE = Path("candidate.yaml")  # what errors and runs call each
PATIENCE = 2.0  # a candidate may take that many times as long as what it was made from,
SPARE_S = 10.0  # and this: a smaller scenario that takes longer waits for what will not come


class BudgetSpentError(Exception):
    """The time is over; what was found so far stands."""


@dataclass(slots=True, kw_only=True)
class Candidates:
    """What is known of the candidates of a search.

    Attributes:
        cause: what the recorded run failed of.
        tries: how often in a row a candidate must fail to be taken.
        until_s: monotonic time after which no candidate is begun.
        kept: those that failed, each smaller than the one before.
        results: of a run of the last one of those.
        runs: how many there were.
        longest_s: what the last one that failed took at most; None before the first.
    """

    name: str
    cause: Cause
    tries: int
    until_s: float
    terminal: Terminal
    kept: list[Data] = field(default_factory=list)
    results: Mapping[str, Any] | None = None
    runs: int = 0
    longest_s: float | None = None
    _known: dict[str, bool] = field(default_factory=dict)

    def _left_s(self) -> float:
        """Return how much time is left.

        Raises:
            BudgetSpentError: none is.
        """
        left_s = self.until_s - time.monotonic()
        if left_s < 0:
            raise BudgetSpentError
        return left_s

    def _tell(self, candidate: Data, rate: Rate, left_s: float) -> None:
        smallest = self.kept[-1] if self.kept else candidate
        what = difference.change(smallest, candidate)
        fails = rate.count == self.tries
        told = f"still fails {rate}" if fails else f"does not fail any more ({rate})"
        self.terminal.say(f"{self.runs:4} runs, {left_s / 60:4.1f} min left  {what}: {told}")

    def _loaded(self, candidate: Data) -> Scenario:
        """Return a candidate that ends soon if it waits for what will not come.

        Raises:
            ScenarioError: it is no valid scenario.
        """
        loaded = loading.of_text(yaml.safe_dump(candidate, sort_keys=False), CANDIDATE)
        if self.longest_s is None:
            return loaded
        limit_s = PATIENCE * self.longest_s + SPARE_S
        phases = [
            phase.model_copy(update={"limit_s": min(phase.limit_s, limit_s)})
            for phase in loaded.phases
        ]
        return loaded.model_copy(update={"phases": phases})


def key_of(candidate: Data) -> str:
    """Return what is the same for equal candidates."""
    return json.dumps(candidate, sort_keys=True)


@dataclass(slots=True, kw_only=True)
class Trials(Candidates):
    """Runs candidates one after the other, and keeps those that failed.

    Attributes:
        quorum: all of them run on it.
    """

    quorum: Kept

    def search(self, whole: Data) -> None:
        """Keep ever smaller candidates until nothing more can go, or the time is over.

        Raises:
            RunError: the whole itself could not be run.
        """
        try:
            if self(whole):
                shrink.minimize(whole, self)
        except BudgetSpentError:
            self.terminal.say("the time is over; the smallest so far stands")

    def __call__(self, candidate: Data) -> bool:
        """Tell whether a candidate fails of the same, `tries` times in a row."""
        key = key_of(candidate)
        if key in self._known:
            return self._known[key]
        left_s = self._left_s()
        try:
            rate = self.rate(candidate, self.tries, allowed=0)
        except ScenarioError:
            self._known[key] = False  # what is no valid scenario costs no run
            return False
        fails = self._known[key] = rate.count == self.tries
        self._tell(candidate, rate, left_s)
        if fails:
            self.kept.append(candidate)
        return fails

    def rate(self, candidate: Data, times: int, *, allowed: float) -> Rate:
        """Return how often a candidate fails of the same.

        It ends as soon as more than `allowed` runs did not.

        Raises:
            ScenarioError: it is no valid scenario.
            RunError: the first candidate of all could not be run; later ones do not fail, then.
        """
        loaded = self._loaded(candidate)
        with tempfile.TemporaryDirectory() as place:
            failed: list[Ran] = []
            for number in range(times):
                ran = self._run(loaded, Path(place))
                if ran is not None and self.cause.shows_in(ran.results):
                    failed.append(ran)
                if number + 1 - len(failed) > allowed:
                    return Rate(count=len(failed), of=number + 1)
        if failed:
            self.results, self.longest_s = failed[-1].results, max(ran.took_s for ran in failed)
        return Rate(count=len(failed), of=times)

    def _run(self, loaded: Scenario, place: Path) -> Ran | None:
        """Run a candidate once; None if it came to no verdict, as one that makes no sense may."""
        self.runs += 1
        folder = prepare(CANDIDATE, loaded, place / f"runs-{self.runs}")
        try:
            ran = launch(loaded, self.name, folder, Silent(), lend=self.quorum.lend)
        except (RunError, HistoryError) as error:
            if not self.kept:
                raise
            self.terminal.say(f"      {error}")
            return None
        if ran.results.get("interrupted"):
            raise KeyboardInterrupt
        return ran
