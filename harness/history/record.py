"""The recording side of a history: event lines, the workers' append-only writer, and the merge.

It needs no numpy, so that worker processes start quickly.
`harness.history.columns` is the reading side.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from harness.common import files

OPERATIONS = ("put", "reserve", "take", "done", "release")
TYPES = ("ok", "fail", "info", "invoke")
TRUNCATED = "truncated-line"
# Notes of the harness on the course of a run.
PHASE = "phase"
WALL_CLOCK = "wall-clock"  # the date at its time, so that logs find their place in the run
RECOVERED = "recovered"
ENDED = "run-ended"

# Bounds that the arithmetic on columns of 64 bits needs, far beyond any run.
Ns = Annotated[int, Meta(ge=0, le=2**61)]
Zxid = Annotated[int, Meta(ge=-1, le=2**61)]
Number = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Value: TypeAlias = Whole | str
if TYPE_CHECKING:
    Given = Any  # which of them it is depends on `f`; `note_shapes` and `history` see to that
else:
    Given = Value | list[Value] | dict[str, Any] | None


class Event(msgspec.Struct, kw_only=True, gc=False):
    """One line of history.jsonl.

    Attributes:
        index: place in the merged history; absent in a worker's own file.
        time_ns: since the run's start, CLOCK_MONOTONIC; an invoke is stamped before the request
            is sent, a completion after the reply.
        process: one client with one session; "nemesis" and "harness" write `info` only.
        type: `fail` certainly did not happen, `info` is unknown (or a note, for other `f`).
        f: put, reserve, take, done, release, or the name of a note ("session-end", "kill", ...).
        value: the item's id; a list for a batch; null for a reserve that found nothing; an
            object for a note.
        priority: of a put; a list beside a batch. Smaller is served first.
        group: of a put, the group of its items, of which consumers hold one at a time.
        n: how many items a reserve or take can have got. Where it is absent, the largest batch of
            the history counts.
        to: where a release sends the item: items (the default), back, delayed, dead.
        delivery: how many times the item has been delivered, this one included.
        window: the W of a relaxed claim: at most W-1 available items are overtaken.
        zxid: where the operation took effect, if known exactly.
        read_zxid: of the last listing of a reserve that found nothing.
        attempts: how often the library sent it, where more than once.
        error: what was raised, for people.
    """

    index: int | UnsetType = UNSET
    time_ns: Ns
    process: Value
    type: Literal["invoke", "ok", "fail", "info"]
    f: str
    value: Given = None
    priority: Number | list[Number] | UnsetType | None = UNSET
    group: Value | UnsetType | None = UNSET
    n: Number | UnsetType = UNSET
    to: str | UnsetType = UNSET
    delivery: Number | list[Number] | UnsetType | None = UNSET
    window: Number | UnsetType | None = UNSET
    zxid: Zxid | UnsetType | None = UNSET
    read_zxid: Zxid | UnsetType | None = UNSET
    session: Value | UnsetType | None = UNSET
    consumer: Value | UnsetType | None = UNSET
    producer: Value | UnsetType | None = UNSET
    attempts: int | UnsetType = UNSET
    error: str | UnsetType = UNSET

    @classmethod
    def note(cls, time_ns: int, f: str, value: Given, process: Value = "harness") -> Self:
        """Return an event that is no call."""
        return cls(time_ns=time_ns, process=process, type="info", f=f, value=value)


PROCESS_STRIDE: Final = 1000  # process p, p + 1000, ... are the same client one after the other
_WORKERS: Final = 1000 * PROCESS_STRIDE * PROCESS_STRIDE  # more sessions than a client can have


def first_process(worker: int) -> int:
    """Return the number of a worker's first process: none that follows it is another worker's."""
    thousands, place = divmod(worker, PROCESS_STRIDE)
    return thousands * _WORKERS + place


def same_worker(process: int | str, other: int | str) -> bool:
    """Tell whether two processes are of one worker, whose callers may share a session."""
    if isinstance(process, str) or isinstance(other, str):
        return process == other
    one, two = (divmod(number, _WORKERS) for number in (process, other))
    return one[0] == two[0] and (one[1] - two[1]) % PROCESS_STRIDE == 0


DECODE_ERRORS = (ValueError, RecursionError)
"""What msgspec raises for foreign bytes: its own errors, one for a key that is no UTF-8, and the
second for what is nested too deeply."""


class _Head(msgspec.Struct, gc=False):
    """The part of a line that the merge reads; the rest of it passes through unread."""

    time_ns: Ns
    process: Value
    type: str
    f: str


_encoder = msgspec.json.Encoder()
_head_decoder = msgspec.json.Decoder(_Head)


class HistoryWriter:
    """Append events to one worker's file, each flushed before `append` returns.

    So an invoke is on disk before its request is sent, and a worker killed at any moment leaves
    at most one truncated last line, which the merge drops. Not thread-safe: one writer, one thread.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._before = b""

    def append(self, event: Event) -> None:
        """Write one line, in one system call unless the disk is nearly full.

        Raises:
            OSError: it could not be written; what was written of it is a line of its own.
        """
        line = self._before + _encoder.encode(event) + b"\n"
        self._before = b"\n"  # what of this one stands there if it fails damages no other
        while line:
            line = line[self._file.write(line) :]
        self._before = b""

    def close(self) -> None:
        """Close the file; appending afterwards raises ValueError."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def merge(parts: Path, merged: Path) -> None:
    """Merge `parts`/*.jsonl into one history by (time_ns, worker, line), with indices.

    Every open invocation is closed as `info`, at the time of the last event. For a truncated last
    line of a part there is a note: a killed worker had not sent what it had not flushed. Any other
    malformed line is kept at the end, so that the reader counts it. The mark of a run's end stays
    behind all that is added. The merged file appears whole or not at all. O(n log n) in time, O(n)
    in memory.
    """
    good: list[tuple[int, int, int, _Head, bytes]] = []
    malformed: list[bytes] = []
    cut: list[tuple[str, int]] = []
    for worker, path in enumerate(sorted(parts.glob("*.jsonl"))):
        lines, rest = _complete_lines(path)
        if rest:
            cut.append((path.name, len(rest)))
        for number, line in enumerate(lines):
            head = _decode_head(line)
            if head is None:
                malformed.append(line)
            else:
                good.append((head.time_ns, worker, number, head, line))
    good.sort(key=lambda entry: entry[:3])
    mark = [good.pop()[4]] if good and good[-1][3].f == ENDED else []
    lines = [line for *_, line in good] + list(_closings([entry[3] for entry in good], good))
    lines += _cut_short(cut, good[-1][0] if good else 0)
    whole = [*_indexed([*lines, *mark]), *malformed]
    files.write_parts(merged, (line + b"\n" for line in whole))


def _complete_lines(path: Path) -> tuple[list[bytes], bytes]:
    """Return the whole lines, the last perhaps without its newline, and what was cut short."""
    with files.open_regular(path, "history") as file:
        *lines, last = file.read().split(b"\n")
    if _decode_head(last) is not None:
        lines, last = [*lines, last], b""
    return [line for line in lines if line.strip()], last


def _cut_short(cut: Iterable[tuple[str, int]], at_ns: int) -> Iterator[bytes]:
    """Yield a note for each part that ended within a line."""
    for name, size in cut:
        value = {"file": name, "bytes": size}
        note = {"time_ns": at_ns, "process": "harness", "type": "info", "f": TRUNCATED}
        yield _encoder.encode(note | {"value": value})


def _decode_head(line: bytes) -> _Head | None:
    try:
        return _head_decoder.decode(line)
    except DECODE_ERRORS:
        return None


def _closings(
    heads: list[_Head], entries: list[tuple[int, int, int, _Head, bytes]]
) -> Iterator[bytes]:
    """Yield an info line for each invocation without a completion, in order of invocation."""
    open_at: dict[int | str, int] = {}
    for place, head in enumerate(heads):
        if head.type == "invoke":
            open_at[head.process] = place
        elif head.f in OPERATIONS:
            open_at.pop(head.process, None)
    for place in sorted(open_at.values()):
        try:
            event = msgspec.json.decode(entries[place][4])
        except DECODE_ERRORS:
            continue  # nested too deeply: the reader calls it malformed
        closing = {"time_ns": heads[-1].time_ns, "type": "info", "error": "no completion recorded"}
        yield _encoder.encode(event | closing)


def _indexed(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Put `index` first in each line, without decoding the rest."""
    for index, line in enumerate(lines):
        yield b'{"index":%d,%b' % (index, line.lstrip()[1:])
