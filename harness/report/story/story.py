"""The story of a finding in at most seven lines: what happened to its item, and why.

It is built from the history alone. A line says what was recorded; that servers had not seen an
item is said only if the evidence of a fault shows it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import words
from harness.history.columns import OK, History
from harness.history.record import Value
from harness.report.charts import spans
from harness.report.story import absence, item_put, last_look, sentences
from harness.report.story.absence import Absence, Fault
from harness.report.story.item_put import ItemPut
from harness.report.story.last_look import LastLook

MOST_LINES = 7
_MOST_CALLS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryLine:
    """One sentence, and when it happened."""

    time_ns: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What happened to the item of the gravest finding.

    Attributes:
        item: which item; None if the finding is about none.
        lines: at most MOST_LINES, in order of time; none for a run that is not invalid.
        faults_left_out: faults that took effect and are not in the lines.
    """

    item: Value | None = None
    lines: tuple[StoryLine, ...] = ()
    faults_left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """The first look at a later leader and its quorum, and who of them had not seen the item."""

    time_ns: int
    leader: int
    members: Sequence[int]
    absent: Sequence[Absence]

    @property
    def blind(self) -> bool:
        """Whether no member of the quorum can have had the item."""
        return len([each for each in self.absent if each.back_ns is None]) == len(self.members)


def tell(history: History, results: Mapping[str, Any]) -> Story:
    """Return the story of the gravest finding of an invalid run. Pure; O(n)."""
    witness = words.first_witness(results) if results["verdict"] == "invalid" else None
    if witness is None:
        return Story()
    hit = [fault for fault in results["faults"] if fault["outcome"] == "installed"]
    put = item_put.of_witness(history, witness, hit)
    if put is None:
        return _without_item(history, hit, witness)
    look = last_look.at_item(history, put)
    until_ns = spans.end_ns(history) if look is None else look.time_ns
    change = _change(history, put, hit, until_ns)
    lines = [_put_line(history, put), *_calls(history, witness, put, until_ns)]
    if change is not None:
        lines += [_change_line(change, put.item), *_returns(history, change, look)]
    lines = [*lines[: MOST_LINES - 1], _conclusion(history, witness, put, look)]
    told = _explaining(hit, put, change, look, room=MOST_LINES - len(lines))
    lines += map(_fault_line, told)
    return Story(
        item=put.item,
        lines=tuple(sorted(lines, key=lambda line: line.time_ns)),
        faults_left_out=len(hit) - len(told),
    )


def _without_item(history: History, hit: Sequence[Fault], witness: Mapping[str, Any]) -> Story:
    """Return the story of a finding about no item that was put: the faults before it, and it."""
    end = _finding_line(history, witness)
    before = [fault for fault in hit if fault["inject_ns"] <= end.time_ns][1 - MOST_LINES :]
    lines = (*map(_fault_line, before), end)
    return Story(lines=lines, faults_left_out=len(hit) - len(before))


def _conclusion(
    history: History, witness: Mapping[str, Any], put: ItemPut, look: LastLook | None
) -> StoryLine:
    """Return where the item is, if it is missing somewhere; else the finding in its own words."""
    delivered = bool((history.got(OK) & (history.value == history.number_of[put.item])).any())
    if look is None or (delivered and not look.lacking):
        return _finding_line(history, witness)
    return StoryLine(time_ns=look.time_ns, text=look.text)


def _finding_line(history: History, witness: Mapping[str, Any]) -> StoryLine:
    ends_ns = [row["complete_ns"] or row["invoke_ns"] for row in witness["operations"]]
    at_ns = max(ends_ns, default=spans.end_ns(history))
    return StoryLine(time_ns=at_ns, text=witness["sentence"])


def _put_line(history: History, put: ItemPut) -> StoryLine:
    call, at_ns = put.call, put.written_ns[1]
    if not put.known:
        return StoryLine(time_ns=at_ns, text=sentences.call(call.as_json()))
    leads = [node for since_ns, node in spans.leader_changes(history) if since_ns <= at_ns]
    whom = f" while node {leads[-1]} leads" if leads else ""
    zxid = f" (zxid 0x{call.zxid:x})" if call.zxid is not None else ""
    text = f"Process {call.process}'s put of item {put.item} is acknowledged{whom}{zxid}."
    for why, nodes in sentences.by_why(put.absent).items():
        text += f" {sentences.capital(sentences.was(why, nodes))} then."
    return StoryLine(time_ns=at_ns, text=text)


def _calls(
    history: History, witness: Mapping[str, Any], put: ItemPut, until_ns: int
) -> Iterator[StoryLine]:
    """Yield the first calls of the finding, and the first deliveries of its item."""
    got = history.got(OK) & (history.value == history.number_of[put.item])
    delivered = [history.operation(row).as_json() for row in np.flatnonzero(got).tolist()]
    calls = {(row["index"], row["value"]): row for row in [*witness["operations"], *delivered]}
    calls.pop((put.call.index, put.item), None)
    in_time = [row for row in calls.values() if row["invoke_ns"] < until_ns]
    for row in sorted(in_time, key=lambda row: row["invoke_ns"])[:_MOST_CALLS]:
        at_ns = row["invoke_ns"] if row["complete_ns"] is None else row["complete_ns"]
        yield StoryLine(time_ns=at_ns, text=sentences.call(row, _seen(history, row, put)))


def _seen(history: History, row: Mapping[str, Any], put: ItemPut) -> str:
    """Return as of which zxid a call found nothing; one before the put's shows a stale server."""
    seen = history.read_zxid[history.index == row["index"]]
    if not len(seen) or seen[0] < 0:
        return ""
    older = put.call.zxid is not None and int(seen[0]) < put.call.zxid
    return f", as of zxid 0x{int(seen[0]):x}{', which is older than the put' if older else ''}"


def _change(history: History, put: ItemPut, hit: Sequence[Fault], until_ns: int) -> _Change | None:
    """Return the change of leader that explains most: to a quorum that had not seen the item."""
    found = []
    for at_ns, leader in spans.leader_changes(history):
        if put.known and put.written_ns[1] < at_ns < until_ns:
            members = absence.quorum_of(history, leader, at_ns)
            absent = absence.of_members(
                history, hit, members, written_ns=put.written_ns, until_ns=at_ns
            )
            found.append(_Change(time_ns=at_ns, leader=leader, members=members, absent=absent))

    def worth(change: _Change) -> tuple[bool, bool, int]:
        return change.blind, change.leader in {a.node for a in change.absent}, -change.time_ns

    return max(found, key=worth, default=None)


def _change_line(change: _Change, item: Value) -> StoryLine:
    others = [node for node in change.members if node != change.leader]
    head = (
        f"Node {change.leader} is seen to lead{f', with {words.nodes(others)}' if others else ''}."
    )
    told = ", and ".join(sentences.absences(change.absent))
    if change.blind:
        head += f" None of them has item {item}: {told}."
    elif told:
        head += f" {sentences.capital(told)}."
    return StoryLine(time_ns=change.time_ns, text=head)


def _returns(history: History, change: _Change, look: LastLook | None) -> Iterator[StoryLine]:
    """Yield when servers that lack the item at the end came back to the later leader."""
    modes = spans.modes(history)
    for node in [] if look is None else look.lacking:
        later = [m for m in modes if m.node == node and m.begin_ns > change.time_ns]
        back_ns = next((mode.begin_ns for mode in later if mode.mode == "follower"), None)
        if back_ns is not None:
            yield StoryLine(time_ns=back_ns, text=f"Node {node} is back, and follows again.")


def _explaining(
    hit: Sequence[Fault],
    put: ItemPut,
    change: _Change | None,
    look: LastLook | None,
    *,
    room: int,
) -> list[Fault]:
    """Return the faults between the put and the change of leader that explain most, in order."""
    until_ns = change.time_ns if change else look.time_ns if look else put.written_ns[1]
    between = [
        fault
        for fault in hit
        if fault["inject_ns"] < until_ns
        and (fault["heal_ns"] is None or fault["heal_ns"] > put.written_ns[0])
    ]
    reasons = change.absent if change else put.absent
    nodes = {each.node for each in reasons} | set(look.lacking if look else ())

    def rank(fault: Fault) -> tuple[bool, bool, int]:
        explains = any(each.fault is fault for each in reasons)
        return not explains, not nodes & set(fault["nodes"]), until_ns - fault["inject_ns"]

    return sorted(sorted(between, key=rank)[: max(0, room)], key=lambda fault: fault["inject_ns"])


def _fault_line(fault: Fault) -> StoryLine:
    return StoryLine(time_ns=fault["inject_ns"], text=f"Fault: {words.fault(fault)}.")
