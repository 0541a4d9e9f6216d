"""The gallery: bugs planted in queues, histories and checkers, each with the reason to find it for.

`python tests/proofs/gallery.py` prints found / planted, and ends with 1 unless all were found.
"""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Literal
from unittest import mock

from harness.checkers.total_queue import TotalQueue
from harness.claim import AvailabilityBound, Claim, Level
from harness.common.verdict import Verdict
from harness.history.columns import History
from harness.judge import Judgement, judge
from worlds.histories.by_hand import history, queue_run
from worlds.histories.random import Mix, as_history, simulate
from worlds.planted import checkers as wrong
from worlds.planted import endings, queues, zxids
from worlds.planted import histories as shown
from worlds.planted.script import served

ALARM = "false alarm: "
MISSED = "missed: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A history with a bug in it, and the checker and reason that it must be found for."""

    name: str
    checker: str
    reason: str
    history: Callable[[], History]
    claim: Level = "linearizable"
    recovery_s: float | None = None
    availability: AvailabilityBound | None = None
    put_aside: tuple[Literal["partial", "dead"], ...] = ()
    within: wrong.Applied = nullcontext

    def reasons(self) -> set[str]:
        """Return what the checker found; nothing if the run was called valid all the same."""
        with self.within():
            judged = self.judged()
        if judged.verdict is Verdict.VALID:
            return set()
        return {
            r for result in judged.results if result.name == self.checker for r in result.reasons
        }

    def judged(self) -> Judgement:
        """Judge the history by all checkers."""
        claim = Claim(
            level=self.claim,
            recovery_s=self.recovery_s,
            availability=self.availability,
            put_aside=self.put_aside,
        )
        return judge(self.history(), claim)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A checker with a bug: it misses what is planted in a history, or accuses a sound one."""

    name: str
    reason: str
    applied: wrong.Applied

    def reasons(self) -> set[str]:
        """Return its reason if the mutant gives it; else all that it judges differently."""
        with self.applied():
            if MISJUDGED[self.reason]():
                return {self.reason}
            return {reason for reason, misjudged in MISJUDGED.items() if misjudged()}


def _queue(name: str, kind: type[queues.Correct], checker: str, reason: str) -> Planted:
    return Planted(name=name, checker=checker, reason=reason, history=lambda: served(kind()))


QUEUES = [
    _queue("acknowledges before it writes", queues.AckBeforeWrite, "total-queue", "lost"),
    _queue("an election loses the head", queues.LosesHead, "total-queue", "lost"),
    _queue("an election takes a put back", queues.RollsBack, "total-queue", "lost"),
    _queue("release forgets the item", queues.ReleaseLoses, "total-queue", "lost"),
    _queue("nobody reads the dead one's items", queues.PartialUnread, "total-queue", "lost"),
    _queue("a byte of an item changes", queues.Corrupts, "total-queue", "unexpected"),
    _queue("not empty at the start", queues.Leftover, "total-queue", "unexpected"),
    _queue("writes what it refused", queues.RefusesAndWrites, "total-queue", "phantom"),
    _queue("writes a put twice", queues.WritesTwice, "total-queue", "duplicated"),
    _queue("last in, first out", queues.LastInFirstOut, "priority-fifo", "fifo-order"),
    _queue("a release loses its place", queues.ReturnsToTheTail, "priority-fifo", "fifo-order"),
    _queue("priorities are ignored", queues.NoPriorities, "priority-fifo", "priority-order"),
    _queue("largest priority first", queues.LargestFirst, "priority-fifo", "priority-order"),
    _queue("priorities as text", queues.PrioritiesAsText, "priority-fifo", "priority-order"),
    _queue("empty while the head is held", queues.EmptyWhileHeld, "priority-fifo", "false-empty"),
    _queue("reserves by an old listing", queues.StaleListing, "priority-fifo", "priority-order"),
    _queue("puts overtake each other", queues.Pipelines, "producer-order", "producer-order"),
    _queue("done gives back", queues.DoneKeeps, "ownership", "redelivered-after-done"),
    _queue("an election undoes done", queues.DoneUndone, "ownership", "redelivered-after-done"),
    _queue("reserve marks nothing", queues.NoLock, "ownership", "double-ownership"),
    _queue("steals from the living", queues.StealsFromTheLiving, "ownership", "double-ownership"),
    _queue("done without a fence", queues.NoFence, "ownership", "success-after-expiry"),
    _queue("anybody may acknowledge", queues.AnybodyAcks, "ownership", "ack-without-hold"),
    _queue("done succeeds twice", queues.AcksTwice, "ownership", "double-ack"),
]


def _run(name: str, checker: str, reason: str, made: Callable[[], History], **more: Any) -> Planted:
    return Planted(name=name, checker=checker, reason=reason, history=made, **more)


def _sequence(name: str, reason: str, made: Callable[[], History]) -> Planted:
    return _run(name, "strictly-increasing", reason, made, claim="snapshot")


HISTORIES = [
    _sequence("lost head", "missing", lambda: queue_run(5, lost=[1])),
    _sequence("lost tail", "missing", lambda: queue_run(5, lost=[5])),
    _sequence("lost in the middle", "missing", lambda: queue_run(5, lost=[3])),
    _sequence("leftover of another run", "unexpected", shown.leftover_of_another_run),
    _sequence("two swapped", "out-of-order", lambda: queue_run(5, order=[1, 3, 2, 4, 5])),
    _run("everything lost", "total-queue", "lost", lambda: queue_run(5, lost=range(1, 6))),
    _run("nothing acknowledged", "total-queue", "nothing-acknowledged", shown.vacuous),
    _run("nothing happened", "total-queue", "nothing-acknowledged", history),
    _run("missing without a drain", "total-queue", "no-drain", shown.without_drain),
    _run("missing, perhaps taken", "total-queue", "maybe-taken", shown.perhaps_taken),
    _run("more than a take can have", "total-queue", "lost", shown.one_more_than_perhaps_taken),
    _run("no reserve succeeds", "stats", "never-succeeded", shown.reserves_fail),
    _run(
        "taken twice",
        "fifo",
        "taken-twice",
        lambda: history(shown.PUT_1, shown.taken(1, 1)),
    ),
    _run("taken, never put", "fifo", "never-put", lambda: history(shown.PUT_1, shown.taken(9))),
    _run(
        "taken before its put",
        "fifo",
        "taken-early",
        lambda: history(shown.taken(1), shown.op("put", 1, 40, 45)),
    ),
    _run(
        "taken out of order",
        "fifo",
        "fifo-order",
        lambda: history(shown.PUT_1, shown.PUT_2, shown.taken(2, 1)),
    ),
    _run(
        "one skipped for good",
        "fifo",
        "fifo-order",
        lambda: history(shown.PUT_1, shown.PUT_2, shown.taken(2)),
    ),
    _run(
        "empty, and one was there",
        "fifo",
        "false-empty",
        lambda: history(shown.PUT_1, shown.taken(None, 1)),
    ),
    _run("empty, and two relayed", "fifo", "false-empty", shown.empty_while_two_relay),
    _run(
        "a producer's items swapped",
        "producer-order",
        "producer-order",
        shown.swapped_by_one_producer,
        claim="stale",
    ),
    _run(
        "a batch out of order",
        "producer-order",
        "producer-order",
        shown.batch_out_of_order,
        claim="stale",
    ),
    _run(
        "reserved before its put",
        "ownership",
        "delivered-before-put",
        shown.acknowledged_before_its_put,
    ),
    _run("woken after death", "ownership", "success-after-expiry", shown.woken_after_death),
    _run("done past the session", "fencing", "success-after-expiry", shown.done_past_the_session),
    _run("done by a sleeper", "ownership", "stale-ack", shown.done_by_a_sleeper),
    _run(
        "an urgent one waits",
        "priority-fifo",
        "priority-order",
        shown.urgent_waits,
        claim="snapshot",
    ),
    _run(
        "a returned one waits",
        "priority-fifo",
        "fifo-order",
        shown.second_generation_late,
        claim="snapshot",
    ),
    _run("two of a group at once", "groups", "group-overlap", shown.group_held_at_once),
    _run("a group's items swapped", "groups", "group-order", shown.group_swapped),
    _run("slow to recover", "availability", "slow-recovery", shown.slow_to_recover, recovery_s=5.0),
    _run(
        "served by a minority",
        "availability",
        "too-available",
        shown.served_by_a_minority,
        availability=AvailabilityBound(during="kill", max_fraction=0.0),
    ),
    _run("the fault never bit", "faults-bit", "faults-did-not-bite", shown.toothless),
    _run("the heal failed", "faults-bit", "not-healed", shown.unhealed),
    _run("a server stays away", "recovery", "server-lost", shown.server_that_stays_away),
    _run("a damaged file", "total-queue", "malformed-lines", shown.damaged),
    _run(
        "a checker throws",
        "total-queue",
        "checker-failed",
        lambda: queue_run(5),
        within=wrong.replaced(TotalQueue, "check", mock.Mock(side_effect=KeyError("bug"))),
    ),
]

HISTORIES += [
    _run(name, "total-queue", reason, made, claim="snapshot", put_aside=("dead",))
    for name, (reason, made) in endings.CASES.items()
]
HISTORIES += [
    _run(name, case.checker, case.reason, case.history, claim=case.claim)
    for name, case in zxids.CASES.items()
]


def _mutant(name: str, reason: str, applied: wrong.Applied) -> Mutant:
    return Mutant(name=name, reason=reason, applied=applied)


SOUND: dict[str, Callable[[], History]] = {
    "a correct queue": lambda: served(queues.Correct()),
    "one after the other": lambda: queue_run(5),
    "calls that touch": shown.ties,
    "groups side by side": shown.groups_side_by_side,
    "empty between two": shown.empty_between_two,
    "random runs": lambda: as_history(simulate(Random(5), Mix(release=0.2, crash=0.1))),
    **zxids.SOUND,
}


def _missed(planted: Planted) -> bool:
    return planted.reason not in planted.reasons()


def _accused(made: Callable[[], History]) -> bool:
    return judge(made(), Claim(level="linearizable")).verdict is Verdict.INVALID


MISJUDGED: dict[str, Callable[[], bool]] = {
    **{MISSED + planted.name: partial(_missed, planted) for planted in (*QUEUES, *HISTORIES)},
    **{ALARM + name: partial(_accused, made) for name, made in SOUND.items()},
}
"""What a broken checker can judge differently, and whether it does now."""

CHECKERS = [
    _mutant("the original's check_all", MISSED + "lost head", wrong.ORIGINAL),
    _mutant("check_all again", MISSED + "lost tail", wrong.ORIGINAL),
    _mutant("check_all once more", MISSED + "leftover of another run", wrong.ORIGINAL),
    _mutant("duplicates pass, as in Jepsen", MISSED + "writes a put twice", wrong.NO_DUPLICATES),
    _mutant("an empty history passes, as in Jepsen", MISSED + "nothing happened", wrong.NO_DOUBTS),
    _mutant("nothing is ever lost", MISSED + "everything lost", wrong.NO_LOST),
    _mutant(
        "delivered once is safe",
        MISSED + "nobody reads the dead one's items",
        wrong.DELIVERED_IS_SAFE,
    ),
    _mutant("one server suffices", MISSED + "on one server only", wrong.ONE_SERVER),
    _mutant("any place will do", MISSED + "a dead one's item moved to partial", wrong.ANY_PLACE),
    _mutant("giving up is fine", MISSED + "a dead one keeps its item", wrong.NO_DOUBTS),
    _mutant("inventions pass", MISSED + "not empty at the start", wrong.NO_INVENTED),
    _mutant("what is done may stay", MISSED + "done, and still there", wrong.NOTHING_LEFT),
    _mutant("unknown takes excuse nothing", MISSED + "missing, perhaps taken", wrong.NO_EXCUSE),
    _mutant("unknown takes excuse all", MISSED + "more than a take can have", wrong.ANY_EXCUSE),
    _mutant("sessions never end", MISSED + "woken after death", wrong.NO_EXPIRY),
    _mutant("servers never tell of an end", MISSED + "done past the session", wrong.NO_LOGS),
    _mutant("two owners pass", MISSED + "steals from the living", wrong.NO_OVERLAPS),
    _mutant("each window alone", MISSED + "empty, and two relayed", wrong.NO_CHAIN),
    _mutant("windows have their ends", ALARM + "empty between two", wrong.CLOSED_WINDOWS),
    _mutant("intervals are open", ALARM + "calls that touch", wrong.open_intervals),
    _mutant("every delivery was delayed", MISSED + "a producer's items swapped", wrong.ALL_DELAYED),
    _mutant("zxids need not agree with time", MISSED + "read of the past", wrong.NO_REAL_TIME),
    _mutant("any count will do", MISSED + "counted twice as first", wrong.NO_COUNTS),
    _mutant("windows are endless", MISSED + "beyond its window", wrong.NO_CROWD),
    _mutant("holds of a group last for ever", ALARM + "groups side by side", wrong.ENDLESS),
    _mutant("groups are held in any order", MISSED + "a group's items swapped", wrong.ANY_ORDER),
    _mutant("a damaged file is whole", MISSED + "a damaged file", wrong.UNDOUBTED),
    _mutant("throwing is passing", MISSED + "a checker throws", wrong.throwing_is_passing),
    _mutant("the mildest verdict wins", MISSED + "lost tail", wrong.MILDEST),
]

KINDS: dict[str, list[Planted] | list[Mutant]] = {
    "queue": [*QUEUES],
    "history": [*HISTORIES],
    "checker": [*CHECKERS],
}


def main() -> int:
    """Try each, print those that were not found for their reason, and the counts."""
    found = planted = 0
    for kind, entries in KINDS.items():
        for entry in entries:
            reasons, planted = entry.reasons(), planted + 1
            found += entry.reason in reasons
            if entry.reason not in reasons:
                got = ", ".join(sorted(reasons)) or "nothing"
                print(f"not found: {kind}: {entry.name}: expected {entry.reason}, got {got}")
    alarms = [name for name in sorted(MISJUDGED) if name.startswith(ALARM) and MISJUDGED[name]()]
    for alarm in alarms:
        print(alarm)
    print(f"gallery: found {found} / planted {planted}")
    return int(found < planted or bool(alarms))


if __name__ == "__main__":
    sys.exit(main())
