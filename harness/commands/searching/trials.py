"""Candidates of a search, each run a few times to see whether it fails of the same.

As many are run at once as the executor has slots. The search asks ahead: what it would ask next if
none of the candidates under way failed. So it comes to the same scenario as one candidate after the
other, of the same runs.
"""

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cluster.lending import Kept
from harness.campaign.outcome_file import OutcomeFile
from harness.campaign.tasks import Done, Executor, Task
from harness.commands.running.campaign_of_runs import began, delivered_by, ended
from harness.commands.running.launch import launch, prepare
from harness.commands.running.ordered_run import Delivered, Order
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
CarryOut = Callable[[Order], Delivered]


class BudgetSpentError(Exception):
    """The time is over; what was found so far stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """One run of a candidate; `results` are not known of one that an earlier command made."""

    shows: bool
    took_s: float
    results: Mapping[str, Any] | None = None


@dataclass(slots=True, kw_only=True)
class Trials:
    """Runs candidates, and keeps those that failed, each smaller than the one before.

    Attributes:
        cause: what the recorded run failed of.
        tries: how often in a row a candidate must fail to be taken.
        until_s: monotonic time after which no candidate is begun.
        carry_out: runs a candidate where the executor lets it.
        file: what was tried, and what came of it; None keeps nothing.
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
    executor: Executor
    carry_out: CarryOut
    file: OutcomeFile | None = None
    kept: list[Data] = field(default_factory=list)
    results: Mapping[str, Any] | None = None
    runs: int = 0
    longest_s: float | None = None
    _known: dict[str, bool] = field(default_factory=dict)
    _failed: dict[str, list[_Trial]] = field(default_factory=dict)

    def search(self, whole: Data) -> None:
        """Keep ever smaller candidates until nothing more can go, or the time is over.

        Raises:
            RunError: the whole itself could not be run.
        """
        try:
            self._try([whole])
            while self._known[key_of(whole)]:
                smallest, asked = shrink.ahead(whole, self._answer, max(1, self.executor.slots))
                self._keep(smallest)
                if not asked:
                    return
                self._try(asked)
        except BudgetSpentError:
            self.terminal.say("the time is over; the smallest so far stands")

    def rate(self, candidate: Data, times: int, *, allowed: float) -> Rate:
        """Return how often a candidate fails of the same.

        It ends as soon as more than `allowed` runs did not.
        """
        order = self._order(candidate)
        orders = {f"{_digest(candidate)} rate {number}": order for number in range(times)}
        count = of = 0
        with closing(self._trials(orders)) as trials:
            for _, trial in trials:
                of += 1
                count += trial.shows
                if of - count > allowed:
                    break
        return Rate(count=count, of=of)

    def _answer(self, candidate: Data) -> bool | None:
        """Tell whether a candidate fails, if that is known; what is no scenario does not."""
        key = key_of(candidate)
        if key not in self._known:
            try:
                self._order(candidate)
            except ScenarioError:
                self._known[key] = False
        return self._known.get(key)

    def _try(self, asked: Sequence[Data]) -> None:
        """Find out of each candidate whether it fails, `tries` times in a row.

        Raises:
            BudgetSpentError: no time is left.
        """
        if (left_s := self.until_s - time.monotonic()) < 0:
            raise BudgetSpentError
        failed: dict[str, list[_Trial]] = {key_of(each): [] for each in asked}
        alive = list(asked)
        for number in range(self.tries):
            orders = {f"{_digest(each)} {number}": self._order(each) for each in alive}
            shown = dict(self._trials(orders))
            alive = [each for each in alive if shown[f"{_digest(each)} {number}"].shows]
            for each in alive:
                failed[key_of(each)].append(shown[f"{_digest(each)} {number}"])
        self._failed |= failed
        for each in asked:
            count = len(failed[key_of(each)])
            self._known[key_of(each)] = count == self.tries
            self._tell(each, Rate(count=count, of=min(count + 1, self.tries)), left_s)

    def _tell(self, candidate: Data, rate: Rate, left_s: float) -> None:
        smallest = self.kept[-1] if self.kept else candidate
        what = difference.change(smallest, candidate)
        fails = rate.count == self.tries
        told = f"still fails {rate}" if fails else f"does not fail any more ({rate})"
        self.terminal.say(f"{self.runs:4} runs, {left_s / 60:4.1f} min left  {what}: {told}")

    def _keep(self, smallest: Data) -> None:
        if self.kept and self.kept[-1] == smallest:
            return
        self.kept.append(smallest)
        trials = self._failed[key_of(smallest)]
        self.results, self.longest_s = trials[-1].results, max(trial.took_s for trial in trials)

    def _order(self, candidate: Data) -> Order:
        """Return the order of a candidate.

        Raises:
            ScenarioError: it is no valid scenario.
        """
        scenario = self._loaded(candidate).for_elsewhere()
        return Order(scenario=scenario, name=self.name, wanted="none")

    def _loaded(self, candidate: Data) -> Scenario:
        """Return a candidate that ends soon if it waits for what will not come."""
        loaded = loading.of_text(yaml.safe_dump(candidate, sort_keys=False), CANDIDATE)
        if self.longest_s is None:
            return loaded
        limit_s = PATIENCE * self.longest_s + SPARE_S
        phases = [
            phase.model_copy(update={"limit_s": min(phase.limit_s, limit_s)})
            for phase in loaded.phases
        ]
        return loaded.model_copy(update={"phases": phases})

    def _trials(self, orders: Mapping[str, Order]) -> Generator[tuple[str, _Trial], None, None]:
        """Yield what came of each order, first of those that an earlier command made."""
        left = dict(orders)
        for key in orders:
            known = None if self.file is None else self.file.decided(key)
            if known is not None:
                del left[key]
                yield key, _Trial(shows=known.figures["shows"], took_s=known.took_s)
        tasks = (
            Task(key=key, call=self.carry_out, arguments=(order,)) for key, order in left.items()
        )
        with closing(self.executor.run(tasks)) as events:
            for event in events:
                if isinstance(event, Done):
                    yield event.key, self._trial(event, orders[event.key])
                elif self.file is not None:
                    began(event, self.file, self.terminal)

    def _trial(self, done: Done, order: Order) -> _Trial:
        """Return what came of an order; one that came to no verdict does not show the failure.

        Raises:
            RunError: the first candidate of all came to none.
        """
        self.runs += 1
        came = delivered_by(done)
        shows = came.results is not None and self.cause.shows_in(came.results)
        if self.file is not None:
            self.file.ended(ended(done, order, shows=shows))
        if came.results is None:
            if not self.kept:
                raise came.failure
            self.terminal.say(f"      {came.failure}")
        return _Trial(shows=shows, took_s=came.took_s, results=came.results)


def on(quorum: Kept) -> CarryOut:
    """Return what carries out orders here, all on one quorum; nothing of a run is kept."""

    def carry_out(order: Order) -> Delivered:
        with tempfile.TemporaryDirectory() as place:
            folder = prepare(CANDIDATE, order.scenario, Path(place))
            try:
                ran = launch(order.scenario, order.name, folder, Silent(), lend=quorum.lend)
            except (RunError, HistoryError) as failure:
                return Delivered(failure=failure)
        if ran.results.get("interrupted"):
            raise KeyboardInterrupt
        return Delivered(results=ran.results, took_s=ran.took_s)

    return carry_out


def key_of(candidate: Data) -> str:
    """Return what is the same for equal candidates."""
    return json.dumps(candidate, sort_keys=True)


def _digest(candidate: Data) -> str:
    return hashlib.sha256(key_of(candidate).encode()).hexdigest()[:16]
