"""history.jsonl as chunks of events; lines that are no events are counted, and do no harm."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET

from harness.common import files
from harness.history import line_scan, note_shapes
from harness.history.record import DECODE_ERRORS, OPERATIONS, TYPES, Event

_CHUNK_BYTES = 8 << 20
_decoder = msgspec.json.Decoder(Event)


def chunks(path: Path) -> Iterator[bytes]:
    """Yield whole lines, some megabytes at a time; a last one without its newline alone."""
    with files.open_regular(path, "history") as file:
        while chunk := file.read(_CHUNK_BYTES) + file.readline():
            whole = chunk.rfind(b"\n") + 1
            if whole == len(chunk):
                yield chunk
                continue
            if whole:
                yield chunk[:whole]
            if chunk[whole:].strip():
                yield chunk[whole:]


class Calls(NamedTuple):
    """A chunk of calls as columns, with the notes among them by their places."""

    scan: line_scan.Scan
    notes: dict[int, Event]

    def __len__(self) -> int:
        return len(self.scan.begin) - 1

    def call(self, place: int) -> Event:
        """Return one of the calls as an event."""
        return _decoder.decode(self.scan.line(place))

    def gap(self, first: int) -> int | None:
        """Return what `gap` of its events would."""
        index = self.scan.columns["index"]
        wrong = (index != line_scan.ABSENT) & (index != np.arange(first, first + len(index)))
        places = np.flatnonzero(wrong)[:1].tolist()
        places += [at for at, note in self.notes.items() if gap([note], first + at)]
        return first + min(places) + 1 if places else None


def calls(chunk: bytes) -> Calls | None:
    """Return a chunk as columns; None if some line is neither a plain call nor a note."""
    if not chunk.endswith(b"\n"):
        return None
    scan = line_scan.scan(chunk)
    if not (
        set(OPERATIONS).issuperset(scan.words["f"]) and set(TYPES).issuperset(scan.words["type"])
    ):
        return None
    notes = {place: _decode_line(scan.line(place)) for place in scan.odd}
    events = {place: note for place, note in notes.items() if note and note.f not in OPERATIONS}
    return Calls(scan, events) if len(events) == len(notes) else None


def gap(events: Iterable[Event], first: int) -> int | None:
    """Return the number, from 1, of the first event whose index is not its place."""
    for place, event in enumerate(events, first):
        if event.index is not UNSET and event.index != place:
            return place + 1
    return None


def decode(chunk: bytes) -> tuple[list[Event], list[int]]:
    """Return the events of a chunk of lines, and the numbers, from 1, of lines that are none."""
    try:
        events = _decoder.decode_lines(chunk)
        if all(map(_fits, events)):
            return events, []
    except DECODE_ERRORS:
        pass  # line by line, to tell which
    lines = enumerate(chunk.split(b"\n"), start=1)
    decoded = [(number, _decode_line(line)) for number, line in lines if line.strip()]
    return [event for _, event in decoded if event], [n for n, event in decoded if not event]


def _fits(event: Event) -> bool:
    """Tell whether an event's value is one for its kind: an item, a batch, or a note's object."""
    value = event.value
    if event.f not in OPERATIONS:
        return note_shapes.fits(event)
    if value.__class__ is list:
        beside = (event.priority, event.delivery)
        return all(b.__class__ is not list or len(b) == len(value) for b in beside)
    return value.__class__ is not dict


def _decode_line(line: bytes) -> Event | None:
    try:
        event = _decoder.decode(line)
    except DECODE_ERRORS:
        return None
    return event if _fits(event) else None
