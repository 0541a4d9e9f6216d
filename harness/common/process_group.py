"""Process groups: programs of ours that lead one, who is in it, in which state, and its end."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from harness.common.polling import wait_until

END_WITHIN_S: Final = 5.0
_ENDED: Final = frozenset("ZX")
_POLL_S: Final = 0.01


def start(
    module: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: int = subprocess.PIPE,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: IO[bytes],
) -> subprocess.Popen[bytes]:
    """Start `python -m` with these words, in a session of its own, with more environment.

    Ctrl-C does not reach it: that is for the harness, which then ends it.
    """
    return subprocess.Popen(
        [sys.executable, "-m", *module],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        env={**os.environ, **environment},
    )


def members(group: int) -> Mapping[int, str]:
    """Return the state letter of each process of the group by pid, without those that ended.

    `T` is stopped. O(processes of the machine).
    """
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of = stat.read_text(errors="replace").rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue  # it has just ended
        if int(of) == group and state not in _ENDED:
            found[int(stat.parent.name)] = state
    return found


def tell(group: int, number: signal.Signals) -> None:
    """Send a signal to every process of a group; one without members is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def end_others() -> None:
    """End every other process of the group that this process leads, and wait until all have.

    A process that leads no group belongs to another's, and does nothing.
    """
    if os.getpgrp() != os.getpid():
        return

    def others() -> list[int]:
        found = [pid for pid in members(os.getpgrp()) if pid != os.getpid()]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return found

    wait_until(others, lambda found: not found, within_s=END_WITHIN_S, every_s=_POLL_S)
