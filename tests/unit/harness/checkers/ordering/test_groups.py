"""The checker of groups: what it accuses, and what may be so."""

from typing import Any

import pytest

from harness.checkers.ordering.groups import Groups
from harness.claim import Claim
from harness.common.verdict import CheckResult, Verdict
from harness.history.columns import History
from worlds.histories.by_hand import ended, history, op, returned
from worlds.planted import histories as shown

CLAIM = Claim(level="unordered")


def checked(of: History) -> CheckResult:
    """Return what the checker says."""
    return Groups().check(of, CLAIM)


def puts(*groups: str | None) -> list[list[dict[str, Any]]]:
    """Put 1, 2, ... one after the other into these groups, from 0 to 10 each."""
    return [
        op("put", at + 1, 10 * at, 10 * at + 5, **({"group": group} if group else {}))
        for at, group in enumerate(groups)
    ]


def held(value: int, begin_ns: int, end_ns: int, process: int) -> list[dict[str, Any]]:
    """Reserve at a moment, done at another, 5 ns each."""
    taken = op("reserve", value, begin_ns, begin_ns + 5, process=process)
    return taken + op("done", value, end_ns, end_ns + 5, process=process)


def test_without_groups_there_is_nothing_to_judge() -> None:
    """A history in which no put has a group is not run."""
    assert Groups().unmet(history(*puts(None)), CLAIM) == "puts with a group"
    assert Groups().unmet(history(*puts("g")), CLAIM) is None


def test_overlap_and_disorder_are_told_with_their_calls() -> None:
    """Both reasons name the items, the group, and the calls that prove it."""
    found = checked(history(*puts("g", "g"), held(2, 20, 60, 5), held(1, 30, 50, 6)))
    assert found.reasons == ("group-order", "group-overlap")
    order, overlap = found.witnesses if "which was" in found.witnesses[0].sentence else (
        found.witnesses[::-1]
    )  # fmt: skip
    assert set(order.values) == set(overlap.values) == {1, 2}
    assert "group 'g'" in order.sentence
    assert "group 'g'" in overlap.sentence
    assert found.details == {"groups": 1, "holds": 2}


@pytest.mark.parametrize(
    "case",
    [
        # The first is done in a call that begins before the second is surely taken.
        [*puts("g", "g"), held(1, 20, 30, 5), held(2, 26, 50, 6)],
        # The puts overlap, so either may be the first.
        [op("put", 1, 0, 9, group="g"), op("put", 2, 5, 12, process=1, group="g"),
         held(2, 20, 30, 5), held(1, 40, 50, 5)],
        # The second is more urgent.
        [op("put", 1, 0, 5, group="g"), op("put", 2, 10, 15, group="g", priority=1),
         held(2, 20, 30, 5), held(1, 40, 50, 5)],
        # Of two groups, and of none.
        [*puts("g", "h", None), held(3, 30, 90, 5), held(2, 30, 90, 6), held(1, 30, 90, 7)],
        # The session of the first holder may have ended before the second was taken.
        [*puts("g", "g"), op("reserve", 1, 20, 25, process=5), ended(5, 40, alive_until_ns=21),
         op("reserve", 1, 50, 55, process=6), op("done", 1, 60, 65, process=6),
         held(2, 70, 80, 6)],
        # A release sends the first behind the second.
        [*puts("g", "g"), op("reserve", 1, 20, 25, process=5),
         op("release", 1, 30, 35, process=5, to="back"), held(2, 40, 50, 6), held(1, 60, 70, 6)],
        # The janitor put the first aside.
        [*puts("g", "g"), op("reserve", 1, 20, 25, process=5, consumer="c5"),
         returned(5, 30, 1, to="dead"), held(2, 40, 50, 6), held(1, 60, 70, 6)],
        # What became of the first is not known: total-queue says it.
        [*puts("g", "g"), held(2, 40, 50, 6)],
        # Its done has no answer, and may have taken effect at once.
        [*puts("g", "g"), op("reserve", 1, 20, 25, process=5), op("done", 1, 26, None, process=5),
         held(2, 40, 50, 6)],
        # The first came back, and was never seen again: total-queue says it.
        [*puts("g", "g"), op("reserve", 1, 20, 25, process=5), ended(5, 40, alive_until_ns=21),
         held(2, 50, 60, 6)],
        # The first failed: it is not there.
        [op("put", 1, 0, 5, group="g", outcome="fail"), op("put", 2, 10, 15, group="g"),
         held(2, 20, 30, 5)],
        # Takes hold nothing: each item is gone at once.
        [*puts("g", "g"), op("take", 1, 20, 25, process=5), op("take", 2, 30, 35, process=6)],
        # The first is delayed, and comes into the line behind the second.
        [op("put", 1, 0, 5, group="g", to="delayed"), op("put", 2, 10, 15, group="g"),
         held(2, 20, 30, 5), held(1, 40, 50, 5)],
    ],
    ids=["touching", "concurrent-puts", "urgent", "other-groups", "ended", "to-back", "aside",
         "lost", "unknown-done", "lost-after-it-came-back", "failed-put", "takes", "delayed"],
)  # fmt: skip
def test_what_may_be_so_is_not_accused(case: list[list[dict[str, Any]]]) -> None:
    """A history that a right queue can have is valid."""
    assert checked(history(*case)).verdict is Verdict.VALID


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        # Released to its place, the first is still before the second.
        ([*puts("g", "g"), op("reserve", 1, 20, 25, process=5),
          op("release", 1, 30, 35, process=5), held(2, 40, 50, 6), held(1, 60, 70, 6)],
         "group-order"),
        # The first came back from a dead consumer, and the second was taken before.
        ([*puts("g", "g"), op("reserve", 1, 20, 25, process=5), ended(5, 40, alive_until_ns=21),
          held(2, 50, 55, 6), held(1, 60, 70, 6)], "group-order"),
        # A third is held beside the first, which is held longest.
        ([*[op("put", value, 0, 9, process=value, group="g") for value in (1, 2, 3)],
          held(1, 20, 90, 5), held(2, 30, 40, 6), held(3, 50, 60, 6)], "group-overlap"),
        # A batch of a group.
        ([op("put", [1, 2], 0, 5, group="g"), op("reserve", [1, 2], 20, 25, process=5),
          op("done", [1, 2], 30, 35, process=5)], "group-overlap"),
        # The second was taken before the first.
        ([*puts("g", "g"), op("take", 2, 20, 25, process=5), op("take", 1, 30, 35, process=6)],
         "group-order"),
    ],
    ids=["released", "came-back", "beside-the-longest", "batch", "takes"],
)  # fmt: skip
def test_what_no_right_queue_does_is_accused(case: list[list[dict[str, Any]]], reason: str) -> None:
    """Each is found for its reason."""
    found = checked(history(*case))
    assert found.verdict is Verdict.INVALID
    assert reason in found.reasons


def test_the_longest_hold_is_compared_with_each_other_item() -> None:
    """Two later items that overlap the same hold are two findings."""
    found = checked(shown.group_held_at_once())
    assert found.reasons == ("group-overlap",)
    three = history(
        *[op("put", value, 0, 9, process=value, group="g") for value in (1, 2, 3)],
        held(1, 20, 90, 5), held(2, 30, 40, 6), held(3, 50, 60, 6),
    )  # fmt: skip
    assert sum(each.count for each in checked(three).findings) == 2
