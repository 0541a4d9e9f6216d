"""A node's disk: filled to the last byte, freed again, or its database deleted."""

from cluster.cluster_errors import ClusterError
from cluster.config import NEMESIS_FOLDER
from cluster.pods.sandbox import Sandbox
from cluster.pods.shimmed_disk import FORGET
from harness.common.harness_errors import UnsupportedError
from harness.target import Evidence

FILL = f"{NEMESIS_FOLDER}/fill"
PROBE = f"{NEMESIS_FOLDER}/probe"
_LIMIT_KB = 4 << 20  # a bigger disk is the machine's own, which is never filled
_DATABASE = "/data/version-2"  # log and snapshots
# An empty folder, or none, is 0 KB: nothing to wipe.
_DATABASE_KB = (
    f"find {_DATABASE} -type f -exec du -k {{}} + 2>/dev/null "
    "| awk '{ kb += $1 } END { print kb + 0 }'"
)


def fill(sandbox: Sandbox) -> Evidence:
    """Leave no byte free, and show it by a write that fails.

    Raises:
        UnsupportedError: the disk is the machine's own.
    """
    size_kb, free_kb = _space(sandbox)
    if size_kb > _LIMIT_KB:
        raise UnsupportedError(
            f"node {sandbox.id}: its disk of {size_kb >> 20} GB is the machine's own; start it "
            f"with `data_mb`"
        )
    # fallocate leaves less than one block free, and dd fills that. The script can be repeated.
    script = (
        f"{sandbox.lease.take()} && mkdir -p {NEMESIS_FOLDER} && fallocate -l {free_kb}K {FILL}; "
        f"dd if=/dev/zero of={FILL} bs=4k oflag=append conv=notrunc 2>/dev/null; "
        f"df -k --output=avail /data | tail -1; "
        f"if (echo x > {PROBE}) 2>/dev/null && [ -s {PROBE} ]; "
        f"then echo written; else echo failed; fi; rm -f {PROBE}"
    )
    left_kb, wrote = sandbox.ask(["sh", "-c", script], "fill").split()[-2:]
    return {
        "node": sandbox.id,
        "size_kb": size_kb,
        "filled_kb": free_kb,
        "free_kb": int(left_kb),
        "write_failed": wrote == "failed",
    }


def free(sandbox: Sandbox) -> Evidence:
    """Remove what `fill` wrote; return what is free now.

    Raises:
        ClusterError: a lease was not renewed, so it may have ended by itself.
    """
    sandbox.run(["rm", "-f", FILL])
    sandbox.lease.check()
    return {"node": sandbox.id, "free_kb": _space(sandbox)[1]}


def wipe(sandbox: Sandbox) -> Evidence:
    """Delete the database; return its size, and the names that are left, such as myid.

    Raises:
        ClusterError: something of the database is left.
    """
    wiped_kb = int(sandbox.ask(["sh", "-c", _DATABASE_KB], "du"))
    sandbox.run(["sh", "-c", f"rm -rf {_DATABASE} && {FORGET}"])
    left = sandbox.ask(["ls", "/data"], "ls").split()
    if "version-2" in left:
        raise ClusterError(f"node {sandbox.id}: wipe: {_DATABASE} is still there")
    return {"node": sandbox.id, "wiped_kb": wiped_kb, "left": left}


def _space(sandbox: Sandbox) -> tuple[int, int]:
    """Return the disk's size and what is free of it, in KB."""
    answer = sandbox.ask(["df", "-k", "--output=size,avail", "/data"], "df")
    size_kb, free_kb = answer.splitlines()[-1].split()
    return int(size_kb), int(free_kb)
