"""How often the checkers agree with the exhaustive oracle, on many small random histories.

`python tests/property/oracle_rates.py 100000` judges that many in each mix, of which three quarters
are mutated, by every checker and by the oracle, in two processes. For each mix and checker:

    histories   those that the checker could judge
    invalid     those of all that the oracle cannot explain
    found       of these, those that the checker calls invalid; `alone`, and no other does
    missed      of the invalid ones, those that no checker calls invalid (in the row `all`)
    alarms      histories that the oracle can explain, and the checker calls invalid

Ends with 1 if there was an alarm, if a mix has a missed one for which a checker is exact (`fifo`
for takes, `zxid` where all zxids are known), or if more than 0.3 % are missed elsewhere.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.pool import Pool
from random import Random

from harness.history import History
from harness.judge import judge
from harness.verdict import Verdict
from worlds.histories_mutations import mutate
from worlds.histories_random import as_history, sequential, simulate
from worlds.oracle import legal
from worlds.oracle_mixes import MIXES

CHECKERS = ("fifo", "ownership", "priority-fifo", "producer-order", "total-queue", "zxid")
EXACT = ("plain-takes", "unknown-takes", "zxids")
CHUNK = 500
PROCESSES = 2
MOST_MISSED = 0.003
ALL = "all"

Tally = Counter[tuple[str, str]]  # (checker, figure)


def main() -> int:
    """Compare, with progress, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("histories", type=int, nargs="?", default=10_000, help="in each mix")
    parser.add_argument("--first-seed", type=int, default=1_000_000)
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.histories)
    print(f"{len(seeds)} histories in each of {len(MIXES)} mixes, seeds from {seeds.start}")
    with multiprocessing.Pool(PROCESSES) as pool:
        tallies = {mix: _compared(pool, mix, seeds) for mix in MIXES}
    total = sum(tally[ALL, "histories"] for tally in tallies.values())
    missed = sum(tally[ALL, "missed"] for tally in tallies.values())
    alarms = sum(tally[ALL, "alarms"] for tally in tallies.values())
    print(f"\n{total} histories: {missed} missed, {alarms} false alarms")
    return int(any(_fails(mix, tally) for mix, tally in tallies.items()))


def chunk(work: tuple[str, range]) -> Tally:
    """Judge a mix's histories of some seeds by checkers and oracle."""
    mix, seeds = work
    tally: Tally = Counter()
    for seed in seeds:
        ops = mutate(Random(seed), simulate(Random(seed), MIXES[mix]))
        if sequential(ops):
            _count(tally, _verdicts(as_history(ops)), invalid=not legal(ops))
    return tally


def _verdicts(history: History) -> dict[str, Verdict]:
    judged = judge(history, claim="linearizable", checkers=CHECKERS)
    return {r.name: r.verdict for r in judged.results if r.reasons != ("unmet",)}


def _count(tally: Tally, verdicts: dict[str, Verdict], *, invalid: bool) -> None:
    accusers = [name for name, verdict in verdicts.items() if verdict is Verdict.INVALID]
    right = "found" if invalid else "alarms"
    tally.update((name, "histories") for name in (*verdicts, ALL))
    tally.update((name, "invalid") for name in (*verdicts, ALL) if invalid)
    tally.update((name, right) for name in accusers)
    if accusers:
        tally[ALL, right] += 1
    elif invalid:
        tally[ALL, "missed"] += 1
    if invalid and len(accusers) == 1:
        tally[accusers[0], "alone"] += 1


def _compared(pool: Pool, mix: str, seeds: range) -> Tally:
    """Add up a mix's chunks, say every few seconds how far it is, and then the figures."""
    chunks = [(mix, seeds[at : at + CHUNK]) for at in range(0, len(seeds), CHUNK)]
    tally: Tally = Counter()
    said_s = time.monotonic()
    for one in pool.imap_unordered(chunk, chunks):
        tally.update(one)
        if time.monotonic() - said_s > 10:
            said_s = time.monotonic()
            done = tally[ALL, "histories"]
            missed, alarms = tally[ALL, "missed"], tally[ALL, "alarms"]
            print(f"{mix}: {done} so far, {missed} missed, {alarms} alarms", flush=True)
    print("\n".join(_table(mix, tally)), flush=True)
    return tally


def _table(mix: str, tally: Tally) -> Iterator[str]:
    figures = ("histories", "invalid", "found", "alone", "missed", "alarms")
    yield f"\n| {mix} | " + " | ".join(figures) + " |"
    yield "|---" * (len(figures) + 1) + "|"
    for name in (*CHECKERS, ALL):
        if tally[name, "histories"]:
            counts = " | ".join(_figure(tally, name, figure) for figure in figures)
            yield f"| {name} | {counts} |"


def _figure(tally: Tally, name: str, figure: str) -> str:
    exclusive = {"alone": name != ALL, "missed": name == ALL}
    return str(tally[name, figure]) if exclusive.get(figure, True) else ""


def _fails(mix: str, tally: Tally) -> bool:
    most = 0.0 if mix in EXACT else MOST_MISSED
    missed = tally[ALL, "missed"] > most * tally[ALL, "invalid"]
    return missed or tally[ALL, "alarms"] > 0


if __name__ == "__main__":
    os.nice(15)
    sys.exit(main())
