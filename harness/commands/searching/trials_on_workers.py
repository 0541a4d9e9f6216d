"""Candidates of a search, as many at once as there are workers.

The search asks ahead: what it would ask next if none of the candidates under way failed. So it
comes to the same scenario as one candidate after the other, of the same runs.
"""

import hashlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from harness.campaign.outcome_file import OutcomeFile
from harness.campaign.tasks import Done, Executor, Task
from harness.commands.running import ordered_run
from harness.commands.running.campaign_of_runs import began, delivered_by, ended
from harness.commands.running.ordered_run import Order
from harness.commands.searching.trials import BudgetSpentError, Candidates, key_of
from harness.common.harness_errors import ScenarioError
from harness.common.rate import Rate
from harness.search import shrink
from harness.search.shrink import Data


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """One run of a candidate; `results` are not known of one that an earlier command made."""

    shows: bool
    took_s: float
    results: Mapping[str, Any] | None = None


@dataclass(slots=True, kw_only=True)
class TrialsOnWorkers(Candidates):
    """Runs candidates side by side, and keeps those that failed, each smaller than the one before.

    Attributes:
        file: what was tried, and what came of it; None keeps nothing.
    """

    executor: Executor
    file: OutcomeFile | None = None
    _failed: dict[str, _Trial] = field(default_factory=dict)

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
        """Find out of each candidate whether it fails, `tries` times in a row."""
        left_s = self._left_s()
        counts, alive = dict.fromkeys(map(key_of, asked), 0), list(asked)
        for number in range(self.tries):
            orders = {f"{_digest(each)} {number}": self._order(each) for each in alive}
            shown = dict(self._trials(orders))
            alive = [each for each in alive if shown[f"{_digest(each)} {number}"].shows]
            for each in alive:
                counts[key_of(each)] += 1
                self._failed[key_of(each)] = shown[f"{_digest(each)} {number}"]
        for each in asked:
            count = counts[key_of(each)]
            self._known[key_of(each)] = count == self.tries
            self._tell(each, Rate(count=count, of=min(count + 1, self.tries)), left_s)

    def _keep(self, smallest: Data) -> None:
        if self.kept and self.kept[-1] == smallest:
            return
        self.kept.append(smallest)
        trial = self._failed[key_of(smallest)]
        self.results, self.longest_s = trial.results, trial.took_s

    def _order(self, candidate: Data) -> Order:
        """Return the order of a candidate.

        Raises:
            ScenarioError: it is no valid scenario.
        """
        scenario = self._loaded(candidate).for_elsewhere()
        return Order(scenario=scenario, name=self.name, wanted="none")

    def _trials(self, orders: Mapping[str, Order]) -> Generator[tuple[str, _Trial], None, None]:
        """Yield what came of each order, first of those that an earlier command made."""
        left = dict(orders)
        for key in orders:
            known = None if self.file is None else self.file.decided(key)
            if known is not None:
                del left[key]
                yield key, _Trial(shows=known.figures["shows"], took_s=known.took_s)
        tasks = (
            Task(key=key, call=ordered_run.carry_out, arguments=(order,))
            for key, order in left.items()
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


def _digest(candidate: Data) -> str:
    return hashlib.sha256(key_of(candidate).encode()).hexdigest()[:16]
