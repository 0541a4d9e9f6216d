"""The outcome of each call of a group of puts, by the error of the group."""

import pytest

from zkmq.aio.async_errors import AsyncOutcomeUnknownError
from zkmq.aio.put_outcomes import outcome, spans
from zkmq.doubt import Doubt, Write
from zkmq.errors import (
    NoQuorumError,
    OutcomeUnknownError,
    PartlyPutError,
    QueueFullError,
    ZkmqError,
)
from zkmq.putting.batches import Put

PUTS = tuple(Put(f"item-{number}", number, 1) for number in range(4))


def _unknown(*sizes: int) -> OutcomeUnknownError:
    """Four items are put; then so many are in doubt in each write."""
    error = OutcomeUnknownError("no answer")
    error.doubt = Doubt([Write("put", size) for size in sizes], lambda _: None)
    error.tell(PUTS, sum(sizes), 20)
    return error


def test_spans_follow_each_other() -> None:
    """Each call has its own items, in the order of the calls."""
    assert spans([1, 3, 2]) == [range(1), range(1, 4), range(4, 6)]


@pytest.mark.parametrize(
    ("mine", "applied", "doubtful"),
    [(range(3, 6), 1, 2), (range(4, 5), 0, 1), (range(6, 12), 0, 3), (range(20), 4, 5)],
)
def test_a_call_gets_its_own_part_of_the_doubt(mine: range, applied: int, doubtful: int) -> None:
    """Of a group with four items put and five in doubt, each call is told its own numbers."""
    found = outcome(mine, _unknown(3, 2), None)
    assert isinstance(found, AsyncOutcomeUnknownError)
    assert (len(found.applied), found.doubtful) == (applied, doubtful)
    assert found.applied == PUTS[mine.start : mine.start + applied]


def test_what_was_put_and_what_was_not_sent_is_certain() -> None:
    """The calls before the doubt are put; those after it are certainly not."""
    assert outcome(range(1, 4), _unknown(3, 2), None) == list(PUTS[1:4])
    assert isinstance(outcome(range(9, 11), _unknown(3, 2), None), NoQuorumError)


def test_a_refusal_in_the_middle() -> None:
    """Calls before it are put, the call across it partly, and the rest gets the cause itself."""
    cause = QueueFullError("full")
    error: ZkmqError = PartlyPutError(PUTS, 8, cause)
    error.__cause__ = cause
    assert outcome(range(2, 4), error, None) == list(PUTS[2:4])
    partly = outcome(range(3, 6), error, None)
    assert isinstance(partly, PartlyPutError)
    assert partly.applied == PUTS[3:]
    first, second = outcome(range(6, 7), error, None), outcome(range(7, 8), error, None)
    assert isinstance(first, QueueFullError)
    assert isinstance(second, QueueFullError)
    assert first is not second
