"""Read the histories of a run while its processes write them."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness.history import note_shapes
from harness.history.record import DECODE_ERRORS, OPERATIONS, Event

MAX_READ = 1 << 22  # bytes of one file at a time, so that memory stays bounded


class Tail:
    """Gives each complete line of a folder's histories once, as an event.

    Lines that cannot be read are left out: the checkers tell of them.

    Attributes:
        too_long: how many lines of more than MAX_READ were left out.
    """

    def __init__(self, parts: Path) -> None:
        self.too_long = 0
        self._parts = parts
        self._at: dict[Path, int] = {}
        self._within: set[Path] = set()  # files of which the middle of a line is left out now
        self._decoder = msgspec.json.Decoder(Event)

    def read(self) -> list[Event]:
        """Return what is new, in order of time; of all files together, within one read.

        Nothing if no file has a new line.
        """
        found = [event for path in sorted(self._parts.glob("*.jsonl")) for event in self._new(path)]
        return sorted(found, key=lambda event: event.time_ns)

    def _new(self, path: Path) -> list[Event]:
        """Return what is new of a file, read as far as its first event, or its end."""
        found, more = list[Event](), True
        while more and not found:
            with path.open("rb") as file:
                file.seek(self._at.get(path, 0))
                data = file.read(MAX_READ)
            more = len(data) == MAX_READ
            end = data.rfind(b"\n") + 1  # the line behind it is still being written
            begin = self._begin(path, data, cut=more and not end)
            found = list(self._events(data[begin:end]))
            self._at[path] = self._at.get(path, 0) + (end or begin)
        return found

    def _begin(self, path: Path, data: bytes, *, cut: bool) -> int:
        """Return where the first line begins that is not left out; `cut`: none ends here."""
        if path in self._within and b"\n" in data:
            self._within.discard(path)
            return data.index(b"\n") + 1
        if cut and path not in self._within:
            self._within.add(path)
            self.too_long += 1
        return len(data) if path in self._within else 0

    def _events(self, lines: bytes) -> Iterator[Event]:
        for line in lines.splitlines():
            try:
                event = self._decoder.decode(line)
            except DECODE_ERRORS:
                continue
            if event.f in OPERATIONS or note_shapes.fits(event):
                yield event
