"""The reading side of a history: operations as numpy columns, notes as events.

`harness.history.record` is the recording side.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.common.harness_errors import HistoryError, ScenarioError
from harness.history import event_lines
from harness.history.pairing import Columns, Pairing, grouped
from harness.history.record import OPERATIONS, TRUNCATED, Event, Value

PUT, RESERVE, TAKE, DONE, RELEASE = range(5)
OK, FAIL, INFO = range(3)
NEVER_NS: Final = 2**62
OUTCOMES = ("ok", "fail", "info")
SCAN_FROM_BYTES = 4 << 20  # a shorter file is decoded before numba is imported

T = TypeVar("T")
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call on one item, from invocation to completion.

    The interval [invoke_ns, complete_ns] is closed: [10, 20] and [20, 30] are concurrent.
    `complete_ns` is None where the outcome is `info`: it may take effect at any later time.
    """

    index: int
    process: int | str
    f: str
    value: Value | None
    priority: int | None
    outcome: str
    invoke_ns: int
    complete_ns: int | None
    zxid: int | None

    def as_json(self) -> dict[str, Any]:
        """Return the row as it stands in a witness."""
        return {name: getattr(self, name) for name in _FIELDS}


_FIELDS = tuple(field.name for field in fields(Operation))


class History:
    """A run's operations, one row per item of each call, in order of invocation.

    Columns (int64 or smaller, all of one length):
        f, outcome     PUT..RELEASE and OK, FAIL, INFO
        value          place in `values`; -1 for none (nothing found, or unknown)
        priority       of the put; other rows -1
        process        place in `processes`
        invoke_ns, complete_ns    closed interval; complete_ns is NEVER_NS for INFO
        zxid, read_zxid           -1 where unknown
        n, window, delivery       0 where unknown
        to             place in `destinations`
        session        in `number_of_session`, as known at the answer; -1 where unknown
        call, part     number of the call, and place within its batch
        index          of the invoke line in history.jsonl (of the completion if that is missing)

    Attributes:
        values: item ids by number; `number_of` is the inverse.
        processes: process ids by number; `number_of_process` is the inverse.
        number_of_session: sessions' numbers by id.
        registrations: by process number, its sessions, consumers and producers, where recorded,
            in their order: one whose session ended between two calls has a new one in the next.
        sessions_of: by consumer, the numbers of the sessions in which it was seen.
        groups: by value's number, the group that it was put into, for those that have one.
        notes: all other events, in order.
        events: how many lines were events.
        gap_at: the number, from 1, of the first line whose index is not its place: lines before
            it are missing; None if there is none.
        malformed_lines: lines that were not events; `malformed_at` numbers them, from 1.
        truncated_lines: last lines that were cut short, as a killed process leaves them: of the
            workers' files, and of this one. They are no damage: what they told had not been sent.
        by_zxid: whether times are places on the axis of zxids; then a note that knows its zxid is
            where it happened, not where it was seen.
        unmatched: completions without an invocation, and invocations followed by another one of
            the same process; the first count as begun at 0, the second as unknown.
        overlapping: processes that have both, so that their calls may have overlapped: which
            answer was whose is not known.
    """

    def __init__(
        self,
        columns: Columns,
        pairing: Pairing,
        *,
        malformed_at: Sequence[int] = (),
        truncated_lines: int = 0,
        gap_at: int | None = None,
    ) -> None:
        self.f = columns["f"]
        self.outcome = columns["outcome"]
        self.value = columns["value"]
        self.priority = columns["priority"]
        self.process = columns["process"]
        self.invoke_ns = columns["invoke_ns"]
        self.complete_ns = np.where(self.outcome == INFO, NEVER_NS, columns["complete_ns"])
        self.zxid = columns["zxid"]
        self.read_zxid = columns["read_zxid"]
        self.n = columns["n"]
        self.window = columns["window"]
        self.delivery = columns["delivery"]
        self.to = columns["to"]
        self.session = columns["session"]
        self.call = columns["call"]
        self.part = columns["part"]
        self.index = columns["index"]
        self.values = list(pairing.values)
        self.number_of: Mapping[Value, int] = pairing.values
        self.processes = list(pairing.processes)
        self.number_of_process: Mapping[int | str, int] = pairing.processes
        self.registrations = pairing.registrations
        self.sessions_of = pairing.sessions_of
        self.destinations = list(pairing.destinations)
        self.number_of_session: Mapping[int | str, int] = pairing.sessions
        self.groups: Mapping[int, str | int] = pairing.groups
        self.notes = pairing.notes
        self.events = pairing.count
        self.gap_at = gap_at
        self.unmatched = pairing.unmatched
        self.overlapping = [self.processes[number] for number in pairing.overlapping]
        self.malformed_at = list(malformed_at)
        self.malformed_lines = len(self.malformed_at)
        merged = sum(note.f == TRUNCATED for note in pairing.notes)
        self.truncated_lines = truncated_lines + merged
        self.by_zxid = False
        self.memory: dict[Callable[..., Any], Any] = {}  # of `derived`

    def __len__(self) -> int:
        return len(self.f)

    @classmethod
    def from_events(cls, events: Iterable[Event | Mapping[str, Any]]) -> "History":
        """Build a history from events in order; `index` is their place, whatever they say."""
        pairing = Pairing()
        pairing.add([e if isinstance(e, Event) else msgspec.convert(e, Event) for e in events])
        return cls(pairing.columns(), pairing)

    @classmethod
    def load(cls, path: Path) -> "History":
        """Read a merged history.jsonl. O(n log n).

        Raises:
            HistoryError: the file cannot be read.
        """
        pairing, malformed, before, truncated = Pairing(), list[int](), 0, 0
        gap_at, long = None, False
        try:
            for chunk in event_lines.chunks(path):
                long = long or len(chunk) >= SCAN_FROM_BYTES
                if long and (calls := event_lines.calls(chunk)):
                    gap_at = gap_at or calls.gap(pairing.count)
                    pairing.add_calls(calls)
                    before += len(calls)
                    continue
                events, bad = event_lines.decode(chunk)
                if gap_at is None:
                    gap_at = event_lines.gap(events, pairing.count)
                pairing.add(events)
                if bad and not chunk.endswith(b"\n"):
                    truncated = 1
                else:
                    malformed += [before + place for place in bad]
                before += chunk.count(b"\n")
        except OSError as error:
            raise HistoryError(f"{path}: cannot be read: {error.strerror}") from error
        except ScenarioError as error:
            raise HistoryError(str(error)) from error
        columns = pairing.columns()
        return cls(
            columns, pairing, malformed_at=malformed, truncated_lines=truncated, gap_at=gap_at
        )

    def operation(self, row: int) -> Operation:
        """Return one row, for people."""
        value, complete_ns = int(self.value[row]), int(self.complete_ns[row])
        priority, zxid = int(self.priority[row]), int(self.zxid[row])
        return Operation(
            index=int(self.index[row]),
            process=self.processes[self.process[row]],
            f=OPERATIONS[self.f[row]],
            value=None if value < 0 else self.values[value],
            priority=None if priority < 0 else priority,
            outcome=OUTCOMES[self.outcome[row]],
            invoke_ns=int(self.invoke_ns[row]),
            complete_ns=None if complete_ns == NEVER_NS else complete_ns,
            zxid=None if zxid < 0 else zxid,
        )

    def notes_named(self, f: str) -> Iterator[Event]:
        """Yield the notes of one kind, in order."""
        return (note for note in self.notes if note.f == f)

    def last_by_node(self, f: str) -> list[Event]:
        """Return each server's last note of one kind, sorted by node; others are left out."""
        last = {
            note.value["node"]: note
            for note in self.notes_named(f)
            if isinstance(note.value, dict) and "node" in note.value
        }
        return [last[node] for node in sorted(last)]

    def is_(self, f: int, outcome: int) -> Mask:
        """Return the mask of the rows of one kind with one outcome."""
        mask: Mask = (self.f == f) & (self.outcome == outcome)
        return mask

    def is_one_of(self, *kinds: int) -> Mask:
        """Return the mask of the rows of some kinds."""
        mask: Mask = np.logical_or.reduce([self.f == kind for kind in kinds])
        return mask

    def got(self, outcome: int) -> Mask:
        """Return the mask of the reserves and takes with one outcome."""
        mask: Mask = _gets(self) & (self.outcome == outcome)
        return mask

    def __copy__(self) -> "History":
        """Return a history with the same columns, of which nothing was derived yet."""
        twin = object.__new__(History)
        twin.__dict__.update(self.__dict__, memory={})
        return twin


def derived(compute: Callable[[History], T]) -> Callable[[History], T]:
    """Remember `compute(history)` for as long as the history lives; `compute` must be pure."""

    @wraps(compute)
    def remembered(history: History) -> T:
        if compute not in history.memory:
            history.memory[compute] = compute(history)
        result: T = history.memory[compute]
        return result

    return remembered


@derived
def _gets(history: History) -> Mask:
    return history.is_one_of(RESERVE, TAKE)


@derived
def by_process(history: History) -> Ints:
    """Return the rows of each process together, in their order. O(n)."""
    return grouped(history.process)


@derived
def went_back(history: History) -> list[int | str]:
    """Return the processes whose own calls, one after the other, go back in time. O(n).

    A run's times are of one clock that never goes back, so a history was edited, or is of another
    clock: an interval says nothing then. A completion alone, which counts as begun at 0, is no sign
    of that.
    """
    rows = by_process(history)
    process, begin_ns, outcome = (
        column[rows] for column in (history.process, history.invoke_ns, history.outcome)
    )
    end_ns = np.where(outcome == INFO, begin_ns, history.complete_ns[rows])
    wrong = end_ns < begin_ns
    wrong[1:] |= (process[1:] == process[:-1]) & (begin_ns[1:] < end_ns[:-1]) & (begin_ns[1:] > 0)
    # The items of a batch are one call.
    wrong[1:] &= history.call[rows][1:] != history.call[rows][:-1]
    return [history.processes[number] for number in np.unique(process[wrong])]
