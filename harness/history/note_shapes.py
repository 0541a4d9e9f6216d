"""Shapes of the notes of a history, so that readers can rely on the keys they look for.

A history may have been cut, damaged or edited by hand. The reading side compares each note with
its shape, once; one that does not fit is a malformed line, like a line that is no event at all.
Keys that a shape does not know are left as they are.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from harness.history.record import (
    ENDED,
    OPERATIONS,
    PHASE,
    RECOVERED,
    TRUNCATED,
    WALL_CLOCK,
    Event,
    Ns,
    Number,
    Value,
    Zxid,
)

Name = int | str | None
Values = list[Value]
NEMESIS: Final = "nemesis"


class _Evidence(msgspec.Struct):
    took_ms: int | float = 0
    why: str | None = None
    error: str | None = None
    before: dict[str, str] = {}


class _Injection(msgspec.Struct):
    """One injection, or its heal: all that the nemesis notes."""

    id: Number
    name: str
    phase: Literal["inject", "heal"]
    target: str | dict[str, Number] | list[str | dict[str, Number]] | None
    nodes: list[Number]
    outcome: str
    evidence: _Evidence


class _SessionEnd(msgspec.Struct):
    session: Name = None
    consumer: Name = None
    why: str = ""
    alive_until_ns: Ns = 0
    zxid: Zxid | None = None


class _Items(msgspec.Struct):
    consumer: Name = None
    session: Name = None
    values: Values = []
    to: str = "items"
    zxid: Zxid | None = None
    dead: bool = False


class _Tree(msgspec.Struct):
    node: Number
    reachable: bool
    when: str | None = None
    error: str | None = None
    zxid: Zxid | None = None
    digest: str | None = None
    settled: bool | None = None
    places: dict[str, Values] | None = None
    consumers: list[str] = []
    guessed: bool = False

    def __post_init__(self) -> None:
        if self.reachable and None in (self.digest, self.places):
            raise ValueError("expected digest and places of a tree that was read")


class _Trace(msgspec.Struct):
    pattern: str
    frames: list[str]
    count: Number
    release: str | None


class _ServerLog(msgspec.Struct):
    node: Number
    patterns: dict[str, Number]
    samples: list[str]
    digest_mismatches: Number | None = None
    traces: list[_Trace] = []
    cut: bool = False


class _SessionsEnded(msgspec.Struct):
    node: Number
    zxids: dict[str, Zxid]
    error: str | None


class _Recovered(msgspec.Struct):
    took_s: Annotated[float, Meta(ge=0)] | None
    lost: list[Number]
    why: str | None = None


class _Drain(msgspec.Struct):
    phase: str
    complete: bool | None = None


class _Phase(msgspec.Struct):
    number: Number
    event: str


class _Truncated(msgspec.Struct):
    file: str
    bytes: Number


_SHAPES: Final[Mapping[str, Any]] = {
    "session-end": _SessionEnd,
    "returned": _Items,
    "hold-lost": _Items,
    "tree": _Tree,
    "server-log": _ServerLog,
    "sessions-ended": _SessionsEnded,
    "status": dict[str, str],
    "bind": dict[str, Number],
    "drain": _Drain,
    PHASE: _Phase,
    RECOVERED: _Recovered,
    WALL_CLOCK: dict[str, str],
    ENDED: dict[str, Any],
    TRUNCATED: _Truncated,
}
_OTHER: Final[Any] = dict[str, Any]
BY_SUBJECTS: Final = frozenset({"session-end", "returned", "hold-lost"})
BY_HARNESS: Final = frozenset({*_SHAPES, *OPERATIONS}) - BY_SUBJECTS
"""What no subject may write: the record of a run's course, and of calls."""


def fits(note: Event) -> bool:
    """Tell whether a note is what its readers expect of one of its kind."""
    by_nemesis = note.process == NEMESIS
    if by_nemesis and note.f in _SHAPES:  # a fault, which a reader would take for a tree
        return False
    shape = _Injection if by_nemesis else _SHAPES.get(note.f, _OTHER)
    try:
        msgspec.convert(note.value, shape)
    except msgspec.ValidationError:
        return False
    return note.type == "info"
