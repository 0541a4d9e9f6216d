"""Whether a run is complete: its history shows everything that the run set out to do."""

from collections.abc import Collection, Iterator
from typing import Any, ClassVar

from harness.checkers import checkers
from harness.checkers.evidence.notes import end_trees, last_drain, object_of, of_nemesis
from harness.claim import Claim, Course
from harness.common.verdict import CheckResult, Verdict, Witness
from harness.history.columns import History
from harness.history.note_shapes import NEMESIS
from harness.history.record import ENDED, PHASE, RECOVERED

NAME = "completed"
Doubt = tuple[str, str]


@checkers.register(NAME)
class Completed:
    """The run is complete: phases over, faults healed, queue drained, servers read, end marked.

    O(notes). A run is valid only by what its history shows, so each missing part is UNKNOWN:
        no-end-mark         the history does not end with the mark that the harness writes last
        several-runs        it has the marks of several ends, so it is of several runs
        phase-not-over      a phase, with its workloads and faults, was not gone through
        injection-missing   nothing tells what became of a planned injection
        plan-missing        plan.jsonl cannot be read, so what was planned is not known
        not-recovered       nothing was recorded after the last fault and heal, or not all servers
                            served then
        not-drained         no drain after that came to its end
        trees-missing       not every server's tree was read after the drain
        logs-missing        not every server's log was read
    Never INVALID. A history that is judged without its scenario has no course to compare with, so
    this checker does not run on it.
    """

    finds: ClassVar[frozenset[str]] = frozenset()

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Ask for the course of a run."""
        return None if claim.course is not None else "the course of a run, from its scenario"

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Look for every part of the course in the history."""
        assert claim.course is not None
        doubts = list(_doubts(history, claim.course))
        return CheckResult(
            name=NAME,
            verdict=Verdict.UNKNOWN if doubts else Verdict.VALID,
            reasons=tuple(sorted({reason for reason, _ in doubts})),
            witnesses=tuple(Witness(sentence=sentence) for _, sentence in doubts),
        )


def _doubts(history: History, course: Course) -> Iterator[Doubt]:
    yield from _end_mark(history)
    yield from _phases(history, course)
    yield from _injections(history, course)
    yield from _drained(history)
    yield from _looked(history, course)


def _end_mark(history: History) -> Iterator[Doubt]:
    last = history.notes[-1] if history.notes else None
    if last is None or last.f != ENDED or last.index != history.events - 1:
        why = "the run failed or was killed, its history was cut, or it is of an older release"
        yield "no-end-mark", f"The history does not end with the harness' own end mark: {why}."
    if (ends := sum(1 for _ in history.notes_named(ENDED))) > 1:
        yield "several-runs", f"The history has {ends} end marks, so it is of several runs."


def _phases(history: History, course: Course) -> Iterator[Doubt]:
    over = {value.get("number") for value in _told(history, PHASE) if value.get("event") == "end"}
    for number in range(course.phases):
        if number not in over:
            told = "its workloads and faults did not all come to their end"
            yield "phase-not-over", f"Phase {number + 1} of {course.phases} is not over: {told}."


def _injections(history: History, course: Course) -> Iterator[Doubt]:
    if course.injections is None:
        yield "plan-missing", "The file plan.jsonl cannot be read: what was planned is not known."
        return
    told = {v.get("id") for v in of_nemesis(history) if v.get("phase") == "inject"}
    for id, name in course.injections.items():
        if id not in told:
            yield "injection-missing", f"Nothing tells what became of the planned {name} ({id})."


def _drained(history: History) -> Iterator[Doubt]:
    drain = last_drain(history)
    last_ns = max((note.time_ns for note in history.notes if note.process == NEMESIS), default=0)
    healed = [note for note in history.notes_named(RECOVERED) if note.time_ns >= last_ns]
    if not healed:
        yield "not-recovered", "Nothing was recorded after the last heal: faults may be in force."
    elif lost := object_of(healed[-1]).get("lost"):
        told = f"Nodes {', '.join(map(str, lost))}: they did not serve after the last heal"
        yield "not-recovered", f"{told}, and the drain began without them."
    healed_ns = (note.time_ns for note in healed)
    if drain is None or not drain.complete or not any(at <= drain.begin_ns for at in healed_ns):
        yield "not-drained", "No drain after the last heal came to its end."


def _looked(history: History, course: Course) -> Iterator[Doubt]:
    trees = {tree.get("node") for tree in end_trees(history)}
    logs = {value.get("node") for value in _told(history, "server-log")}
    for reason, what, seen in (
        ("trees-missing", "tree was not read after the drain", trees),
        ("logs-missing", "log was not read", logs),
    ):
        missing = _missing(course, seen)
        if missing:
            yield reason, f"Nodes {', '.join(map(str, missing))}: the {what}."


def _missing(course: Course, seen: Collection[Any]) -> list[int]:
    return [node for node in range(1, course.nodes + 1) if node not in seen]


def _told(history: History, f: str) -> Iterator[dict[str, Any]]:
    notes = (note.value for note in history.notes_named(f) if note.process == "harness")
    return (value for value in notes if isinstance(value, dict))
