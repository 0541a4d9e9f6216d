"""Session ends, returned items, trees at the end and drains, read from a history's notes."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.history.columns import DONE, NEVER_NS, OK, TAKE, History, Ints, Mask, derived
from harness.history.note_shapes import NEMESIS
from harness.history.record import Event, same_worker

Tree = Mapping[str, Any]
PLACES = ("items", "claims", "partial", "dead", "delayed", "purged")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """When each process ended.

    Attributes:
        alive_ns: last moment at which its session was surely alive; NEVER_NS without a record.
        gone_ns: moment from which its session was surely gone; NEVER_NS if not known.
        closed: the client closed it, so it held nothing that was not recorded.
        killed: the client was killed, perhaps during a call.
        recovered_ns: moment from which all it held was surely back in its place, and nothing of
            it can take effect: the last `returned` note about its last registration after its
            end, if it says items (it may list none); NEVER_NS if there is none.
        zxid: of the end of its session; -1 if not known.
    """

    alive_ns: Ints
    gone_ns: Ints
    closed: Mask
    killed: Mask
    recovered_ns: Ints
    zxid: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """Items that were returned, or lost to their holder: a row per item and note."""

    value: Ints
    process: Ints
    time_ns: Ints
    zxid: Ints
    to: tuple[str, ...]
    consumer: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainOutcome:
    """The last drain of a run: its interval, and whether it left nothing.

    Attributes:
        end_ns: None if it never ended.
        complete: whether it says that it left nothing.
        why: why it gave up, if it says so.
    """

    begin_ns: int
    end_ns: int | None = None
    complete: bool = False
    why: str = ""


@derived
def ends(history: History) -> Ends:
    """Return the `session-end` notes by process number. O(processes + notes)."""
    size = len(history.processes)
    alive, gone = np.full(size, NEVER_NS, np.int64), np.full(size, NEVER_NS, np.int64)
    zxid = np.full(size, -1, np.int64)
    closed, killed = np.zeros((2, size), np.bool_)
    for note in history.notes_named("session-end"):
        value = object_of(note)
        writer = history.number_of_process.get(note.process, -1)
        for process in _of_writer(history, writer, _holders(history, value)):
            alive[process] = min(alive[process], value.get("alive_until_ns", 0))
            zxid[process] = value.get("zxid") or -1
            closed[process] = value.get("why") == "closed"
            killed[process] = value.get("why") == "killed"
            if value.get("why") == "expired":
                gone[process] = min(gone[process], note.time_ns)
    return Ends(
        alive_ns=alive,
        gone_ns=gone,
        closed=closed,
        killed=killed,
        recovered_ns=_recovered(history, alive),
        zxid=zxid,
    )


@derived
def returns(history: History) -> Returns:
    """Return the `returned` notes, by item."""
    return _per_item(history, "returned")


@derived
def reaped_ns(history: History) -> Ints:
    """Return, by process, from when on its last registration is dead, as who returned items says.

    NEVER_NS if nobody does. A queue that takes items back from the living, once their time is
    over, says nothing of death.
    """
    found = np.full(len(history.processes), NEVER_NS, np.int64)
    for note in history.notes_named("returned"):
        value = object_of(note)
        for process in _holders(history, value) if value.get("dead") is True else ():
            if _is_latest(history, process, value.get("consumer")):
                found[process] = min(found[process], note.time_ns)
    return found


@derived
def losses(history: History) -> Returns:
    """Return the `hold-lost` notes, by item."""
    return _per_item(history, "hold-lost")


@derived
def end_trees(history: History) -> tuple[Tree, ...]:
    """Return the trees of the servers that could be read after the last drain, by node."""
    drain = last_drain(history)
    last: dict[Any, Tree] = {}
    for note in history.notes_named("tree"):
        value = object_of(note)
        if drain is not None and drain.end_ns is not None and note.time_ns >= drain.end_ns:
            last[value.get("node")] = value
    return tuple(last[node] for node in sorted(last) if last[node].get("reachable", True))


@derived
def still_there(history: History) -> tuple[Ints, Ints]:
    """Return acknowledgements and takes of items that every server read afterwards still has.

    Rows of calls that were over before the first of the trees was read: first those of items, then
    those of which something else may stand there, since the places in the trees are guesses. Trees
    of an earlier release do not tell; then a call that knows its zxid is of a queue that does.
    """
    read = [n for n in history.last_by_node("tree") if object_of(n).get("reachable") is True]
    none = np.zeros(0, np.int64)
    if not read:
        return none, none
    trees = [object_of(note) for note in read]
    left = set.intersection(*({*_in_places(tree)} for tree in trees))
    numbers = [history.number_of[value] for value in left if value in history.number_of]
    over = (history.is_(DONE, OK) | history.is_(TAKE, OK)) & np.isin(history.value, numbers)
    over &= history.complete_ns < min(note.time_ns for note in read)
    guessed = {tree.get("guessed") for tree in trees}
    sure = over & (True not in guessed) & ((guessed == {False}) | (history.zxid >= 0))
    return np.flatnonzero(sure), np.flatnonzero(over & ~sure)


def _in_places(tree: Tree) -> Iterator[Any]:
    for place in PLACES:
        yield from tree.get("places", {}).get(place, ())


@derived
def stands(history: History) -> dict[int, dict[str, list[Any]]]:
    """Return, by number of a value, the places it has in the trees at the end: nodes by place."""
    found: dict[int, dict[str, list[Any]]] = {}
    for tree in end_trees(history):
        for place in PLACES:
            for value in tree.get("places", {}).get(place, ()):
                if (number := history.number_of.get(value)) is not None:
                    found.setdefault(number, {}).setdefault(place, []).append(tree["node"])
    return found


def put_aside(history: History, places: Collection[str]) -> frozenset[int]:
    """Return the values that each server read at the end has in one of these places.

    An item that only some servers have is not put aside: another server may lead next.
    """
    every = {tree["node"] for tree in end_trees(history)}
    return frozenset(
        number
        for number, found in stands(history).items()
        if every <= {node for place in places for node in found.get(place, ())}
    )


@derived
def last_drain(history: History) -> DrainOutcome | None:
    """Return the last drain that began; None if none did."""
    drain = None
    for note in history.notes_named("drain"):
        value = object_of(note)
        if value.get("phase") == "begin":
            drain = DrainOutcome(begin_ns=note.time_ns)
        elif drain is not None:
            drain = DrainOutcome(
                begin_ns=drain.begin_ns,
                end_ns=note.time_ns,
                complete=value.get("complete") is True,
                why=str(value.get("why") or ""),
            )
    return drain


def object_of(note: Event) -> dict[str, Any]:
    """Return a note's value; an empty object for a value of another shape."""
    return note.value if isinstance(note.value, dict) else {}


def of_nemesis(history: History) -> Iterator[dict[str, Any]]:
    """Yield what the nemesis told of each injection and heal, in order."""
    return (object_of(note) for note in history.notes if note.process == NEMESIS)


def _recovered(history: History, alive_ns: Ints) -> Ints:
    last = np.full(len(alive_ns), -1, np.int64)
    for note in history.notes_named("returned"):
        value = object_of(note)
        for process in _holders(history, value) if value.get("to", "items") == "items" else ():
            if _is_latest(history, process, value.get("consumer")):
                last[process] = max(last[process], note.time_ns)
    return np.where(last >= alive_ns, last, NEVER_NS)


def _is_latest(history: History, process: int, consumer: Any) -> bool:
    """Tell whether a process of `_holders` ended with this registration, as far as is known."""
    known = history.registrations[process].get("consumer", ())
    return consumer is None or not known or known[-1] == consumer


@derived
def _by_registration(history: History) -> dict[tuple[str, Any], list[int]]:
    table: dict[tuple[str, Any], list[int]] = {}
    for process, known in sorted(history.registrations.items()):
        for kind, names in known.items():
            for name in names:
                table.setdefault((kind, name), []).append(process)
    return table


def _holders(history: History, value: Mapping[str, Any]) -> list[int]:
    """Return the processes of the consumer that a note names; else those of its session."""
    table = _by_registration(history)
    for kind in ("consumer", "session"):
        if value.get(kind) is not None and (kind, value[kind]) in table:
            return table[kind, value[kind]]
    return []


def _of_writer(history: History, writer: int, holders: list[int]) -> list[int]:
    """Return whose end a process told: of those with its names, its own worker's.

    A subject may give all its clients one name, and then the end of one is not that of the others.
    """
    if writer not in holders:
        return holders or ([writer] if writer >= 0 else [])
    names = history.processes
    return [one for one in holders if same_worker(names[one], names[writer])]


def _per_item(history: History, f: str) -> Returns:
    rows, to, consumer = [], [], []
    for note in history.notes_named(f):
        value = object_of(note)
        numbers = [history.number_of.get(item, -1) for item in value.get("values", ())]
        for process in _holders(history, value):
            for number in numbers:
                if number >= 0:
                    rows.append((number, process, note.time_ns, value.get("zxid") or -1))
                    to.append(str(value.get("to", "items")))
                    consumer.append(value.get("consumer"))
    columns = np.array(rows, np.int64).reshape(-1, 4).T
    return Returns(
        value=columns[0],
        process=columns[1],
        time_ns=columns[2],
        zxid=columns[3],
        to=tuple(to),
        consumer=tuple(consumer),
    )
