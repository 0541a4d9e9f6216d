"""Find out the outcome of a call whose task no longer waits for it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from zkmq.aio.async_errors import AsyncOutcomeUnknownError, clone
from zkmq.aio.call import Call, EndCall, PutCall
from zkmq.doubt import Settled
from zkmq.errors import PartlyPutError, ZkmqError
from zkmq.putting.batches import Put

# How long a call that begins now may take.
Within = Callable[[], float]


async def outcome_of(call: Call[Any], within_s: Within) -> Any:
    """Wait until a call that was begun has an outcome, and return it, also an error.

    Raises:
        AsyncOutcomeUnknownError: it has none in time.
    """
    outcome = await call.known(within_s())
    if outcome is None:
        raise under_way(call, within_s)
    return outcome


def under_way(call: Call[Any], within_s: Within) -> AsyncOutcomeUnknownError:
    """The error of a call that still has no outcome at its deadline."""
    error = AsyncOutcomeUnknownError(
        "no answer before the deadline; it may have taken effect, or may yet"
    )
    if isinstance(call, PutCall | EndCall):
        error.ask = partial(settled, call, within_s)
    error.doubtful = call.count
    return error


async def settled(call: PutCall | EndCall, within_s: Within) -> tuple[Settled, ...]:
    """Wait until a call that was begun has an outcome, and find out what it is.

    Raises:
        AsyncOutcomeUnknownError: no answer before the deadline.
    """
    label = "put" if isinstance(call, PutCall) else call.label
    outcome = await outcome_of(call, within_s)
    if isinstance(outcome, AsyncOutcomeUnknownError):
        parts = _put(label, outcome.applied)
        if outcome.ask is None:  # the queue was closed, and nobody can find out
            parts.append(Settled(label, None, None, call.count - len(outcome.applied)))
        else:
            parts += await outcome.ask()
    elif isinstance(outcome, PartlyPutError):
        parts = _put(label, outcome.applied)
    elif isinstance(outcome, ZkmqError) and outcome.definite:
        parts = []
    elif isinstance(outcome, ZkmqError):
        raise clone(outcome)
    elif isinstance(outcome, BaseException):
        raise outcome
    elif isinstance(outcome, list):
        parts = _put(label, outcome)
    else:
        parts = [Settled(label, took_effect=True, zxid=outcome.zxid, items=call.count)]
    rest = call.count - sum(part.items for part in parts)
    if rest:
        parts.append(Settled(label, took_effect=False, zxid=None, items=rest))
    return tuple(parts)


def _put(label: str, puts: Sequence[object]) -> list[Settled]:
    """The outcome of items that are put, as one answer."""
    if not puts:
        return []
    last = puts[-1]
    zxid = last.zxid if isinstance(last, Put) else None
    return [Settled(label, took_effect=True, zxid=zxid, items=len(puts))]
