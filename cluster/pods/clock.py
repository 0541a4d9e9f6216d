"""A server's wall clock, moved by libfaketime: an offset in a file that the server rereads.

The library comes from the sandbox's image through the disk they share, so any server image will
do whose libc is not older than the sandbox's.
"""

import secrets
import time
from typing import TYPE_CHECKING

from cluster.cluster_errors import ClusterError
from cluster.config import FAKETIME_LIBRARY, FAKETIME_OFFSET, NEMESIS_FOLDER
from cluster.pods import server_time
from harness.target import Evidence, UnsupportedError

if TYPE_CHECKING:
    from cluster.pods.pod import Pod

SEEN_WITHIN_S = 5.0
TOLERANCE_S = 1.5  # both times are asked for one after the other, on a machine that may be busy
POLL_S = 0.1
_STROBE = "/run/nemesis/strobe"


def install(pod: "Pod") -> None:
    """Put the library and an offset of nothing on a node's disk, before its server is created."""
    script = (
        f"mkdir -p {NEMESIS_FOLDER} && cp /usr/lib/*/faketime/libfaketimeMT.so.1 {NEMESIS_FOLDER}/ "
        f"&& echo '+0' > {FAKETIME_OFFSET}"
    )
    pod.run(["sh", "-c", script])


def set_offset(pod: "Pod", offset_s: float) -> Evidence:
    """Move the clock, and wait until the server itself tells the new time.

    One that is down, paused or serves nobody cannot be asked: None. It has the new time when it
    goes on.

    Raises:
        ClusterError: the clock was to be set right, and the server tells another time.
    """
    _require(pod)
    lease = pod.lease.take() if offset_s else "true"
    pod.run(
        [
            "sh",
            "-c",
            f"rm -f {_STROBE}; {lease} && {_written(offset_s)}",
        ]
    )
    deadline = time.monotonic() + SEEN_WITHIN_S
    while not _near(seen_s := seen_offset_s(pod), offset_s) and pod.process == "running":
        if time.monotonic() > deadline:
            break
        time.sleep(POLL_S)
    if seen_s is not None and not offset_s and not _near(seen_s, 0.0):
        raise ClusterError(
            f"node {pod.id}: expected its clock right within {SEEN_WITHIN_S:g} s, "
            f"got it {seen_s:+g} s off"
        )
    return {"node": pod.id, "offset_s": seen_s}


def strobe(pod: "Pod", offset_s: float, period_s: float) -> Evidence:
    """Jump to and fro in a loop that the sandbox runs, until `set_offset` or the lease ends it."""
    _require(pod)
    mine, half_s = secrets.token_hex(4), f"{period_s / 2:g}"
    # An earlier loop that sleeps must not take this one's file for its own.
    goes_on = f'[ "$(cat {_STROBE} 2>/dev/null)" = {mine} ]'
    loop = (
        f"echo {mine} > {_STROBE}; while {goes_on}; do "
        f"{_written(offset_s)}; sleep {half_s}; "
        f"{goes_on} || break; {_written(0.0)}; sleep {half_s}; done"
    )
    pod.run(["sh", "-c", f"{pod.lease.take()} && ({loop}) > /dev/null 2>&1 &"])
    seen: set[float] = set()
    deadline = time.monotonic() + max(SEEN_WITHIN_S, 3 * period_s)
    while time.monotonic() < deadline and not {0.0, offset_s} <= seen:
        if (seen_s := seen_offset_s(pod)) is not None:
            seen.add(next((at_s for at_s in (0.0, offset_s) if _near(seen_s, at_s)), seen_s))
        elif pod.process != "running":
            break  # nobody is there to tell the time
        time.sleep(POLL_S)
    most_s = max(seen, key=abs, default=None)
    return {"node": pod.id, "offset_s": most_s, "seen_s": sorted(seen)}


def seen_offset_s(pod: "Pod") -> float | None:
    """Return how many seconds the server's own clock is off; None if it cannot be asked.

    Right is the clock of the sandbox, which nothing moves and which is on the same machine. On a
    busy machine the engine may give an empty answer; whoever waits asks again.
    """
    if (told_ms := server_time.told_ms(pod.address)) is None:
        return None
    right_ms = pod.run(["date", "+%s%3N"]).strip()
    return round((told_ms - int(right_ms)) / 1000, 1) if right_ms.isdecimal() else None


def _written(offset_s: float) -> str:
    """Return a shell command that replaces the offset's file whole.

    libfaketime ends the server's process if it reads an empty file, as it is for a moment when a
    shell writes into it.
    """
    new = f"{FAKETIME_OFFSET}.$$"
    return f"echo '{offset_s:+g}' > {new} && mv {new} {FAKETIME_OFFSET}"


def _near(seen_s: float | None, wanted_s: float) -> bool:
    return seen_s is not None and abs(seen_s - wanted_s) <= TOLERANCE_S


def _require(pod: "Pod") -> None:
    if f"LD_PRELOAD={FAKETIME_LIBRARY}" not in pod.server.attrs["Config"]["Env"]:
        raise UnsupportedError(
            f"node {pod.id}: its server shares the machine's clock; start it with `faketime: true`"
        )
