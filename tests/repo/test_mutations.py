"""The mutations that the figures in docs/oracle.md refer to are those of the ADR."""

import hashlib
import re
from pathlib import Path
from random import Random

from worlds.histories.mutations import mutate
from worlds.histories.oracle import NEVER, Op
from worlds.histories.random import sequential

ADR = Path(__file__).parents[2] / "docs/adr/0002-the-mix-of-mutations.md"
SEEDS = 2000

TAKES = [
    Op(f="put", process=0, begin=0, end=2, value=1),
    Op(f="put", process=1, begin=1, end=3, value=2, outcome="fail"),
    Op(f="take", process=2, begin=2, end=4, value=1),
    Op(f="put", process=0, begin=4, end=NEVER, value=3, outcome="info"),
    Op(f="take", process=3, begin=5, end=7, value=3),
    Op(f="take", process=2, begin=6, end=8),
    Op(f="take", process=3, begin=9, end=NEVER, outcome="info"),
]
RESERVES = [
    Op(f="put", process=0, begin=0, end=1, value=1, priority=1, zxid=10),
    Op(f="put", process=1, begin=0, end=2, value=2, priority=0, zxid=20),
    Op(f="reserve", process=2, begin=1, end=3, value=2, zxid=30),
    Op(f="release", process=2, begin=4, end=5, value=2, zxid=40),
    Op(f="reserve", process=3, begin=5, end=6, value=2, zxid=50),
    Op(f="done", process=3, begin=7, end=8, value=2, zxid=60),
    Op(f="reserve", process=2, begin=8, end=9, value=1, zxid=70),
    Op(f="crash", process=2, begin=10, end=12, zxid=80),
    Op(f="reserve", process=3, begin=11, end=13, value=1, zxid=90),
    Op(f="reserve", process=4, begin=13, end=13, zxid=90),
]


def digest() -> str:
    """Return a digest of what the mutations make of fixed runs."""
    text = hashlib.sha256()
    for run in (TAKES, RESERVES):
        for seed in range(SEEDS):
            ops = [
                (o.f, o.process, o.begin, o.end, o.value, o.priority, o.outcome, o.zxid)
                for o in mutate(Random(seed), run)
            ]
            text.update(repr(ops).encode())
    return text.hexdigest()


def test_the_mix_of_mutations_is_the_one_decided_on() -> None:
    """Whoever changes what the mutations do, says why in the ADR, and measures again."""
    decided = re.findall(r"^    digest: ([0-9a-f]+)$", ADR.read_text(), re.MULTILINE)
    assert decided == [digest()], f"{ADR.name} says what to do when the mix of mutations changes"


def test_the_runs_that_are_mutated_are_runs() -> None:
    """The fixed runs are sequential, or the mutations would leave them as they are."""
    changed = [run for run in (TAKES, RESERVES) if mutate(Random(1), run) != run]
    assert sequential(TAKES)
    assert sequential(RESERVES)
    assert changed
