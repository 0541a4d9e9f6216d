"""Shares of scenarios, for CI jobs that run side by side."""

import pytest

from harness.commands.batch import shard
from harness.errors import ScenarioError


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_shares_are_a_partition(count: int) -> None:
    """Every scenario is in exactly one share, and no share is more than one bigger."""
    shares = [shard(range(11), f"{number}/{count}") for number in range(1, count + 1)]
    assert sorted(x for share in shares for x in share) == list(range(11))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_no_share_is_everything() -> None:
    """Without the option all scenarios run, in their order."""
    assert shard(["b", "a"], None) == ["b", "a"]


@pytest.mark.parametrize("which", ["0/2", "3/2", "1/0", "1", "a/b", "-1/2", ""])
def test_a_share_that_cannot_be(which: str) -> None:
    """A wrong word names the option and what it wants; no scenario is left out silently."""
    with pytest.raises(ScenarioError, match="--shard: expected I/N"):
        shard([1, 2], which)
