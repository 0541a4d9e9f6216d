"""How often the checkers accuse a correct queue: many simulated runs of one, all checkers.

`make prove NAME=false-alarms N=100000` judges as many runs of the listing queue of
`tests/worlds/listing/queue.py`, shared out over what is told (zxids on, off, half) and what is
claimed. Two processes, with progress. Prints each false alarm with the seed that gives it again,
and ends with 1 if there was one. Ctrl-C prints what there is so far, and ends with 2.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

from harness.claim import Claim, Level
from harness.common.verdict import Verdict
from harness.judge import judge
from proofs import chunks
from worlds.listing.lines import Zxids
from worlds.listing.queue import run

CLAIMS: tuple[Level, ...] = ("snapshot", "stale", "unordered")
ZXIDS: tuple[Zxids, ...] = ("on", "off", "half")
KINDS: tuple[tuple[Zxids, Level], ...] = tuple(product(ZXIDS, CLAIMS))
FIRST_SEED = 1
CHUNK = 200
SHOWN = 20
INTERRUPTED = 2


@dataclass(slots=True)
class Tally:
    """How many runs got which verdict, by kind; and what was said of those accused."""

    verdicts: Counter[tuple[Zxids, Level, str]] = field(default_factory=Counter)
    alarms: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Add another part."""
        self.verdicts.update(other.verdicts)
        self.alarms += other.alarms


def chunk(seeds: Sequence[int]) -> Tally:
    """Judge the runs of these seeds; a seed's remainder by the number of kinds says which kind."""
    tally = Tally()
    for seed in seeds:
        zxids, claim = KINDS[seed % len(KINDS)]
        sync = claim == "snapshot"
        judged = judge(run(seed, sync=sync, zxids=zxids), Claim(level=claim, sync=sync))
        tally.verdicts[zxids, claim, judged.verdict.word] += 1
        for result in judged.results:
            if result.verdict is Verdict.INVALID:
                told = f"{result.name}: {', '.join(result.reasons)}: {result.witnesses[0].sentence}"
                tally.alarms.append(f"seed {seed} (zxids {zxids}, {claim}): {told}")
    return tally


def main() -> int:
    """Judge, with progress, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("runs", type=int, nargs="?", default=10_000)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.runs)
    tally, interrupted = Tally(), False
    try:
        _judge(seeds, tally)
    except KeyboardInterrupt:
        interrupted = True
    print("\n".join(_table(tally)))
    return 1 if tally.alarms else INTERRUPTED if interrupted else 0


def _judge(seeds: range, tally: Tally) -> None:
    """Add up all chunks, with progress, and print each false alarm at once."""

    def so_far() -> str:
        return f"{tally.verdicts.total()} so far, {len(tally.alarms)} false alarms"

    with chunks.side_by_side() as pool:
        for part in chunks.judged(pool, chunk, chunks.of(seeds, CHUNK), so_far):
            tally.add(part)
            for alarm in part.alarms:
                print(alarm, flush=True)


def _table(tally: Tally) -> Iterator[str]:
    words = [verdict.word for verdict in Verdict]
    yield f"\n| zxids | claim | {' | '.join(words)} |"
    yield "|---" * (len(words) + 2) + "|"
    for zxids, claim in KINDS:
        counts = " | ".join(str(tally.verdicts[zxids, claim, word]) for word in words)
        yield f"| {zxids} | {claim} | {counts} |"
    yield f"\n{tally.verdicts.total()} runs of a correct queue: {len(tally.alarms)} false alarms"
    yield from tally.alarms[:SHOWN]


if __name__ == "__main__":
    os.nice(15)
    sys.exit(main())
