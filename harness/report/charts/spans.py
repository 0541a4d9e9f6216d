"""What the servers and sessions did over time, from a history's notes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.history.columns import INFO, History

SERVER_OF_SESSION = 56  # a session id's highest byte is the id of the server that opened it


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """A server seen in one mode, from the look that first saw it to the first that did not."""

    node: int
    mode: str
    begin_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnd:
    """The end of a client's session, and why."""

    process: int | str | None
    time_ns: int
    why: str


def end_ns(history: History) -> int:
    """Return the time of the last thing that was recorded."""
    notes = max((note.time_ns for note in history.notes), default=0)
    known = history.complete_ns[history.outcome != INFO]
    return max(notes, int(known.max(initial=0)), int(history.invoke_ns.max(initial=0)))


def modes(history: History) -> list[Mode]:
    """Return each server's modes, in order of node and time."""
    looks = [(n.time_ns, n.value) for n in history.notes_named("status") if _is_object(n.value)]
    found: list[Mode] = []
    for node in sorted({int(node) for _, seen in looks for node in seen}):
        found += _modes_of(node, [(at_ns, seen.get(str(node))) for at_ns, seen in looks], history)
    return found


def leader_changes(history: History) -> list[tuple[int, int]]:
    """Return (time_ns, node) of each moment at which another server was first seen to lead."""
    leads = sorted((m.begin_ns, m.node) for m in modes(history) if m.mode == "leader")
    return [
        now for before, now in zip([(0, 0), *leads], leads, strict=False) if before[1] != now[1]
    ]


def session_ends(history: History) -> Iterator[SessionEnd]:
    """Yield the ends of the clients' sessions, in order."""
    owner = {
        name: history.processes[process]
        for process, known in history.registrations.items()
        for kind in ("session", "consumer")
        for name in known.get(kind, ())
    }
    for note in history.notes_named("session-end"):
        value = note.value if _is_object(note.value) else {}
        who = owner.get(value.get("consumer"), owner.get(value.get("session")))
        yield SessionEnd(
            process=note.process if who is None and note.process != "harness" else who,
            time_ns=note.time_ns,
            why=str(value.get("why", "unknown")),
        )


def trees(history: History) -> list[dict[str, Any]]:
    """Return what each server held at the end: its last `tree` note, by node."""
    return [note.value for note in history.last_by_node("tree")]


def opened_by(session: int | str | None) -> int | None:
    """Return the id of the server that opened a session; the client may have moved on since."""
    try:
        number = int(str(session), 0)
    except ValueError:
        return None  # none, or not ZooKeeper's
    return (number & (1 << 64) - 1) >> SERVER_OF_SESSION


def _modes_of(node: int, seen: list[tuple[int, str | None]], history: History) -> Iterator[Mode]:
    begin_ns, mode = seen[0]
    for at_ns, now in [*seen[1:], (end_ns(history), None)]:
        if now != mode:
            if mode is not None:
                yield Mode(node=node, mode=mode, begin_ns=begin_ns, end_ns=at_ns)
            begin_ns, mode = at_ns, now


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)
