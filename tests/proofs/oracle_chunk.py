"""Some small random histories, judged by the checkers and by the exhaustive oracle."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from harness.claim import Claim
from harness.common.verdict import Verdict
from harness.history.columns import History
from harness.judge import examine
from worlds.histories.mutations import mutate
from worlds.histories.oracle import legal
from worlds.histories.oracle_mixes import MIXES
from worlds.histories.random import as_history, sequential, simulate

CHECKERS = ("fifo", "ownership", "priority-fifo", "producer-order", "total-queue", "zxid")
CHUNK = 500
ALL = "all"


@dataclass(slots=True)
class Tally:
    """How often what happened, by (checker, figure), and the seeds to look at."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    missed: list[int] = field(default_factory=list)
    alarms: list[int] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Add another part of the same mix."""
        self.counts.update(other.counts)
        self.missed += other.missed
        self.alarms += other.alarms


def chunk(work: tuple[str, range]) -> Tally:
    """Judge a mix's histories of some seeds by checkers and oracle."""
    mix, seeds = work
    tally = Tally()
    for seed in seeds:
        ops = mutate(Random(seed), simulate(Random(seed), MIXES[mix]))
        if sequential(ops):
            _count(tally, seed, _verdicts(as_history(ops)), invalid=not legal(ops))
    return tally


def _verdicts(history: History) -> dict[str, Verdict]:
    results = examine(history, Claim(level="linearizable"), CHECKERS)
    return {r.name: r.verdict for r in results if r.reasons != ("unmet",)}


def _count(tally: Tally, seed: int, verdicts: dict[str, Verdict], *, invalid: bool) -> None:
    accusers = [name for name, verdict in verdicts.items() if verdict is Verdict.INVALID]
    right = "found" if invalid else "alarms"
    counts = tally.counts
    counts.update((name, "histories") for name in (*verdicts, ALL))
    counts.update((name, "invalid") for name in (*verdicts, ALL) if invalid)
    counts.update((name, right) for name in accusers)
    if accusers:
        counts[ALL, right] += 1
    if accusers and not invalid:
        tally.alarms.append(seed)
    if invalid and not accusers:
        tally.missed.append(seed)
    if invalid and len(accusers) == 1:
        counts[accusers[0], "alone"] += 1
