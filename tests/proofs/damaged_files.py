"""How the harness takes damaged scenario files, histories and results: many, from seeds.

`python tests/proofs/damaged_files.py 100000` damages that many files of each kind and gives them
to the loader, to `harness check` and to what reads results; `--kind NAME` takes only that one, and
can be said several times. Prints by kind how many were refused and taken, the stacks, the slowest
in processor time, and how many took over 2 s. Ends with 1 if there was a stack, or a file over 2 s.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.pool import Pool
from pathlib import Path

from proofs import chunks
from worlds.histories.damage_cases import KINDS, Bench, Case

CHUNK = 200
SHOWN = 5
MOST_S = 2.0


@dataclass(slots=True)
class Tally:
    """What came of the files of one kind."""

    files: int = 0
    taken: int = 0
    failures: list[Case] = field(default_factory=list)
    slow: list[Case] = field(default_factory=list)
    slowest: Case | None = None

    def add(self, case: Case) -> None:
        """Count one more."""
        self.files += 1
        self.taken += case.told in {"read", "valid", "unknown", "invalid"} or "loaded" in case.told
        if case.failure:
            self.failures.append(case)
        if case.took_s > MOST_S:
            self.slow.append(case)
        if self.slowest is None or case.took_s > self.slowest.took_s:
            self.slowest = case


def main() -> int:
    """Damage, try, and print the figures."""
    given = _arguments()
    seeds = range(given.first_seed, given.first_seed + given.files)
    failed = False
    with chunks.side_by_side(given.processes) as pool:
        for kind in given.kind:
            tally = Tally()
            try:
                _try(pool, kind, seeds, tally)
            except KeyboardInterrupt:
                failed = True
                break
            finally:
                print("\n".join(_told(kind, tally)), flush=True)
            failed = failed or bool(tally.failures or tally.slow)
    return 1 if failed else 0


def chunk(work: tuple[str, range]) -> list[Case]:
    """Try the files of some seeds."""
    kind, seeds = work
    with tempfile.TemporaryDirectory(prefix="zkmq-damaged-") as folder:
        bench = Bench(Path(folder))
        return [bench.case(kind, seed) for seed in seeds]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", type=int, nargs="?", default=2_000, help="of each kind")
    parser.add_argument("--first-seed", type=int, default=1_000_000)
    parser.add_argument("--kind", action="append", choices=KINDS, help="default: each of them")
    parser.add_argument("--processes", type=int, default=chunks.PROCESSES)
    given = parser.parse_args()
    given.kind = given.kind or list(KINDS)
    return given


def _try(pool: Pool, kind: str, seeds: range, tally: Tally) -> None:
    """Add up a kind's chunks, with progress."""
    work = [(kind, some) for some in chunks.of(seeds, CHUNK)]
    for cases in chunks.judged(pool, chunk, work, lambda: f"{kind}: {tally.files} so far"):
        for case in cases:
            tally.add(case)


def _told(kind: str, tally: Tally) -> Iterator[str]:
    slowest_s = tally.slowest.took_s if tally.slowest else 0.0
    yield (
        f"{kind}: {tally.files} files, {tally.taken} taken, {tally.files - tally.taken} refused, "
        f"{len(tally.failures)} failures, slowest {slowest_s:.2f} s "
        f"(seed {tally.slowest.seed if tally.slowest else '-'}), {len(tally.slow)} over {MOST_S} s"
    )
    for case in tally.failures[:SHOWN]:
        yield f"seed {case.seed}: {case.failure}"
    for case in tally.slow[:SHOWN]:
        yield f"seed {case.seed}: {case.took_s:.2f} s: {case.told[:200]}"


if __name__ == "__main__":
    os.nice(15)
    sys.exit(main())
