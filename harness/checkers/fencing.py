"""The fence: what a consumer did took effect before its session's end, by the servers' own logs."""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from harness.checkers import Claim, checkers
from harness.checkers.findings import SHOWN, Violation, conclude, nothing_shown
from harness.checkers.holds import DONE_OK, RELEASE_OK, holds
from harness.history import OK, RESERVE, History, derived
from harness.verdict import CheckResult

NAME = "fencing"
Ints = NDArray[np.int64]


@checkers.register(NAME)
class Fencing:
    """No claim, acknowledgement or release took effect after the session had ended that it needs.

    A claim needs the session it was made in, all else the one that made the claim. Each server
    writes every session's end to its transaction log; the zxids of both sides say which was first.
    O(n log n). INVALID for `success-after-expiry`; UNKNOWN (`sessions-unread`) if no server's log
    could be read.

    It can miss what was done in a session that had been replaced when the answer was recorded, and
    ends that no log has or of which two servers tell different zxids.
    """

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Ask for zxids, and for the servers' logs."""
        if not (_of_claims(history)[0] >= 0).any():
            return "zxids of claims"
        return None if any(history.notes_named("sessions-ended")) else "the servers' logs"

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Compare zxids."""
        ended, disputed, read = _ended(history)
        row, session = _of_claims(history)
        end = np.full(max(history.number_of_session.values(), default=0) + 2, -1, np.int64)
        for name, zxid in ended.items():
            if name in history.number_of_session:
                end[history.number_of_session[name]] = zxid
        over = end[session]  # -1, of no session, is the last place, which no session has
        late = np.flatnonzero((over >= 0) & (history.zxid[row] > over))
        names = {number: name for name, number in history.number_of_session.items()}
        found = [
            _late(history, int(row[at]), str(names[int(session[at])]), int(over[at]))
            for at in late[:SHOWN]
        ]
        return conclude(
            NAME,
            history,
            found,
            doubts=nothing_shown(history) + ["sessions-unread"] * (not read),
            details={
                "compared": int((over >= 0).sum()),
                "sessions_ended": int((end >= 0).sum()),
                "disputed": len(disputed),
                "logs_read": read,
            },
            more=len(late) - len(found),
        )


@derived
def _of_claims(history: History) -> tuple[Ints, Ints]:
    """Return the rows that took effect at a known zxid, and the session that each needed."""
    reserved = np.flatnonzero(history.is_(RESERVE, OK) & (history.value >= 0))
    held = holds(history)
    ends = held.endings
    place = np.flatnonzero((ends.hold >= 0) & ((ends.kind == DONE_OK) | (ends.kind == RELEASE_OK)))
    row = np.concatenate([reserved, ends.row[place]])
    by = np.concatenate([reserved, held.row[ends.hold[place]]])
    known = history.zxid[row] >= 0
    return row[known], history.session[by[known]].astype(np.int64)


def _ended(history: History) -> tuple[dict[str, int], set[str], int]:
    """Return zxids by session, the sessions of which servers differ, and how many were read."""
    told: dict[str, set[int]] = defaultdict(set)
    last = {note.value["node"]: note.value for note in history.notes_named("sessions-ended")}
    read = [note for note in last.values() if note["error"] is None]
    for note in read:
        for session, zxid in note["zxids"].items():
            told[session].add(zxid)
    agreed = {session: min(zxids) for session, zxids in told.items() if len(zxids) == 1}
    return agreed, set(told) - set(agreed), len(read)


def _late(history: History, row: int, session: str, end: int) -> Violation:
    call = history.operation(row)
    return Violation(
        reason="success-after-expiry",
        sentence=f"A {call.f} of {call.value!r} took effect at zxid {call.zxid:#x}, after the "
        f"session {session} that it needed had ended at {end:#x}.",
        rows=(row,),
        values=(history.values[history.value[row]],),
    )
