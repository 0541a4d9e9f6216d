"""The jobs of one worker, from their beginning to their end."""

import re

import pytest

from zkmq.tree.item import Hold, Item
from zkmq.working.job import Job, Outcome
from zkmq.working.jobs_in_hand import MOST_IN_DOUBT, JobsInHand


def test_what_was_in_doubt_once_is_not_kept_for_ever() -> None:
    """A worker that runs for years keeps only items that it still holds."""
    jobs = JobsInHand()
    for number in range(3 * MOST_IN_DOUBT):
        item = Item(b"", f"item-{number}", "consumer", 1, None, None, {})
        job = Job(item)
        jobs.add([job])
        job.outcome = Outcome.UNKNOWN
        jobs.count([job])
        assert jobs.still_held == [item]
        item.hold = Hold.DONE
    assert jobs.still_held == []
    assert len(jobs._held) == 1
    assert len(jobs.in_doubt) == MOST_IN_DOUBT


def test_a_job_that_has_ended_is_not_touched() -> None:
    """Else a worker whose job waits to be counted would look for it again without a pause."""
    jobs = JobsInHand()
    job = Job(Item(b"", "item", "consumer", 1, None, None, {"ttr_s": 3.0}, due_s=3.0))
    jobs.add([job])
    assert jobs.to_touch(2.5) == [job]
    job.outcome = Outcome.DONE
    assert (jobs.to_touch(2.5), jobs.touch_s) == ([], float("inf"))


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (Outcome.LOST, "item: delivery 2: lost: .* another consumer gets it"),
        (Outcome.UNKNOWN, "item: delivery 2: unknown: .* comes back"),
    ],
)
def test_the_log_says_what_becomes_of_an_item(
    caplog: pytest.LogCaptureFixture, outcome: Outcome, says: str
) -> None:
    """One word would not tell an operator whether the work is done again."""
    jobs = JobsInHand()
    job = Job(Item(b"", "item", "consumer", 2, None, None, {}))
    jobs.add([job])
    job.outcome = outcome
    jobs.count([job])
    (line,) = caplog.messages
    assert re.fullmatch(says, line)
