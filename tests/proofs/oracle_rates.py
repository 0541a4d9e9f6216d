"""How often the checkers agree with the exhaustive oracle, on many small random histories.

`python tests/proofs/oracle_rates.py 100000` judges that many in each mix, of which three quarters
are mutated, by every checker and by the oracle, in two processes; `--mix NAME` takes only that one,
and can be said several times. For each mix and checker:

    histories   those that the checker could judge
    invalid     those of all that the oracle cannot explain
    found       of these, those that the checker calls invalid; `alone`, and no other does
    missed      of the invalid ones, those that no checker calls invalid (in the row `all`)
    alarms      histories that the oracle can explain, and the checker calls invalid

`--workers N` or `--scheduler URL` has workers judge them, as a campaign that goes on where it was
stopped (`--campaign NAME`): docs/campaigns.md.

Ends with 1 if there was an alarm, if a mix has a missed one for which a checker is exact (`fifo`
for takes, `zxid` where all zxids are known), or if more than 0.3 % are missed elsewhere. Ctrl-C
prints what there is so far, and ends with 2.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from multiprocessing.pool import Pool

from harness.common.harness_errors import HarnessError
from proofs import chunks
from proofs.oracle_campaign import add_options, compared
from proofs.oracle_chunk import ALL, CHECKERS, CHUNK, Tally, chunk
from worlds.histories.oracle_mixes import MIXES

EXACT = ("plain-takes", "unknown-takes", "zxids")
SHOWN = 10
MOST_MISSED = 0.003
UNFINISHED = 2


def main() -> int:
    """Compare, with progress, and print the figures."""
    given = _arguments()
    seeds = range(given.first_seed, given.first_seed + given.histories)
    print(f"{len(seeds)} histories in each of {len(given.mix)} mixes, seeds from {seeds.start}")
    chunks.obey_interrupts()
    tallies: dict[str, Tally] = {}
    unfinished = False
    try:
        if given.workers or given.scheduler or given.campaign:
            compared(given, {mix: _chunks(mix, seeds) for mix in given.mix}, tallies)
        else:
            _compare_here(given.mix, seeds, tallies)
    except KeyboardInterrupt:
        chunks.ignore_interrupts()
        unfinished = True
    except HarnessError as error:
        print(f"oracle: {error}", file=sys.stderr)
        unfinished = True
    for mix, tally in tallies.items():
        print("\n".join(_table(mix, tally)))
    total = sum(tally.counts[ALL, "histories"] for tally in tallies.values())
    missed = sum(len(tally.missed) for tally in tallies.values())
    alarms = sum(len(tally.alarms) for tally in tallies.values())
    print(f"\n{total} histories: {missed} missed, {alarms} false alarms")
    failed = any(_fails(mix, tally) for mix, tally in tallies.items())
    return 1 if failed else UNFINISHED if unfinished else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("histories", type=int, nargs="?", default=10_000, help="in each mix")
    parser.add_argument("--first-seed", type=int, default=1_000_000)
    parser.add_argument("--mix", action="append", choices=MIXES, help="default: each of them")
    add_options(parser)
    given = parser.parse_args()
    given.mix = given.mix or list(MIXES)
    return given


def _compare_here(mixes: Sequence[str], seeds: range, tallies: dict[str, Tally]) -> None:
    with chunks.side_by_side() as pool:
        for mix in mixes:
            tallies[mix] = Tally()
            _compare(pool, mix, seeds, tallies[mix])


def _chunks(mix: str, seeds: range) -> list[tuple[str, range]]:
    return [(mix, some) for some in chunks.of(seeds, CHUNK)]


def _compare(pool: Pool, mix: str, seeds: range, tally: Tally) -> None:
    """Add up a mix's chunks, with progress."""

    def so_far() -> str:
        judged = tally.counts[ALL, "histories"]
        return f"{mix}: {judged} so far, {len(tally.missed)} missed, {len(tally.alarms)} alarms"

    for part in chunks.judged(pool, chunk, _chunks(mix, seeds), so_far):
        tally.add(part)


def _table(mix: str, tally: Tally) -> Iterator[str]:
    figures = ("histories", "invalid", "found", "alone", "missed", "alarms")
    yield f"\n| {mix} | " + " | ".join(figures) + " |"
    yield "|---" * (len(figures) + 1) + "|"
    for name in (*CHECKERS, ALL):
        if tally.counts[name, "histories"]:
            counts = " | ".join(_figure(tally, name, figure) for figure in figures)
            yield f"| {name} | {counts} |"
    for what, seeds in (("missed", tally.missed), ("false alarms", tally.alarms)):
        if seeds:
            yield f"\n{what} of {mix}, the first seeds: {sorted(seeds)[:SHOWN]}"


def _figure(tally: Tally, name: str, figure: str) -> str:
    if figure == "missed":
        return str(len(tally.missed)) if name == ALL else ""
    return "" if figure == "alone" and name == ALL else str(tally.counts[name, figure])


def _fails(mix: str, tally: Tally) -> bool:
    most = 0.0 if mix in EXACT else MOST_MISSED
    return len(tally.missed) > most * tally.counts[ALL, "invalid"] or bool(tally.alarms)


if __name__ == "__main__":
    os.nice(15)
    sys.exit(main())
