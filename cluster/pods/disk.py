"""A disk that is full: a small disk in memory, filled from the sandbox, which keeps it mounted."""

from typing import TYPE_CHECKING

from cluster.config import NEMESIS_FOLDER
from harness.target import Evidence, UnsupportedError

if TYPE_CHECKING:
    from cluster.pods.pod import Pod

FILL = f"{NEMESIS_FOLDER}/fill"
PROBE = f"{NEMESIS_FOLDER}/probe"
_LIMIT_KB = 4 << 20  # a bigger disk is the machine's own, and not ours to fill


def fill(pod: "Pod") -> Evidence:
    """Leave no byte free, and show it by a write that fails."""
    size_kb, free_kb = _space(pod)
    if size_kb > _LIMIT_KB:
        raise UnsupportedError(
            f"node {pod.id}: its disk of {size_kb >> 20} GB is the machine's own; start it with "
            f"`data_mb`"
        )
    # What fallocate leaves over, less than a block of its own, dd writes.
    script = (
        f"{pod.lease.take()} && mkdir -p {NEMESIS_FOLDER} && fallocate -l {free_kb}K {FILL}; "
        f"dd if=/dev/zero of={FILL} bs=4k oflag=append conv=notrunc 2>/dev/null; "
        f"df -k --output=avail /data | tail -1; "
        f"if (echo x > {PROBE}) 2>/dev/null && [ -s {PROBE} ]; "
        f"then echo written; else echo failed; fi; rm -f {PROBE}"
    )
    left_kb, wrote = pod.run(["sh", "-c", script]).split()[-2:]
    return {
        "node": pod.id,
        "size_kb": size_kb,
        "filled_kb": free_kb,
        "free_kb": int(left_kb),
        "write_failed": wrote == "failed",
    }


def free(pod: "Pod") -> Evidence:
    """Remove the filling; return what is free now."""
    pod.run(["rm", "-f", FILL])
    return {"node": pod.id, "free_kb": _space(pod)[1]}


def _space(pod: "Pod") -> tuple[int, int]:
    told = pod.run(["df", "-k", "--output=size,avail", "/data"]).splitlines()[-1]
    size_kb, free_kb = told.split()
    return int(size_kb), int(free_kb)
