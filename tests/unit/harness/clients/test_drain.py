"""The end of every run: a drain that leaves nothing, and that ends when nobody answers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.workloads import drain
from harness.workloads.drain import Drain

REPLY_S = 0.1


@dataclass(slots=True)
class FakeClient:
    """A client of a queue whose answers are written down; each takes a tenth of a second.

    Attributes:
        finds: what the reserves find, one after the other: a number of items, or None for a call
            that failed; nothing at the end.
        held: what the looks at what is held say; nothing at the end.
    """

    finds: Iterator[int | None]
    held: Iterator[int | None]
    found_empty: bool = False
    now: float = 0.0
    calls: list[str] = field(default_factory=list)
    notes: list[Mapping[str, Any]] = field(default_factory=list)

    def reserve(self, n: int, *, sync: bool) -> list[int]:
        found = next(self.finds, 0)
        self.called("reserve")
        self.found_empty = found == 0
        return list(range(found or 0))

    def done(self, items: list[int]) -> bool:
        self.called("done")
        return bool(items)

    def leftover(self) -> int | None:
        self.called("leftover")
        return next(self.held, 0)

    def note(self, f: str, value: Mapping[str, Any]) -> None:
        assert f == drain.NAME
        self.notes.append(value)

    def pace(self, rate_hz: float, step: int, began_s: float) -> None:
        self.now = began_s + step / rate_hz

    def now_s(self) -> float:
        return self.now

    def called(self, what: str) -> None:
        self.calls.append(what)
        self.now += REPLY_S


def drained(
    finds: tuple[int | None, ...], held: tuple[int | None, ...], limit_s: float = 9.0
) -> FakeClient:
    """Return a client after its drain."""
    client = FakeClient(iter(finds), iter(held))
    Drain(limit_s=limit_s).run(client, 0)  # type: ignore[arg-type]  # it has what a drain calls
    return client


@pytest.mark.parametrize(
    ("finds", "held"),
    [
        pytest.param((3,), (), id="all-at-once"),
        pytest.param((0, 2), (1,), id="an-item-comes-back-after-a-while"),
        pytest.param((0, 1), (0,), id="an-item-comes-back-between-the-two-looks"),
        pytest.param((None, 2), (), id="a-call-fails"),
        pytest.param((0, 0, 2), (None,), id="a-look-fails"),
    ],
)
def test_a_drain_is_complete_once_nobody_held_an_item_and_then_none_was_found(
    finds: tuple[int | None, ...], held: tuple[int | None, ...]
) -> None:
    """The other way round, an item that comes back in between would be left."""
    client = drained(finds, held)
    assert client.notes[-1] == {"phase": "end", "complete": True}
    assert client.calls[-2:] == ["leftover", "reserve"]
    assert next(client.finds, None) is None


@pytest.mark.parametrize(
    ("finds", "held"),
    [
        pytest.param((), (1,) * 99, id="a-dead-consumer-keeps-its-item"),
        pytest.param((None,) * 99, (), id="no-reserve-is-answered"),
        pytest.param((), (None,) * 99, id="no-look-is-answered"),
    ],
)
def test_a_drain_gives_up_at_its_limit(
    finds: tuple[int | None, ...], held: tuple[int | None, ...]
) -> None:
    """What does not come to its end in time says so."""
    client = drained(finds, held, limit_s=5.0)
    told = {"phase": "end", "complete": False, "why": "its 5 s were over"}
    assert client.notes == [{"phase": "begin"}, told]
    assert client.now < 6.0
