"""Fuzz real clients on real sockets until so many items were put, and print the figures.

`python tests/proofs/wire_rates.py 100000` runs rounds of `worlds.wire.fuzz` until that many
items were put, three rounds at once; `--first-seed` says where to begin, `--trouble NAME` takes
only that kind, and can be said several times, `--rounds N` ends after so many rounds. A round that
failed is run again by its seed: `--first-seed SEED --rounds 1`. Threads run as they like, so it may
take several tries.

"Late" is by how much a call took longer than its deadline, without the time for which the machine
kept its process from running; "duty" is how long after the end of trouble the janitors were done,
without such time of the servers' process.
Ctrl-C prints the figures so far.
Ends with 1 if anything was wrong, a call was more than 0.5 s late, or a duty took more than 10 s.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, islice

from worlds.wire.fuzz import Report, fuzz
from worlds.wire.judge import DUTIES_WITHIN_S, LATE_S
from worlds.wire.plan import EVERYTHING, Plan, Trouble

AT_ONCE = 3
SAID_EVERY = 20
SHOWN = 10


@dataclass
class Sum:
    """All rounds so far."""

    rounds: int = 0
    puts: int = 0
    calls: int = 0
    sessions: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    late: list[tuple[float, str, int]] = field(default_factory=list)
    duties_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def add(self, report: Report) -> None:
        """Add one round."""
        self.rounds += 1
        self.puts += report.puts
        self.calls += report.calls
        self.sessions += report.sessions
        self.outcomes += report.outcomes
        self.lost += report.lost
        self.struck.update(report.struck)
        self.late += [(*each, report.seed) for each in report.late if each[0] > 0.0]
        self.duties_s = max(self.duties_s, report.duties_s)
        self.wrong += [f"seed {report.seed}: {violation}" for violation in report.wrong]

    @property
    def too_late(self) -> list[tuple[float, str, int]]:
        """The calls that were later than anybody should have to wait."""
        return sorted((each for each in self.late if each[0] > LATE_S), reverse=True)

    def __str__(self) -> str:
        """For people."""
        worst = max(self.late, default=(0.0, "none", 0))
        return (
            f"{self.rounds} rounds, {self.puts} puts, {self.calls} calls, {self.sessions} "
            f"sessions, {self.lost.total()} requests struck, {len(self.wrong)} wrong; latest call "
            f"{worst[0]:.2f} s ({worst[1]}; seed {worst[2]}), {len(self.too_late)} later than "
            f"{LATE_S} s; latest duty {self.duties_s:.1f} s"
        )


def main() -> int:
    """Fuzz, with progress, and print the figures."""
    given = _arguments()
    troubles = frozenset(map(Trouble, given.trouble)) if given.trouble else EVERYTHING
    seeds = islice(count(given.first_seed), given.rounds)
    total, began_s = Sum(), time.monotonic()
    with suppress(KeyboardInterrupt):
        for report in _reports(seeds, troubles, given.puts, total):
            for violation in report.wrong:
                print(f"seed {report.seed}: {violation}", flush=True)
            if total.rounds % SAID_EVERY == 0:
                print(f"after {time.monotonic() - began_s:.0f} s: {total}", flush=True)
    print(f"\n{time.monotonic() - began_s:.0f} s: {total}")
    print("puts:", dict(total.outcomes))
    print("requests struck:", dict(total.lost))
    print("rounds with:", dict(total.struck))
    for late_s, what, seed in total.too_late[:SHOWN]:
        print(f"late by {late_s:.2f} s: {what} (seed {seed})")
    return int(bool(total.wrong or total.too_late or total.duties_s > DUTIES_WITHIN_S))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("puts", type=int, nargs="?", default=10_000)
    parser.add_argument("--first-seed", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--trouble", action="append", choices=[each.value for each in Trouble])
    return parser.parse_args()


def _reports(
    seeds: Iterator[int], troubles: frozenset[Trouble], puts: int, total: Sum
) -> Iterator[Report]:
    """Some rounds at once, until so many items were put."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while total.puts < puts and (some := list(islice(seeds, AT_ONCE))):
            for report in pool.map(fuzz, [Plan.drawn(seed, troubles) for seed in some]):
                total.add(report)
                yield report


if __name__ == "__main__":
    os.nice(15)
    sys.exit(main())
