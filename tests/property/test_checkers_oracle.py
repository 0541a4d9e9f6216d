"""The order and ownership checkers against an exhaustive judge, on small random histories."""

from collections.abc import Sequence
from random import Random

import pytest

from harness.claim import Claim, Level
from harness.common.verdict import Verdict
from harness.judge import judge
from worlds.histories.mutations import mutate
from worlds.histories.oracle import Op, legal
from worlds.histories.oracle_mixes import MIXES
from worlds.histories.random import Mix, as_history, sequential, simulate

HISTORIES = 1000
CHECKERS = ("fifo", "ownership", "priority-fifo", "zxid")


def found_invalid(ops: Sequence[Op], checkers: Sequence[str] | None = None) -> bool:
    """Say whether any checker calls the history invalid."""
    judged = judge(as_history(ops), Claim(level="linearizable"), checkers=checkers)
    return judged.verdict is Verdict.INVALID


@pytest.mark.parametrize("mix", MIXES.values(), ids=MIXES)
def test_a_correct_queue_is_never_accused(mix: Mix) -> None:
    """No checker finds a run of a correct queue invalid, whatever was lost or crashed."""
    for seed in range(HISTORIES):
        assert not found_invalid(simulate(Random(seed), mix)), f"seed {seed}"


@pytest.mark.parametrize("mix", MIXES.values(), ids=MIXES)
def test_what_is_legal_is_never_accused(mix: Mix) -> None:
    """A mutated history that the oracle can still explain is not found invalid."""
    for seed in range(HISTORIES):
        ops = mutate(Random(seed), simulate(Random(seed), mix))
        if sequential(ops) and legal(ops):
            assert not found_invalid(ops, CHECKERS), f"seed {seed}"


@pytest.mark.parametrize("order", ["snapshot", "stale"])
@pytest.mark.parametrize("name", ["whole-model", "zxids-unknown", "crashes"])
def test_what_is_legal_is_never_accused_by_a_weaker_claim(name: str, order: Level) -> None:
    """A history that a linearizable queue can have is one of any queue, whatever is unknown."""
    for seed in range(HISTORIES // 4):
        ops = mutate(Random(seed), simulate(Random(seed), MIXES[name]))
        if sequential(ops) and legal(ops):
            judged = judge(as_history(ops), Claim(level=order), ["priority-fifo", "zxid"])
            assert judged.verdict is not Verdict.INVALID, f"seed {seed}"


@pytest.mark.parametrize(
    ("name", "checker"), [("plain-takes", "fifo"), ("unknown-takes", "fifo"), ("zxids", "zxid")]
)
def test_an_exact_checker_misses_nothing(name: str, checker: str) -> None:
    """Where it is exact, it finds every history invalid that the oracle cannot explain."""
    illegal = 0
    for seed in range(HISTORIES):
        ops = mutate(Random(seed), simulate(Random(seed), MIXES[name]))
        if sequential(ops) and not legal(ops):
            illegal += 1
            assert found_invalid(ops, [checker]), f"seed {seed}"
    assert illegal > HISTORIES // 20
