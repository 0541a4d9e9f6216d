"""The servers at the end of a run, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.history.columns import History
from harness.report.charts import spans
from harness.words import NONE

SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRow:
    """One fact about every server; `differs` where they do not agree."""

    name: str
    cells: tuple[str, ...]
    differs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EndState:
    """A table with a column per server.

    Attributes:
        read: servers whose tree could be read.
        agree: whether all of those hold the same tree; None if fewer than two were read.
    """

    nodes: tuple[int, ...]
    rows: tuple[ServerRow, ...]
    read: int
    agree: bool | None


def compare(history: History) -> EndState:
    """Return what each server held, and what its log says, at the end."""
    trees = {tree["node"]: tree for tree in spans.trees(history)}
    logs = {note.value["node"]: note.value for note in history.notes_named("server-log")}
    last = {mode.node: mode.mode for mode in spans.modes(history)}
    ids = tuple(sorted({*trees, *logs, *last}))
    held = [trees.get(id, {}) for id in ids]
    digests = [tree["digest"] for tree in held if tree.get("reachable")]
    rows = [
        _row("last seen as", [last.get(id, NONE) for id in ids], compared=False),
        _row("tree", [_readable(tree) for tree in held]),
        _row("digest of the tree", [str(tree.get("digest") or NONE)[:12] for tree in held]),
        _row("newest zxid", [_hex(tree.get("zxid")) for tree in held]),
        *_places(held),
        _row("log", [_log(logs.get(id)) for id in ids], compared=False),
    ]
    return EndState(
        nodes=ids,
        rows=tuple(rows),
        read=len(digests),
        agree=len(set(digests)) == 1 if len(digests) > 1 else None,
    )


def _places(held: Sequence[Mapping[str, Any]]) -> list[ServerRow]:
    names = dict.fromkeys(name for tree in held for name in tree.get("places", {}))
    return [_row(name, [_values(tree, name) for tree in held]) for name in names]


def _row(name: str, cells: Sequence[str], *, compared: bool = True) -> ServerRow:
    return ServerRow(name=name, cells=tuple(cells), differs=compared and len(set(cells)) > 1)


def _readable(tree: Mapping[str, Any]) -> str:
    if not tree:
        return "not looked at"
    return "read" if tree.get("reachable") else f"not readable: {tree.get('error')}"


def _values(tree: Mapping[str, Any], place: str) -> str:
    if not tree.get("reachable"):
        return NONE
    values = tree["places"].get(place, [])
    if not values:
        return "0"
    more = ", …" if len(values) > SHOWN else ""
    return f"{len(values):,}: {', '.join(map(str, values[:SHOWN]))}{more}"


def _log(note: Mapping[str, Any] | None) -> str:
    if note is None:
        return NONE
    counts = [f"{name}: {count}" for name, count in note.get("patterns", {}).items()]
    return ", ".join(counts) or "nothing unusual"


def _hex(zxid: int | None) -> str:
    return NONE if zxid is None else f"0x{zxid:x}"
