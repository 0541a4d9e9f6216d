"""The mutations that the rates in docs/oracle.md refer to; changed only with docs/adr/0002."""

from collections.abc import Callable, Sequence
from random import Random

from msgspec.structs import replace

from worlds.histories.oracle import NEVER, Op
from worlds.histories.random import sequential

MUTATED = 0.75
_TRIES = 20


def mutate(rng: Random, ops: Sequence[Op]) -> list[Op]:
    """Change one to three things in three quarters of the runs; most such runs become illegal."""
    changed = list(ops)
    if rng.random() >= MUTATED or not changed:
        return changed
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        changed = _once(rng, changed)
    return changed


def _once(rng: Random, ops: list[Op]) -> list[Op]:
    for _ in range(_TRIES):
        after = rng.choice(_MUTATIONS)(rng, ops)
        if after is not None and sequential(after):
            return after
    return ops


def _taken(ops: Sequence[Op]) -> list[int]:
    return [i for i, op in enumerate(ops) if op.f in ("reserve", "take") and op.outcome == "ok"]


def _swap_deliveries(rng: Random, ops: list[Op]) -> list[Op] | None:
    """Two calls get each other's answers."""
    places = _taken(ops)
    if len(places) < 2:
        return None
    i, j = rng.sample(places, 2)
    after = list(ops)
    after[i], after[j] = replace(ops[i], value=ops[j].value), replace(ops[j], value=ops[i].value)
    return after


def _other_delivery(rng: Random, ops: list[Op]) -> list[Op] | None:
    """A call delivers another item, perhaps one never put, or nothing."""
    places = _taken(ops)
    if not places:
        return None
    values = [op.value for op in ops if op.f == "put"]
    value = rng.choice([*values, *values, None, None, 99])
    return _changed(ops, rng.choice(places), value=value)


def _drop(rng: Random, ops: list[Op]) -> list[Op] | None:
    """A call is missing."""
    if len(ops) < 2:
        return None
    i = rng.randrange(len(ops))
    return ops[:i] + ops[i + 1 :]


def _move(rng: Random, ops: list[Op]) -> list[Op] | None:
    """A call is earlier, later, shorter or longer."""
    if not ops:
        return None
    i = rng.randrange(len(ops))
    op = ops[i]
    begin = max(0, op.begin + rng.randrange(-4, 5))
    end = op.end if op.end == NEVER else max(begin, op.end + rng.randrange(-4, 5))
    return _changed(ops, i, begin=begin, end=end)


def _shift(rng: Random, ops: list[Op]) -> list[Op] | None:
    """A call is earlier or later as a whole."""
    if not ops:
        return None
    i = rng.randrange(len(ops))
    by = max(-ops[i].begin, rng.choice((-5, -3, -2, -1, 1, 2, 3, 5)))
    end = ops[i].end if ops[i].end == NEVER else ops[i].end + by
    return _changed(ops, i, begin=ops[i].begin + by, end=end)


def _outcome(rng: Random, ops: list[Op]) -> list[Op] | None:
    """A call that failed succeeded, or the other way round."""
    places = [i for i, op in enumerate(ops) if op.f != "crash" and op.outcome != "info"]
    if not places:
        return None
    i = rng.choice(places)
    return _changed(ops, i, outcome="fail" if ops[i].outcome == "ok" else "ok")


def _process(rng: Random, ops: list[Op]) -> list[Op] | None:
    """A call is another process's."""
    places = [i for i, op in enumerate(ops) if op.f not in ("put", "crash")]
    others = sorted({ops[i].process for i in places})
    return _changed(ops, rng.choice(places), process=rng.choice(others)) if places else None


def _priority(rng: Random, ops: list[Op]) -> list[Op] | None:
    """A put has another priority."""
    places = [i for i, op in enumerate(ops) if op.f == "put"]
    if not places or max(ops[i].priority for i in places) == 0:
        return None
    return _changed(ops, rng.choice(places), priority=rng.randrange(3))


def _repeat(rng: Random, ops: list[Op]) -> list[Op] | None:
    """A delivery happens again, to somebody new."""
    places = [i for i in _taken(ops) if ops[i].value is not None]
    if not places:
        return None
    op = ops[rng.choice(places)]
    begin = max(0, op.begin + rng.randrange(-2, 6))
    fresh = 1 + max(other.process for other in ops)
    zxid = None if op.zxid is None else op.zxid + rng.randrange(0, 6)
    again = replace(op, process=fresh, begin=begin, end=begin + rng.randrange(3), zxid=zxid)
    return [*ops, again]


def _swap_zxids(rng: Random, ops: list[Op]) -> list[Op] | None:
    """Two calls took effect in the other order."""
    places = [i for i, op in enumerate(ops) if op.zxid is not None]
    if len(places) < 2:
        return None
    i, j = rng.sample(places, 2)
    after = list(ops)
    after[i], after[j] = replace(ops[i], zxid=ops[j].zxid), replace(ops[j], zxid=ops[i].zxid)
    return after


def _changed(ops: list[Op], place: int, **changes: object) -> list[Op]:
    after = list(ops)
    after[place] = replace(ops[place], **changes)  # type: ignore[arg-type]
    return after


_MUTATIONS: tuple[Callable[[Random, list[Op]], list[Op] | None], ...] = (
    _swap_deliveries,
    _swap_deliveries,
    _other_delivery,
    _drop,
    _move,
    _shift,
    _outcome,
    _process,
    _priority,
    _repeat,
    _swap_zxids,
)
