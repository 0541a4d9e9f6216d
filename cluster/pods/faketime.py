"""A server's wall clock, moved by libfaketime: an offset in a file that the server rereads.

The library comes from the sandbox's image through the disk that sandbox and server share, so any
server image will do whose libc is not older than the sandbox's.
"""

import secrets
from collections.abc import Callable

from cluster.cluster_errors import ClusterError
from cluster.config import FAKETIME_OFFSET, NEMESIS_FOLDER
from cluster.pods import server_time
from cluster.pods.sandbox import Sandbox
from harness.common.polling import wait_until
from harness.target import Evidence

SEEN_WITHIN_S = 30.0
TOLERANCE_S = 1.5  # clocks are read one after the other, on a machine that may be busy
POLL_S = 0.1
_STROBE = "/run/nemesis/strobe"
_LOCK = "/run/nemesis/clock.lock"


def install(sandbox: Sandbox) -> None:
    """Put the library and an offset of zero on a node's disk, before its server is created."""
    script = (
        f"mkdir -p {NEMESIS_FOLDER} && cp /usr/lib/*/faketime/libfaketimeMT.so.1 {NEMESIS_FOLDER}/ "
        f"&& printf '%-20s\\n' +0 | tee {FAKETIME_OFFSET} > {FAKETIME_OFFSET}.spare"
    )
    sandbox.run(["sh", "-c", script])


def set_offset(sandbox: Sandbox, offset_s: float, *, running: Callable[[], bool]) -> Evidence:
    """Move the clock, and wait until the server itself tells the new time.

    A server that does not serve cannot be asked. Then `offset_s` is None, and the new time holds
    as soon as the server goes on. A server that is not `running` is asked only once.

    Raises:
        ClusterError: the clock was to be set right, and the server tells another time; or a lease
            was not renewed, so the clock may have been set right before.
    """
    lease = sandbox.lease.take() if offset_s else "true"
    sandbox.run(["sh", "-c", _alone(f"rm -f {_STROBE}; {lease} && {_written(offset_s)}")])
    sandbox.lease.check()
    seen_s = wait_until(
        lambda: seen_offset_s(sandbox),
        lambda seen_s: _near(seen_s, offset_s) or not running(),
        within_s=SEEN_WITHIN_S,
        every_s=POLL_S,
    )
    if seen_s is not None and not offset_s and not _near(seen_s, 0.0):
        raise ClusterError(
            f"node {sandbox.id}: expected its clock right within {SEEN_WITHIN_S:g} s, "
            f"got it {seen_s:+g} s off"
        )
    return {"node": sandbox.id, "offset_s": seen_s}


def strobe(
    sandbox: Sandbox, offset_s: float, period_s: float, *, running: Callable[[], bool]
) -> Evidence:
    """Jump back and forth in a loop in the sandbox, until `set_offset` or the end of the lease."""
    mine, half_s = secrets.token_hex(4), f"{period_s / 2:g}"
    # An earlier loop that still sleeps must not mistake this loop's file for its own.
    goes_on = f'[ "$(cat {_STROBE} 2>/dev/null)" = {mine} ]'
    there, back = (_alone(f"{goes_on} || exit 1; {_written(s)}; true") for s in (offset_s, 0.0))
    loop = (
        f"echo {mine} > {_STROBE}; while {there}; do "
        f"sleep {half_s}; {back} || break; sleep {half_s}; done"
    )
    sandbox.run(["sh", "-c", f"{sandbox.lease.take()} && ({loop}) > /dev/null 2>&1 &"])
    seen: set[float] = set()

    def look() -> bool:
        """Record the offset that the server shows now; return whether it can be asked."""
        if (seen_s := seen_offset_s(sandbox)) is None:
            return running()
        seen.add(next((at_s for at_s in (0.0, offset_s) if _near(seen_s, at_s)), seen_s))
        return True

    wait_until(
        look,
        lambda can_tell: not can_tell or {0.0, offset_s} <= seen,
        within_s=max(SEEN_WITHIN_S, 3 * period_s),
        every_s=POLL_S,
    )
    most_s = max(seen, key=abs, default=None)
    return {"node": sandbox.id, "offset_s": most_s, "seen_s": sorted(seen)}


def seen_offset_s(sandbox: Sandbox) -> float | None:
    """Return how many seconds the server's own clock is off; None if that cannot be seen.

    The sandbox's clock is right: nothing moves it, and it is on the same machine. It is read before
    and after the server's, so a busy machine's delay between them is known. If the delay leaves the
    offset uncertain by more than TOLERANCE_S, it is not seen.
    """
    before_ms = _right_ms(sandbox)
    told_ms = server_time.told_ms(sandbox.address)
    if told_ms is None:
        return None
    after_ms = _right_ms(sandbox)
    if after_ms - before_ms > 2 * TOLERANCE_S * 1000:
        return None
    return round((told_ms - (before_ms + after_ms) / 2) / 1000, 1)


def _right_ms(sandbox: Sandbox) -> int:
    return int(sandbox.ask(["date", "+%s%3N"], "date"))


def _alone(command: str) -> str:
    """Return a shell command beside which no other one of these runs.

    Else a strobe that has just found that it goes on would jump after its end.
    """
    return f"(flock 9; {command}) 9> {_LOCK}"


def _written(offset_s: float) -> str:
    """Return a shell command that replaces the offset's file atomically, also on a full disk.

    libfaketime ends the server's process if it reads an empty file. So the next offset is written
    into a spare file, which already has its block on the disk, and the two files are exchanged.
    `1<>` does not truncate the file first, so all offsets have the same length.
    """
    now, spare, old = FAKETIME_OFFSET, f"{FAKETIME_OFFSET}.spare", f"{FAKETIME_OFFSET}.old"
    change = f"ln -f {now} {old} && mv {spare} {now} && mv {old} {spare}"
    return f"printf '%-20s\\n' '{offset_s:+g}' 1<> {spare} && {change}"


def _near(seen_s: float | None, wanted_s: float) -> bool:
    return seen_s is not None and abs(seen_s - wanted_s) <= TOLERANCE_S
