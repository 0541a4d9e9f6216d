"""From event lines to operation columns: numbering ids, pairing invokes, spreading batches."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from harness.history.event_lines import Calls
from harness.history.record import OPERATIONS, TYPES, Event

Columns: TypeAlias = dict[str, NDArray[Any]]
Places: TypeAlias = NDArray[np.int64]

DEFAULT_PRIORITY = 100
_NOTE = -1
_BATCH = -2
_NONE = -1
_F = {name: number for number, name in enumerate(OPERATIONS)}
_TYPES = {name: number for number, name in enumerate(TYPES)}
_INVOKE, _INFO = _TYPES["invoke"], _TYPES["info"]
_PUT = _F["put"]
_DTYPES = {
    "index": np.int64,
    "time_ns": np.int64,
    "process": np.int32,
    "type": np.int8,
    "f": np.int8,
    "value": np.int32,
    "priority": np.int32,
    "to": np.int32,
    "n": np.int32,
    "window": np.int32,
    "delivery": np.int32,
    "zxid": np.int64,
    "read_zxid": np.int64,
    "session": np.int32,
}
_ABSENT = {"to": 0, "n": 0, "window": 0, "delivery": 0}  # others: _NONE


class _Numbers(dict[Any, int]):
    """Number keys in order of their first look-up, until closed."""

    closed = False

    def __missing__(self, key: Any) -> int:
        if self.closed:
            raise KeyError(key)
        self[key] = number = len(self)
        return number


class Pairing:
    """Collect events chunk by chunk, then give the columns of `harness.history.columns.History`.

    About 1 us and 60 bytes an event. The state between chunks is numpy arrays, so that ten
    million operations fit in memory.
    """

    def __init__(self) -> None:
        self.values = _Numbers()
        self.processes = _Numbers()
        self.sessions = _Numbers({None: _NONE, UNSET: _NONE})
        self.destinations: dict[str, int] = _Numbers({"items": 0})
        self.registrations: dict[int, dict[str, list[Any]]] = {}
        self.sessions_of: dict[Any, set[int]] = {}
        self.groups: dict[int, str | int] = {}
        self.notes: list[Event] = []
        self.unmatched = 0
        self.overlapping: NDArray[Any] = np.zeros(0, np.int32)
        self.count = 0
        self._chunks: list[Columns] = []
        self._batches: dict[int, Event] = {}

    def add(self, events: Sequence[Event]) -> None:
        """Append events, in order; a note keeps its index."""
        operations, indices = [], []
        for index, event in enumerate(events, self.count):
            if event.f in _F:
                operations.append(event)
                indices.append(index)
            else:
                self._add_note(event, index)
        self.count += len(events)
        if operations:
            self._add_operations(operations, indices)

    def add_calls(self, calls: Calls) -> None:
        """Append a chunk that was read as columns; the same as `add` of its events."""
        for place, note in calls.notes.items():
            self._add_note(note, self.count + place)
        tables: dict[str, dict[Any, int]] = {
            "process": self.processes,
            "type": _TYPES,
            "f": _F,
            "value": self.values,
            "to": self.destinations,
            "session": self.sessions,
        }
        scan = calls.scan
        numbers = np.full(sum(map(len, scan.words.values())) + 1, _NONE)  # by word; then ABSENT
        for name, table in tables.items():
            numbers[scan.places[name]] = _numbered(table, scan.words[name])
        places = np.delete(np.arange(len(calls)), list(calls.notes))
        chunk: Columns = {"index": self.count + places}
        for name in [name for name in _DTYPES if name not in chunk]:
            column = scan.columns[name]
            if calls.notes:
                column = column[places]
            if name in tables:
                column = numbers[column]
            chunk[name] = np.maximum(column, _ABSENT.get(name, _NONE)).astype(_DTYPES[name])
        self.count += len(calls)
        if len(places):
            self._register(lambda place: calls.call(int(places[place])), chunk)
            self._chunks.append(chunk)

    def _add_note(self, note: Event, index: int) -> None:
        note.index = index
        self.notes.append(note)

    def columns(self) -> Columns:
        """Pair invocations with completions; one row per item, in order of invocation."""
        invoke, complete = self._pair()
        first = np.where(invoke >= 0, invoke, complete)
        last = np.where(complete >= 0, complete, invoke)
        rows: Columns = {name: self._column(name)[first] for name in ("f", "process", "n")}
        answers = ("zxid", "read_zxid", "window", "delivery", "session")
        rows |= {name: self._column(name)[last] for name in answers}
        for name in ("to", "value", "priority"):
            column = self._column(name)
            asked, said = column[first], column[last]
            rows[name] = np.where(said == _ABSENT.get(name, _NONE), asked, said)
        column = self._column("time_ns")
        rows["invoke_ns"] = np.where(invoke >= 0, column[first], 0)
        rows["complete_ns"] = column[last]
        kinds = self._column("type")[last]
        rows["outcome"] = np.where(complete >= 0, kinds, _INFO).astype(np.int8)
        column = self._column("index")
        rows["index"] = column[first]
        rows = self._spread(rows, rows["index"], column[last])
        self.values.closed = self.processes.closed = True
        put, missing = rows["f"] == _PUT, rows["priority"] < 0
        rows["priority"] = np.where(
            put, np.where(missing, DEFAULT_PRIORITY, rows["priority"]), _NONE
        )
        return rows

    def _column(self, name: str) -> NDArray[Any]:
        """Return a column of all events; one at a time, as it takes as much memory as they do."""
        return np.concatenate(
            [np.zeros(0, _DTYPES[name]), *(chunk[name] for chunk in self._chunks)]
        )

    def _add_operations(self, events: list[Event], indices: list[int]) -> None:
        values = [self._number(event, index) for event, index in zip(events, indices, strict=True)]
        for event in events:
            if event.group is not UNSET:
                self._note_group(event)
        to = [0 if e.to is UNSET else self.destinations[e.to] for e in events]
        given = {
            "index": indices,
            "time_ns": [e.time_ns for e in events],
            "process": [self.processes[e.process] for e in events],
            "type": [_TYPES[e.type] for e in events],
            "f": [_F[e.f] for e in events],
            "value": values,
            "to": to,
            "session": [self.sessions[e.session] for e in events],
        }
        for name in ("priority", "n", "window", "delivery", "zxid", "read_zxid"):
            given[name] = _filled([getattr(event, name) for event in events], name)
        chunk = {name: np.array(column, _DTYPES[name]) for name, column in given.items()}
        self._register(events.__getitem__, chunk)
        self._chunks.append(chunk)

    def _number(self, event: Event, index: int) -> int:
        value = event.value
        if value is None:
            return _NONE
        if isinstance(value, list):
            self._batches[index] = event
            return _BATCH
        return self.values[value]

    def _note_group(self, event: Event) -> None:
        group, given = event.group, event.value
        if event.f == "put" and given is not None and isinstance(group, str | int):
            for value in given if isinstance(given, list) else [given]:
                self.groups[self.values[value]] = group

    def _register(self, event: Callable[[int], Event], chunk: Columns) -> None:
        """Note which sessions, consumers and producers each process is, from its events.

        From the first of each kind and type in each session: a client may know its registration
        only at the answer, and one whose session ended between two calls may register again.
        """
        process = chunk["process"]
        kinds = (process.astype(np.int64) * len(_F) + chunk["f"]) * len(_TYPES) + chunk["type"]
        kinds = kinds * (len(self.sessions) + 1) + chunk["session"] + 1
        order = grouped(kinds)
        new = np.append([True], kinds[order][1:] != kinds[order][:-1])
        for place in np.sort(order[new]).tolist():
            known = self.registrations.setdefault(int(process[place]), {})
            first = event(place)
            for kind in ("session", "consumer", "producer"):
                name = getattr(first, kind)
                if name is not UNSET and name is not None and name not in known.get(kind, ()):
                    known.setdefault(kind, []).append(name)
            if first.consumer is not UNSET and first.consumer is not None:
                self.sessions_of.setdefault(first.consumer, set()).add(int(chunk["session"][place]))

    def _pair(self) -> tuple[Places, Places]:
        """Return the places of invoke and completion of each operation, -1 for a missing one."""
        process = self._column("process")
        order = grouped(process)
        process, f = process[order], self._column("f")[order]
        invokes = self._column("type")[order] == _INVOKE
        more = np.append(process[1:] == process[:-1], [False])[: len(order)]
        answered = (
            invokes & more & np.append(~invokes[1:] & (f[1:] == f[:-1]), [False])[: len(order)]
        )
        orphan = ~invokes & ~np.append([False], answered[:-1])[: len(order)]
        unanswered = invokes & ~answered & more
        self.unmatched = int(orphan.sum() + unanswered.sum())
        self.overlapping = np.intersect1d(process[orphan], process[unanswered])
        heads = np.flatnonzero(invokes | orphan)
        following = order[np.minimum(heads + 1, len(order) - 1)]
        invoke = np.where(invokes[heads], order[heads], -1)
        alone = np.where(orphan[heads], order[heads], -1)
        complete = np.where(answered[heads], following, alone)
        by_place = np.full(len(order), -1, np.int64)
        by_place[np.where(invoke >= 0, invoke, complete)] = np.arange(len(heads))
        by_place = by_place[by_place >= 0]
        return invoke[by_place], complete[by_place]

    def _spread(self, rows: Columns, first_index: Places, last_index: Places) -> Columns:
        """Turn each batch into one row per item; a batch of none is an empty result."""
        batches = {
            int(row): self._batches.get(int(last_index[row]))
            or self._batches[int(first_index[row])]
            for row in np.flatnonzero(rows["value"] == _BATCH)
        }
        if not batches:
            single = np.arange(len(rows["f"]))
            return rows | {"call": single, "part": np.zeros(len(single), np.int64)}
        counts = np.ones(len(rows["f"]), np.int64)
        for row, event in batches.items():
            counts[row] = max(1, len(event.value))
        starts = np.cumsum(counts) - counts
        spread = {name: np.repeat(column, counts) for name, column in rows.items()}
        spread["call"] = np.repeat(np.arange(len(counts)), counts)
        spread["part"] = np.arange(len(spread["call"])) - np.repeat(starts, counts)
        for row, event in batches.items():
            self._fill(spread, int(starts[row]), event)
        return spread

    def _fill(self, spread: Columns, start: int, event: Event) -> None:
        """Write a batch's values, priorities and deliveries into its rows."""
        if not event.value:
            spread["value"][start] = _NONE
            return
        span = slice(start, start + len(event.value))
        spread["value"][span] = [self.values[value] for value in event.value]
        for name in ("priority", "delivery"):
            given = getattr(event, name)
            if isinstance(given, list):
                spread[name][span] = given


def grouped(numbers: NDArray[Any]) -> Places:
    """Return the places of equal numbers together, each group in order. O(n) for small numbers."""
    return np.argsort(small(numbers), kind="stable")


def small(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return numbers, none negative, in the smallest type: those of 16 bits are sorted by radix."""
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))


def _numbered(table: dict[Any, int], keys: list[Any]) -> Places:
    """Return the numbers of distinct keys; new ones are numbered in their order."""
    new = [key for key in keys if key not in table]
    table.update(zip(new, range(len(table), len(table) + len(new)), strict=True))
    return np.fromiter(map(table.__getitem__, keys), np.int64, len(keys))


def _filled(given: list[Any], name: str) -> list[int]:
    """Put the column's default for absent and null; a batch's list is written by `_fill`."""
    missing = _ABSENT.get(name, _NONE)
    return [value if type(value) is int else missing for value in given]
