"""A server's wall clock, moved by libfaketime: an offset in a file that the server rereads.

The library comes from the sandbox's image through the disk they share, so any server image will
do whose libc is not older than the sandbox's.
"""

import time
from typing import TYPE_CHECKING

from cluster.config import FAKETIME_LIBRARY, FAKETIME_OFFSET, NEMESIS_FOLDER
from cluster.containers import execute
from cluster.errors import ClusterError
from harness.target import Evidence, UnsupportedError

if TYPE_CHECKING:
    from cluster.pod import Pod

SEEN_WITHIN_S = 5.0
TOLERANCE_S = 1.5  # both dates are whole seconds, and asked for one after the other


def install(pod: "Pod") -> None:
    """Put the library and an offset of nothing on a node's disk, before its server is created."""
    script = (
        f"mkdir -p {NEMESIS_FOLDER} && cp /usr/lib/*/faketime/libfaketimeMT.so.1 {NEMESIS_FOLDER}/ "
        f"&& echo '+0' > {FAKETIME_OFFSET}"
    )
    pod.run(["sh", "-c", script])


def set_offset(pod: "Pod", offset_s: float) -> Evidence:
    """Move the clock, and wait until the server's container sees it.

    A server that is down or paused cannot be asked; it has the new time when it goes on.
    """
    _require(pod)
    lease = pod.lease.take() if offset_s else "true"
    pod.run(
        [
            "sh",
            "-c",
            f"rm -f /run/nemesis/strobe; {lease} && echo '{offset_s:+g}' > {FAKETIME_OFFSET}",
        ]
    )
    deadline = time.monotonic() + SEEN_WITHIN_S
    while (seen_s := seen_offset_s(pod)) is not None and abs(seen_s - offset_s) > TOLERANCE_S:
        if time.monotonic() > deadline:
            raise ClusterError(
                f"node {pod.id}: expected a clock {offset_s:+g} s off within {SEEN_WITHIN_S:g} s, "
                f"got {seen_s:+d} s"
            )
        time.sleep(0.1)
    return {"node": pod.id, "offset_s": seen_s}


def strobe(pod: "Pod", offset_s: float, period_s: float) -> Evidence:
    """Jump to and fro in a loop that the sandbox runs, until `set_offset` or the lease ends it."""
    _require(pod)
    half_s = f"{period_s / 2:g}"
    loop = (
        f"touch /run/nemesis/strobe; while [ -f /run/nemesis/strobe ]; do "
        f"echo '{offset_s:+g}' > {FAKETIME_OFFSET}; sleep {half_s}; "
        f"[ -f /run/nemesis/strobe ] || break; echo '+0' > {FAKETIME_OFFSET}; sleep {half_s}; done"
    )
    pod.run(["sh", "-c", f"{pod.lease.take()} && ({loop}) > /dev/null 2>&1 &"])
    # The server rereads the file once a second, so a look now and then meets both times.
    seen: list[int] = []
    deadline = time.monotonic() + max(SEEN_WITHIN_S, 3 * period_s)
    while time.monotonic() < deadline and len(set(seen)) < 2:
        if (seen_s := seen_offset_s(pod)) is not None:
            seen.append(round(offset_s) if abs(seen_s - offset_s) <= TOLERANCE_S else seen_s)
        time.sleep(0.1)
    most_s = max(seen, key=abs, default=None)
    return {"node": pod.id, "offset_s": most_s, "seen_s": sorted(set(seen))}


def seen_offset_s(pod: "Pod") -> int | None:
    """Return how far a new process in the server's container sees its clock off, in seconds.

    None if the server is down or paused: there can be no new process then.
    """
    try:
        status, told = execute(pod.server, ["date", "+%s"])
    except ClusterError:
        pod.server.reload()
        if pod.server.status == "running":
            raise
        return None
    if status != 0:
        raise UnsupportedError(
            f"node {pod.id}: libfaketime does not fit this server's libc: {told!r}"
        )
    return int(told) - int(pod.run(["date", "+%s"]))


def _require(pod: "Pod") -> None:
    if f"LD_PRELOAD={FAKETIME_LIBRARY}" not in pod.server.attrs["Config"]["Env"]:
        raise UnsupportedError(
            f"node {pod.id}: its server shares the machine's clock; start it with `faketime: true`"
        )
