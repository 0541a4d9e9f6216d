"""The session fence, checked against the servers' own transaction logs."""

from collections import Counter, defaultdict
from typing import ClassVar

import numpy as np

from harness.checkers import checkers
from harness.checkers.evidence.holds import holds
from harness.checkers.evidence.violations import Proof, conclude, nothing_shown, proved
from harness.claim import Claim
from harness.common.verdict import CheckResult
from harness.history.columns import OK, RESERVE, History, Ints, derived
from harness.history.record import Value

NAME = "fencing"


@checkers.register(NAME)
class Fencing:
    """No claim, acknowledgement or release took effect after the end of the session it needs.

    A claim needs the session that made it; an acknowledgement or release needs the session of its
    claim. Each server writes the end of every session to its transaction log, and the zxids tell
    which came first. An end in the logs of most servers was committed. One in fewer logs may be a
    proposal that failed: it is counted (`unsure`) and not judged. O(n log n). INVALID for
    `success-after-expiry`; UNKNOWN (`sessions-unread`) if most servers' logs could not be read.

    It can miss a call whose session had been replaced by the time its answer was recorded.
    """

    finds: ClassVar[frozenset[str]] = frozenset({"success-after-expiry"})

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Ask for zxids, and for the servers' logs."""
        if not len(_of_claims(history)[0]):
            return "zxids of claims"
        return None if any(history.notes_named("sessions-ended")) else "the servers' logs"

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Compare the zxid of each call with that of the end of the session it needed."""
        ended, unsure, read = _ended(history)
        row, claim_row = _of_claims(history)
        session = history.session[claim_row]
        end = np.full(max(history.number_of_session.values(), default=0) + 2, -1, np.int64)
        for name, zxid in ended.items():
            if name in history.number_of_session:
                end[history.number_of_session[name]] = zxid
        over = end[session]  # -1, of no session, is the last place, which no session has
        late = np.flatnonzero((over >= 0) & (history.zxid[row] > over))
        names = {number: name for name, number in history.number_of_session.items()}

        def prove(item: Value, at: int) -> Proof:
            call = history.operation(row[at])
            said = f"A {call.f} of {item!r} took effect at zxid {call.zxid:#x}, after the session "
            said += f"{names[session[at]]} that it needed had ended at {over[at]:#x}."
            return said, dict.fromkeys([claim_row[at], row[at]])

        found, others = proved(
            history, "success-after-expiry", late, history.value[row[late]], prove
        )
        return conclude(
            NAME,
            history,
            found,
            doubts=nothing_shown(history) + ["sessions-unread"] * (not read),
            details={
                "compared": int((over >= 0).sum()),
                "sessions_ended": int((end >= 0).sum()),
                "unsure": unsure,
            },
            others=others,
        )


@derived
def _of_claims(history: History) -> tuple[Ints, Ints]:
    """Return the rows that took effect at a known zxid, and those of the claims they needed."""
    reserved = np.flatnonzero(history.is_(RESERVE, OK) & (history.value >= 0))
    held = holds(history)
    ends = held.endings
    place = np.flatnonzero((ends.hold >= 0) & ends.final)
    row = np.concatenate([reserved, ends.row[place]])
    by = np.concatenate([reserved, held.row[ends.hold[place]]])
    known = history.zxid[row] >= 0
    return row[known], by[known]


def _ended(history: History) -> tuple[dict[str, int], int, bool]:
    """Return zxids by session, the number of unsure ones, and whether most servers were read."""
    told: dict[str, Counter[int]] = defaultdict(Counter)
    servers = [note.value for note in history.last_by_node("sessions-ended")]
    read = [server["zxids"] for server in servers if server.get("error") is None]
    for zxids in read:
        for session, zxid in zxids.items():
            told[session][zxid] += 1
    most = {session: zxids.most_common(1)[0] for session, zxids in told.items()}
    sure = {s: zxid for s, (zxid, count) in most.items() if 2 * count > len(servers)}
    return sure, len(told) - len(sure), 2 * len(read) > len(servers)
