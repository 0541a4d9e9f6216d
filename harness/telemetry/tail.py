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
    """

    def __init__(self, parts: Path) -> None:
        self._parts = parts
        self._at: dict[Path, int] = {}
        self._decoder = msgspec.json.Decoder(Event)

    def read(self) -> list[Event]:
        """Return what is new, in order of time; of all files together, within one read."""
        found = [event for path in sorted(self._parts.glob("*.jsonl")) for event in self._new(path)]
        return sorted(found, key=lambda event: event.time_ns)

    def _new(self, path: Path) -> Iterator[Event]:
        with path.open("rb") as file:
            file.seek(self._at.get(path, 0))
            data = file.read(MAX_READ)
        end = data.rfind(b"\n") + 1  # the line behind it is still being written
        self._at[path] = self._at.get(path, 0) + end
        for line in data[:end].splitlines():
            try:
                event = self._decoder.decode(line)
            except DECODE_ERRORS:
                continue
            if event.f in OPERATIONS or note_shapes.fits(event):
                yield event
