"""The wire fuzz bites: what keeps the queue alive and right, once taken away, is missed."""

import pytest

from worlds.wire.fuzz import AT_ONCE, at_once
from worlds.wire.mutants import MUTANTS, plan, unheard
from worlds.wire.silence import silenced
from zkmq.zookeeper.session.failure_detector import FailureDetector

SEEDS = range(1, 13)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_found(name: str) -> None:
    """Within some rounds of the trouble that it cannot bear, for a reason that fits."""
    mutant = MUTANTS[name]
    seen: list[str] = []
    for first in range(0, len(SEEDS), AT_ONCE):
        for report in at_once([plan(name, seed) for seed in SEEDS[first : first + AT_ONCE]]):
            seen += [f"{report.seed}: {violation}" for violation in report.wrong]
            if mutant.reasons & {violation.reason.value for violation in report.wrong}:
                return
    pytest.fail(f"expected one of {sorted(mutant.reasons)} in {len(SEEDS)} rounds, got {seen}")


def test_a_client_to_which_silence_says_nothing_is_told_too_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a clock of its own it holds an item that its server has given away."""
    monkeypatch.setattr(FailureDetector, "_due_s", unheard)
    with silenced() as seen:
        assert not seen.told_in_time
