"""Turns at a quorum: one process of this user at a time removes it, or heals what was left.

`harness clean`, and runs that begin or end, may all come to the same quorum at once.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO

from cluster.cluster_errors import ClusterError
from cluster.engine import ledger
from harness.common.polling import wait_until

WITHIN_S = 120.0  # the longest a turn takes: its requests to the engine have limits of their own
POLL_S = 0.05


@contextmanager
def turn(run: str) -> Iterator[None]:
    """Wait for a turn at a run's quorum, and have it for the block; it ends with the process, too.

    Where no file can be written there are no turns: a full disk must not keep a quorum standing.

    Raises:
        ClusterError: another process still had it after WITHIN_S.
    """
    path = path_of(run)

    def late(_: object) -> ClusterError:
        return ClusterError(
            f"run {run}: expected the process that removes or heals it to end within "
            f"{WITHIN_S:g} s, it has not; `fuser {path}` says which it is"
        )

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = wait_until(lambda: _locked(path), within_s=WITHIN_S, every_s=POLL_S, late=late)
    except OSError:
        yield
        return
    assert held is not None
    with closing(held):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # before it is unlocked: see `_locked`


def path_of(run: str) -> Path:
    """Return the file that is locked during a turn, and there only then."""
    return ledger.folder() / f"{run}.turn"


def _locked(path: Path) -> IO[bytes] | None:
    """Return the file, locked; None if another process has it, or has just deleted it."""
    file = path.open("ab")
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
            return file
    file.close()
    return None
