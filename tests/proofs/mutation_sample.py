"""Mutation testing of the queue's core and of the judge: a seeded sample of mutants, run by mutmut.

`python tests/proofs/mutation_sample.py --count 300 --seed 1` makes the mutants, chooses a sample,
runs against each only the tests that reach its function, and prints a table by module with every
survivor. Mutants already decided are not run again, so an interrupted run goes on where it stopped.
mutmut keeps its results below `mutants/`; `[tool.mutmut]` in pyproject.toml says what is mutated.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random

MUTANTS = Path("mutants")
# mutmut makes all mutants and records which test reaches which function before it runs the first.
FIRST = "harness.results.x_exit_status__mutmut_1"
LEAST_PER_MODULE = 5
GOAL = 0.95

# Exit codes of a worker, as mutmut stores them: pytest failed, pytest broke, the time was over,
# the process died. Zero is a survivor; 5 and 33 mean that no test reaches the function.
KILLED = frozenset({1, 3, 36, 24, -24, 152, 255, -11, -9})
SURVIVED = frozenset({0, 5, 33})

Decided = Mapping[str, int | None]


def main() -> int:
    """Return 0 if the goal is reached, 1 if not, 2 if mutants of the sample are undecided."""
    options = _options()
    if not any(MUTANTS.rglob("*.py.meta")) or options.anew:
        _run_mutmut([FIRST], options.children)
    sample = choose(decided(), options.count, Random(options.seed))
    while waiting := [name for name in sample if _undecided(decided(), name)]:
        print(f"{len(sample) - len(waiting)} of {len(sample)} mutants decided", flush=True)
        _run_mutmut(waiting, options.children)
        if len([name for name in sample if _undecided(decided(), name)]) == len(waiting):
            print("mutmut decided none of the rest; see its output above", file=sys.stderr)
            return 2
    codes = decided()
    print(table({name: codes[name] for name in sample}, seed=options.seed))
    return 0 if score(codes[name] for name in sample) >= GOAL else 1


def decided() -> dict[str, int | None]:
    """Return the exit code of each mutant there is; None while it was not run."""
    codes: dict[str, int | None] = {}
    for meta in sorted(MUTANTS.rglob("*.py.meta")):
        codes |= json.loads(meta.read_text())["exit_code_by_key"]
    return codes


def module_of(mutant: str) -> str:
    """Return the module that a mutant's name begins with."""
    return mutant.rpartition(".")[0]


def choose(mutants: Iterable[str], count: int, random: Random) -> list[str]:
    """Draw at least `count` mutants: each module's share, and at least a few of each module."""
    by_module = defaultdict(list)
    for name in sorted(mutants):
        by_module[module_of(name)].append(name)
    total = sum(map(len, by_module.values()))
    chosen: list[str] = []
    for _, names in sorted(by_module.items()):
        share = max(LEAST_PER_MODULE, -(-count * len(names) // total))
        chosen += random.sample(names, min(share, len(names)))
    return chosen


def score(codes: Iterable[int | None]) -> float:
    """Return the killed part of those that were run."""
    run = [code for code in codes if code is not None]
    return sum(code in KILLED for code in run) / len(run) if run else 0.0


def table(codes: Decided, *, seed: int) -> str:
    """Return killed and survived by module as Markdown, and the names of the survivors."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for name, code in codes.items():
        rows[module_of(name)]["killed" if code in KILLED else "survived"] += 1
    lines = ["| module | killed | survived |", "|---|---|---|"]
    lines += [f"| {name} | {row['killed']} | {row['survived']} |" for name, row in rows.items()]
    killed = sum(row["killed"] for row in rows.values())
    lines.append(f"| all (seed {seed}) | {killed} | {len(codes) - killed} |")
    survivors = sorted(name for name, code in codes.items() if code in SURVIVED)
    percent = f"{100 * killed / len(codes):.1f} % of {len(codes)} killed"
    return "\n".join([*lines, "", percent, *(f"survived: {name}" for name in survivors)])


def _undecided(codes: Decided, name: str) -> bool:
    return codes.get(name) not in KILLED | SURVIVED


def _run_mutmut(names: Sequence[str], children: int) -> None:
    command = ["mutmut", "run", "--max-children", str(children), *names]
    subprocess.run([sys.executable, "-m", *command], check=False)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=300, help="how many mutants, about")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--children", type=int, default=2, help="mutants tested at one time")
    parser.add_argument("--anew", action="store_true", help="make the mutants of changed code anew")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
