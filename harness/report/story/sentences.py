"""Sentences about single calls and servers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from harness import words
from harness.report.story.absence import Absence

_DOES = {"put": "puts", "reserve": "reserves", "take": "takes", "done": "finishes"}
_OUTCOME = {"ok": "", "fail": ", which fails", "info": ", with unknown outcome"}


def call(row: Mapping[str, Any], seen: str = "") -> str:
    """Return what an operation of a witness did, such as `Process 1 reserves item 7`.

    Of one that found nothing, `seen` says as of when.
    """
    if row["value"] is None and row["outcome"] == "ok":
        return f"Process {row['process']} finds the queue empty{seen}."
    what = "an item" if row["value"] is None else f"item {row['value']}"
    does = _DOES.get(row["f"], "gives back")
    return f"Process {row['process']} {does} {what}{_OUTCOME.get(row['outcome'], '')}."


def absences(absent: Sequence[Absence]) -> Iterator[str]:
    """Yield why servers had not seen an item; those that came back since may have got it then."""
    for why, nodes in by_why(each for each in absent if each.back_ns is None).items():
        yield _lacked(why, nodes)
    for each in absent:
        if each.back_ns is not None:
            back = words.seconds(each.back_ns)
            lacked = _lacked(each.why, [each.node])
            yield f"{lacked}, and came back at {back} to be brought up to date"


def by_why(absent: Iterable[Absence]) -> dict[str, list[int]]:
    """Return the servers by the reason of their absence."""
    found: dict[str, list[int]] = {}
    for each in absent:
        found.setdefault(each.why, []).append(each.node)
    return found


def was(why: str, nodes: Sequence[int]) -> str:
    """Return `nodes 1, 2 were cut off from the leader`."""
    how = "cut off from the leader" if why == "cut off" else why
    return f"{words.nodes(nodes)} {'was' if len(nodes) == 1 else 'were'} {how}"


def capital(text: str) -> str:
    """Return a text with a capital letter first."""
    return text[:1].upper() + text[1:]


def _lacked(why: str, nodes: Sequence[int]) -> str:
    if why == "wiped":
        return f"{words.nodes(nodes)} lost {'its disk' if len(nodes) == 1 else 'their disks'} since"
    return f"{was(why, nodes)} when it was acknowledged"
