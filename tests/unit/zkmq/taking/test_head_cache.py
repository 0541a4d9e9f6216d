"""The head cache: an order that was left half read is never used."""

import contextlib
from collections.abc import Callable

import pytest

from worlds.memory.queues import Open
from worlds.memory.store import World
from zkmq import Queue
from zkmq.errors import NoQuorumError
from zkmq.zookeeper.store import ReadResult

NUMBERS = [b"%03d" % number for number in range(8)]


Reads = Callable[..., ReadResult]


def failing(read_many: Reads, after: int, error: BaseException) -> Reads:
    """Read `after` times as usual, then raise."""
    left = after

    def read(*arguments: object, **options: object) -> ReadResult:
        nonlocal left
        left -= 1
        if left < 0:
            raise error
        return read_many(*arguments, **options)

    return read


@pytest.mark.parametrize("error", [KeyboardInterrupt(), NoQuorumError("out of time")], ids=repr)
@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("looked_before", [False, True])
def test_after_a_look_that_was_cut_short_the_head_comes_first(
    queue: Queue,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    after: int,
    *,
    looked_before: bool,
) -> None:
    """Wherever an exception ends a look, the next reserve looks again and skips nothing."""
    queue.put_many(NUMBERS)
    expected = NUMBERS
    if looked_before:
        assert [item.data for item in queue.reserve(1).items] == NUMBERS[:1]
        queue.put(b"urgent", priority=1)
        queue._store.sleep(0.06)
        expected = [b"urgent", *NUMBERS[1:]]
    monkeypatch.setattr(queue._bound, "read_many", failing(queue._bound.read_many, after, error))
    first: list[bytes] = []
    with contextlib.suppress(type(error)):
        first += [item.data for item in queue.reserve(1).items]
    monkeypatch.undo()
    later = [item.data for _ in range(3) for item in queue.reserve(1).items]
    assert first + later == expected[: 3 + len(first)]


def test_a_claim_in_doubt_that_took_no_effect_is_not_skipped(opened: Open, world: World) -> None:
    """Its items are still the head: the next reserve, within 50 ms of the look, gives them."""
    queue = opened()
    queue.put_many(NUMBERS)
    queue.reserve(1)
    registration = queue._consumer.membership._registration
    assert registration is not None

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(registration.ticket, "_send", interrupted)
        with pytest.raises(KeyboardInterrupt):
            queue.reserve(2)
    assert [item.data for item in queue.reserve(2).items] == NUMBERS[1:3]
