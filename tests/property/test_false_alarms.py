"""Runs of a correct queue that lists and claims: no checker accuses one, whatever is not told."""

import pytest

from harness.claim import Claim, Level
from harness.common.verdict import Verdict
from harness.judge import judge
from worlds.listing.lines import Zxids
from worlds.listing.queue import run

RUNS = 100
KINDS: list[tuple[bool, Level]] = [(True, "snapshot"), (False, "stale"), (False, "unordered")]


@pytest.mark.parametrize(("sync", "claim"), KINDS, ids=[claim for _, claim in KINDS])
@pytest.mark.parametrize("zxids", ["on", "off", "half"])
def test_a_correct_queue_is_never_accused(*, zxids: Zxids, sync: bool, claim: Level) -> None:
    """Whether all zxids are told, none or half of them, and in however few nanoseconds it runs."""
    for seed in range(RUNS):
        judged = judge(run(seed, sync=sync, zxids=zxids), Claim(level=claim, sync=sync))
        accused = [result for result in judged.results if result.verdict is Verdict.INVALID]
        assert accused == [], f"seed {seed}"


@pytest.mark.parametrize("zxids", ["on", "half"])
def test_one_that_reads_old_listings_is_accused_if_it_claims_fresh_ones(zxids: Zxids) -> None:
    """The runs are rough enough to show what a queue does not keep: they are no empty proof."""
    verdicts = [
        judge(run(seed, sync=False, zxids=zxids), Claim(level="snapshot", sync=True)).verdict
        for seed in range(RUNS)
    ]
    assert verdicts.count(Verdict.INVALID) > 2
