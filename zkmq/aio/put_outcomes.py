"""The outcome of each put of a group that was sent as one `put_many`. Pure functions."""

from collections.abc import Sequence
from itertools import accumulate

from zkmq.aio.async_errors import awaitable, clone
from zkmq.aio.group_doubt import GroupDoubt, Part
from zkmq.errors import NoQuorumError, OutcomeUnknownError, PartlyPutError, ZkmqError
from zkmq.putting.batches import Put


def spans(sizes: Sequence[int]) -> list[range]:
    """Where each call's items are among those of the group."""
    return [range(stop - size, stop) for size, stop in zip(sizes, accumulate(sizes), strict=True)]


def outcome(mine: range, error: ZkmqError, doubt: GroupDoubt | None) -> list[Put] | ZkmqError:
    """Return the outcome of one call's items, from the error of the group.

    In a group, the items that are put come first, then those in doubt, then those that are
    certainly not put. The items of a call are a slice of this, so each part may be empty.
    """
    put = _put_of(error)
    own_puts = put[mine.start : mine.stop]
    if len(own_puts) == len(mine):
        return list(own_puts)
    cause: ZkmqError = error
    if isinstance(error, OutcomeUnknownError):
        sizes = error.doubt.sizes if error.doubt is not None else (error.doubtful,)
        parts = _parts(mine, len(put), sizes)
        if parts:
            return awaitable(
                error,
                doubt.asker(parts) if doubt else None,
                "put: no answer before the deadline; it may have taken effect, or may yet",
                applied=own_puts,
                doubtful=sum(count for _, count in parts),
            )
        cause = NoQuorumError("put: not sent, an earlier put is still in doubt")
    elif isinstance(error, PartlyPutError) and isinstance(error.__cause__, ZkmqError):
        cause = error.__cause__
    return PartlyPutError(own_puts, len(mine), cause) if own_puts else clone(cause)


def _put_of(error: ZkmqError) -> tuple[Put, ...]:
    """The items of the group that are certainly put."""
    applied: tuple[Put, ...] = getattr(error, "applied", ())
    return applied


def _parts(mine: range, start: int, sizes: Sequence[int]) -> list[Part]:
    """Which writes in doubt have items of this call, and how many; the first begins at `start`."""
    parts = []
    for number, size in enumerate(sizes):
        count = min(mine.stop, start + size) - max(mine.start, start)
        if count > 0:
            parts.append((number, count))
        start += size
    return parts
