"""A client whose calls a signal's handler ends anywhere knows of every item what became of it."""

from collections.abc import Callable, Sequence
from unittest import mock

import pytest

from worlds.interrupted_client import interrupted_client
from zkmq.doubt import Write
from zkmq.taking.held_items import ArrivedItems
from zkmq.tree.item import Item
from zkmq.tree.ticket import Ticket
from zkmq.zookeeper.store import Op, Pending

SEEDS = 60


def found(seeds: int) -> dict[int, list[str]]:
    """What is wrong, by seed."""
    return {seed: wrong for seed in range(seeds) if (wrong := interrupted_client(seed))}


def test_nothing_is_lost_and_nothing_is_there_twice() -> None:
    """Whatever ends the calls, and whatever the network loses."""
    assert found(SEEDS) == {}


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_many_clients(part: int) -> None:
    """The same for a thousand."""
    seeds = range(1000 + 250 * part, 1250 + 250 * part)
    assert {seed: wrong for seed in seeds if (wrong := interrupted_client(seed))} == {}


def _sends_first(self: Ticket, write: Write, ops: Sequence[Op]) -> Pending:
    """A write that is in doubt only once it was sent."""
    version, doubts, _ = self._at
    pending = self._store.submit(self._multi(write.label, ops, version + len(doubts)))
    self._at = self._at._replace(doubts=(*doubts, write))
    return pending


def _forgets(self: ArrivedItems, items: Sequence[Item]) -> None:
    """Items that a signal's handler kept from the caller are not kept for the next reserve."""


@pytest.mark.parametrize(
    ("owner", "name", "mutant"),
    [(Ticket, "submit", _sends_first), (ArrivedItems, "add", _forgets)],
)
def test_a_client_that_forgets_is_found(
    owner: type, name: str, mutant: Callable[..., object]
) -> None:
    """Controls, found within as many seeds."""
    with mock.patch.object(owner, name, mutant):
        assert any(interrupted_client(seed) for seed in range(10 * SEEDS))
