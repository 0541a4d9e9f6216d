"""What a recorded run did, so that `replay` can do it again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from harness.common import files
from harness.common.harness_errors import HistoryError, ScenarioError
from harness.common.run_folder import RunFolder
from harness.history import note_shapes
from harness.history.record import DECODE_ERRORS, Event
from harness.scenario.plan import MAX_BYTES, Planned

BINDINGS = "bind"  # the note that says which node each name of `bind` came to mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A run's plan, and the nodes that its names and roles meant.

    Attributes:
        bound: node by name of `bind`.
        nodes: by the planned injection's id, the nodes it hit; those that were injected.
    """

    planned: Sequence[Planned]
    bound: Mapping[str, int]
    nodes: Mapping[int, Sequence[int]]


def load(folder: RunFolder) -> Recorded:
    """Read a run's plan and its nemesis's notes.

    Raises:
        HistoryError: one of its files is not there, or cannot be read.
    """
    try:
        plan = files.read(folder.plan, "plan", at_most=MAX_BYTES)
        planned = msgspec.json.Decoder(Planned).decode_lines(plan)
        notes = list(_notes(folder))
    except (ScenarioError, OSError, *DECODE_ERRORS) as error:
        raise HistoryError(f"{folder.path}: expected a recorded run, got {error}") from error
    bound = next((dict(note.value) for note in notes if note.f == BINDINGS), {})
    injected = [note.value for note in notes if _phase(note) == "inject"]
    return Recorded(
        planned=planned,
        bound=bound,
        nodes={value["id"]: value["nodes"] for value in injected if value["nodes"]},
    )


def _notes(folder: RunFolder) -> Iterator[Event]:
    """Yield the notes of nemesis and harness, without decoding the clients' operations."""
    decoder = msgspec.json.Decoder(Event)
    with files.open_regular(folder.history, "history") as lines:
        for line in lines:
            if b'"process":"nemesis"' in line or b'"process":"harness"' in line:
                note = decoder.decode(line)
                if not note_shapes.fits(note):
                    raise ScenarioError(f"history.jsonl: expected a note, got {note}")
                yield note


def _phase(note: Event) -> Any:
    value = note.value if isinstance(note.value, dict) else {}
    return value.get("phase") if note.process == "nemesis" else None
