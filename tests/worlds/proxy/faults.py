"""What a proxy can do to one request: the faults of a crash point."""

from enum import Enum


class Fault(Enum):
    """One fault at one request. The value is what a report calls it.

    LOSE_REQUEST      it vanishes, with all behind it, on a connection that stays open until the
                      client asks again
    LOSE_REPLY        it is applied; its reply vanishes, with all behind it, on a connection that
                      stays open until the client's next request has been applied too
    CUT_BEFORE        the connection breaks, and it never arrives
    CUT_AFTER         it is applied, and the connection breaks
    EXPIRE_BEFORE     the session ends, and it never arrives
    EXPIRE_AFTER      it is applied, and the session ends before the reply
    LATE              the session ends; it arrives after the call has ended, in the next session
    DEADLINE_BEFORE   the connection breaks, the call's deadline passes, and only then another opens
    DEADLINE_AFTER    the same, but it was applied
    DEADLINE_LATE     the same, and it arrives after the outcome was asked for
    OVERTAKEN         it arrives after other clients have done something
    KILL_BEFORE       the process is killed, and it never arrives
    KILL_AFTER        it is applied, and the process is killed
    """

    LOSE_REQUEST = "lose-request"
    LOSE_REPLY = "lose-reply"
    CUT_BEFORE = "cut-before"
    CUT_AFTER = "cut-after"
    EXPIRE_BEFORE = "expire-before"
    EXPIRE_AFTER = "expire-after"
    LATE = "late"
    DEADLINE_BEFORE = "deadline-before"
    DEADLINE_AFTER = "deadline-after"
    DEADLINE_LATE = "deadline-late"
    OVERTAKEN = "overtaken"
    KILL_BEFORE = "kill-before"
    KILL_AFTER = "kill-after"

    def __str__(self) -> str:
        """As in reports."""
        return self.value


# Struck when the reply has come back from the server, and not before the request goes there.
AFTER = frozenset(
    {
        Fault.LOSE_REPLY,
        Fault.CUT_AFTER,
        Fault.EXPIRE_AFTER,
        Fault.DEADLINE_AFTER,
        Fault.KILL_AFTER,
    }
)
EXPIRES = frozenset(
    {
        Fault.EXPIRE_BEFORE,
        Fault.EXPIRE_AFTER,
        Fault.LATE,
        Fault.KILL_BEFORE,
        Fault.KILL_AFTER,
    }
)
PASSES_DEADLINE = frozenset({Fault.DEADLINE_BEFORE, Fault.DEADLINE_AFTER, Fault.DEADLINE_LATE})
HOLDS = frozenset({Fault.LATE, Fault.DEADLINE_LATE})
KILLS = frozenset({Fault.KILL_BEFORE, Fault.KILL_AFTER})
# What a client can only notice by its own patience.
SILENT = frozenset({Fault.LOSE_REQUEST, Fault.LOSE_REPLY})
