"""What the looks at all servers, after the run, tell of one item."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import words
from harness.checkers.replicas import Look, looks
from harness.history.columns import OK, History
from harness.history.record import Value
from harness.report.charts import spans
from harness.report.story import sentences
from harness.report.story.item_put import ItemPut


@dataclass(frozen=True, slots=True, kw_only=True)
class LastLook:
    """The look that tells most of an item.

    Attributes:
        lacking: servers that lack the item while others hold it.
    """

    time_ns: int
    text: str
    lacking: Sequence[int] = ()


def at_item(history: History, put: ItemPut) -> LastLook | None:
    """Return the first look in which servers differ about the item, or else the last one.

    None if no server was read.
    """
    seen = [look for look in looks(history) if any(tree.get("reachable") for tree in look.trees)]
    if not seen:
        return None
    differing = (look for look in seen if all(_holders(look, put.item)))
    look = next(differing, seen[-1])
    has, lacks = _holders(look, put.item)
    if has and lacks:
        text = _differ(look, has, lacks, put.item)
    elif has:
        text = f"All {len(has)} servers hold item {put.item}."
    else:
        text = f"None of the {len(lacks)} servers holds item {put.item}. {_last_seen(history, put)}"
    return LastLook(time_ns=_time_ns(history, look), text=text, lacking=lacks if has else ())


def _holders(look: Look, item: Value) -> tuple[list[int], list[int]]:
    """Return the servers that hold an item, and those that were read and do not."""
    read = [tree for tree in look.trees if tree.get("reachable")]
    has = [tree["node"] for tree in read if item in _items(tree)]
    return has, [tree["node"] for tree in read if tree["node"] not in has]


def _differ(look: Look, has: Sequence[int], lacks: Sequence[int], item: Value) -> str:
    by_node = {tree["node"]: _items(tree) for tree in look.trees}
    most = set[Value]().union(*(by_node[node] for node in has))
    text = (
        f"{words.nodes(has)} {'holds' if len(has) == 1 else 'hold'} item {item}, "
        f"and {words.nodes(lacks)} {'does' if len(lacks) == 1 else 'do'} not"
    )
    if len(lacks) == 1:
        missing = len(most - by_node[lacks[0]])
        text += f": it lacks {missing} of their {words.counted(len(most), 'item')}"
    return f"{sentences.capital(text)}."


def _items(tree: Mapping[str, Any]) -> set[Value]:
    return {value for values in (tree.get("places") or {}).values() for value in values}


def _last_seen(history: History, put: ItemPut) -> str:
    """Say in which answer the item was seen last, and which servers can have had it then."""
    number = history.number_of[put.item]
    rows = np.flatnonzero((history.value == number) & (history.outcome == OK))
    if not len(rows):
        return "It was never seen."
    last = history.operation(int(rows[np.argmax(history.complete_ns[rows])]))
    if last.index != put.call.index:
        told = sentences.call(last.as_json())
        return f"It was last seen at {words.seconds(last.complete_ns)}: {told}"
    gone = {each.node for each in put.absent}
    left = sorted({mode.node for mode in spans.modes(history)} - gone)
    where = f", by {words.nodes(left)} at most" if gone else ""
    return f"It was last seen when its put was acknowledged{where}."


def _time_ns(history: History, look: Look) -> int:
    """Return when the last server of a look was read."""
    return max(
        note.time_ns
        for note in history.notes_named("tree")
        if str(note.value.get("when") or "end") == look.when
    )
