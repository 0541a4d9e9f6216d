"""Candidates of a search, each run a few times to see whether it fails of the same."""

import contextlib
import json
import tempfile
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from harness import scenario, shrink
from harness.clock import Clock
from harness.commands.launch import launch, prepare
from harness.errors import ScenarioError
from harness.progress import Progress
from harness.replay import Cause, Rate
from harness.report.terminal import Terminal
from harness.shrink import Data


class _Silent:
    """A view for runs that nobody watches."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def live(self, progress: Progress, clock: Clock) -> AbstractContextManager[object]:
        """Show nothing."""
        return contextlib.nullcontext()


class BudgetSpentError(Exception):
    """The time is over; what was found so far stands."""


@dataclass(slots=True, kw_only=True)
class Trials:
    """Runs candidates, and keeps those that failed, each smaller than the one before.

    Attributes:
        cause: what the recorded run failed of.
        tries: how often in a row a candidate must fail to be taken.
        until_s: monotonic time after which no candidate is begun.
    """

    name: str
    cause: Cause
    tries: int
    until_s: float
    terminal: Terminal
    kept: list[Data] = field(default_factory=list)
    _known: dict[str, bool] = field(default_factory=dict)

    def __call__(self, candidate: Data) -> bool:
        """Tell whether a candidate fails of the same, `tries` times in a row."""
        key = json.dumps(candidate, sort_keys=True)
        if key in self._known:
            return self._known[key]
        if time.monotonic() > self.until_s:
            raise BudgetSpentError
        try:
            rate = self.rate(candidate, self.tries, stop_early=True)
        except ScenarioError:
            self._known[key] = False  # what is no valid scenario costs no run
            return False
        fails = self._known[key] = rate.shown == self.tries
        told = f"fails {rate}" if fails else f"does not ({rate})"
        self.terminal.say(f"{len(self._known):4}  {shrink.size_of(candidate)}: {told}")
        if fails:
            self.kept.append(candidate)
        return fails

    def rate(self, candidate: Data, times: int, *, stop_early: bool = False) -> Rate:
        """Return how often a candidate fails of the same.

        With `stop_early` the first time that it does not is the last.

        Raises:
            ScenarioError: it is no valid scenario.
        """
        with tempfile.TemporaryDirectory() as place:
            file = Path(place) / "candidate.yaml"
            file.write_text(yaml.safe_dump(candidate, sort_keys=False))
            loaded = scenario.load(file)
            shown = 0
            for number in range(times):
                folder = prepare(file, loaded, Path(place) / "runs")
                ran = launch(loaded, self.name, folder, _Silent())
                if ran.results.get("interrupted"):
                    raise KeyboardInterrupt
                shown += self.cause.shows_in(ran.results)
                if stop_early and shown <= number:
                    return Rate(shown=shown, times=number + 1)
        return Rate(shown=shown, times=times)
