"""Random runs that say what is wrong with them, and how rough they were."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol


class RoughRun(Protocol):
    """One run, by its seed."""

    wrong: list[str]
    tally: Counter[str]

    def run(self) -> Any:
        """Run it to its end, and judge it."""


def judged(run: RoughRun) -> tuple[list[str], Counter[str]]:
    """Run it; return what is wrong, and what happened how often."""
    run.run()
    return list(run.wrong), run.tally


def judge_all(make: Callable[[int], RoughRun], seeds: range) -> Counter[str]:
    """Require of each seed's run that nothing is wrong; return what happened in all of them."""
    tally: Counter[str] = Counter()
    for seed in seeds:
        wrong, told = judged(make(seed))
        assert wrong == [], f"seed {seed}"
        tally += told
    return tally
