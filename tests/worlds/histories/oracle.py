"""An exhaustive judge of small histories: Wing and Gong's search, with Lowe's memory.

Slow, and simple enough to be believed: the checkers are compared with it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import msgspec
from msgspec.structs import replace

NEVER = 10**9

Line = tuple[tuple[int, str | int | None], ...]


class Op(msgspec.Struct, frozen=True, kw_only=True):
    """One call, or the end of a process's session (`f="crash"`), in the closed [begin, end].

    `value` is None for a reserve or take that found nothing, and for one whose outcome is unknown.
    A crash takes effect once within its interval; with `end=NEVER` perhaps not at all. With a
    zxid, calls take effect in the order of theirs; one that found nothing after all writes up to
    it, and before all others.
    """

    f: str
    process: int
    begin: int
    end: int
    value: int | None = None
    priority: int = 0
    outcome: Literal["ok", "fail", "info"] = "ok"
    zxid: int | None = None

    @property
    def place(self) -> tuple[int, bool] | None:
        """Where it is among the calls whose zxid is known; None if its own is not."""
        empty = self.f in ("reserve", "take") and self.value is None
        return None if self.zxid is None else (self.zxid, empty)

    @property
    def mandatory(self) -> bool:
        """Whether it certainly took effect."""
        return self.end < NEVER if self.f == "crash" else self.outcome == "ok"


class State(NamedTuple):
    """The queue: items in line with their holders, ended sessions."""

    line: Line = ()
    ended: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A correct queue: what comes back is where it was."""

    priorities: dict[int, int] = field(default_factory=dict)

    def head(self, state: State) -> int | None:
        """Return the item that is next, if one is available."""
        free = [value for value, holder in state.line if holder is None]
        return min(free, key=lambda v: self.priorities[v], default=None)

    def steps(self, state: State, op: Op) -> Iterator[State]:
        """Yield the states after `op` took effect; none where it cannot."""
        if op.process in state.ended and not _harmless(op):
            return
        match op.f:
            case "put":
                assert op.value is not None
                yield State(line=(*state.line, (op.value, None)), ended=state.ended)
            case "reserve" | "take":
                yield from self._reserve(state, op)
            case "done" | "release":
                yield from self._finish(state, op)
            case "crash":
                yield _crashed(state, op.process)

    def _reserve(self, state: State, op: Op) -> Iterator[State]:
        head = self.head(state)
        if op.outcome == "ok" and op.value != head:
            return
        if head is None:
            yield state
        elif op.f == "take":
            yield _without(state, head)
        else:
            yield _held(state, head, op.process)

    def _finish(self, state: State, op: Op) -> Iterator[State]:
        assert op.value is not None
        if dict(state.line).get(op.value, None) != op.process:
            return
        yield _without(state, op.value) if op.f == "done" else _held(state, op.value, None)


def _harmless(op: Op) -> bool:
    """Say whether a process can do this after its session's end: it changes nothing it owns."""
    empty = op.f in ("reserve", "take") and op.value is None and op.outcome == "ok"
    return op.f == "put" or empty


def _crashed(state: State, process: int) -> State:
    """Give back all that the process holds, at one moment."""
    line = tuple((value, None if holder == process else holder) for value, holder in state.line)
    return State(line=line, ended=state.ended | {process})


def _without(state: State, value: int) -> State:
    return state._replace(line=tuple(item for item in state.line if item[0] != value))


def _held(state: State, value: int, holder: int | None) -> State:
    line = tuple((v, holder if v == value else h) for v, h in state.line)
    return state._replace(line=line)


def legal(ops: Sequence[Op]) -> bool:
    """Say whether the calls can have taken effect in some order, each within its interval.

    A call of unknown outcome takes effect at any time after its invocation, or never; one that
    failed has none. Calls that share a zxid are one transaction, at one moment of all of them;
    between them, and between a write and who read its state, nothing else changes the queue.
    Exponential: for about fifteen calls.
    """
    calls = _narrowed([op for op in ops if op.outcome != "fail"])
    if any(op.begin > op.end for op in calls):
        return False
    # Sorted, so that of the calls not yet placed the first has to take effect the soonest, and the
    # last one pushed, so the first one tried, is the most urgent.
    calls.sort(key=_deadline)
    before = [_before(calls, op) for op in calls]
    model = Model(
        priorities={
            op.value: op.priority for op in calls if op.f == "put" and op.value is not None
        },
    )
    ends = [_deadline(op) for op in calls]
    wanted = sum(1 << i for i, op in enumerate(calls) if op.mandatory)
    pending: list[tuple[int, State, int, int]] = [(0, State(), -1, -1)]
    seen: set[tuple[int, State, int]] = set()
    while pending:
        placed, state, latest, closed = pending.pop()
        missing = wanted & ~placed
        if not missing:
            return True
        if (placed, state, closed) in seen:
            continue
        seen.add((placed, state, closed))
        deadline = ends[(missing & -missing).bit_length() - 1]
        for i in reversed(range(len(calls))):
            op = calls[i]
            if placed >> i & 1 or op.begin > deadline or ends[i] < latest:
                continue
            if placed & before[i] != before[i] or -1 < _zxid(op) <= closed:
                continue
            for after in model.steps(state, op):
                # What changes the queue has a zxid, if an unknown one: nothing shares those before.
                ends_all = op.zxid is None and after != state
                over = max(closed, _newest(calls, placed)) if ends_all else closed
                pending.append((placed | 1 << i, after, max(latest, op.begin), over))
    return False


def _deadline(op: Op) -> int:
    return op.end if op.mandatory else NEVER


def _zxid(op: Op) -> int:
    return -1 if op.zxid is None else op.zxid


def _newest(calls: Sequence[Op], placed: int) -> int:
    """Return the largest zxid among those that took effect; -1 without one."""
    return max((_zxid(op) for i, op in enumerate(calls) if placed >> i & 1), default=-1)


def _before(calls: Sequence[Op], op: Op) -> int:
    """Return the bits of the calls with a smaller zxid, which take effect before."""
    smaller = (
        1 << i
        for i, other in enumerate(calls)
        if op.place is not None and other.place is not None and other.place < op.place
    )
    return sum(smaller)


def _narrowed(calls: Sequence[Op]) -> list[Op]:
    """Return the calls, of which the writes of one zxid happen within what they have in common."""
    together: dict[tuple[int, bool], list[Op]] = {}
    for op in calls:
        if op.place is not None and not op.place[1]:
            together.setdefault(op.place, []).append(op)
    return [
        replace(op, begin=max(o.begin for o in same), end=min(o.end for o in same))
        for op in calls
        for same in [together.get(op.place, [op]) if op.place is not None else [op]]
    ]
