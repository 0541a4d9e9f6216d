"""Find out the outcome of a call whose task no longer waits for it."""

from collections.abc import Sequence

from zkmq.aio.async_errors import AsyncOutcomeUnknownError, clone
from zkmq.aio.call import EndCall, PutCall
from zkmq.doubt import Settled
from zkmq.errors import PartlyPutError, ZkmqError
from zkmq.putting.batches import Put


async def settled(call: PutCall | EndCall) -> tuple[Settled, ...]:
    """Wait until a call that was begun has an outcome, and find out what it is.

    Raises:
        AsyncOutcomeUnknownError: no answer before the deadline.
    """
    label = "put" if isinstance(call, PutCall) else call.label
    count = len(call.entries if isinstance(call, PutCall) else call.items)
    outcome = await call.known()
    if isinstance(outcome, AsyncOutcomeUnknownError):
        parts = [*_put(label, outcome.applied), *await outcome.resolve()]
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
        parts = [Settled(label, took_effect=True, zxid=outcome.zxid, items=count)]
    rest = count - sum(part.items for part in parts)
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
