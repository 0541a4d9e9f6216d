"""Processes of this machine that belong to a quorum, found by variables in their environment.

The environment of a worker names its harness, with which it ends. The environment of a gateway
beside a quorum started by hand names the quorum's run and engine, and its own URL; it ends with the
quorum.
"""

import contextlib
import os
import signal
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.engine import labels, ledger
from harness.common.polling import wait_until

RUN_VARIABLE = "ZKMQ_BESIDE_RUN"
URL_VARIABLE = "ZKMQ_BESIDE_URL"
ENGINE_VARIABLE = "ZKMQ_BESIDE_ENGINE"
END_WITHIN_S = 15.0  # a gateway gives its clients and its sessions ten seconds
KILLED_WITHIN_S = 30.0
_POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A process that stands beside the quorum of a run on an engine, and the URL that it serves."""

    pid: int
    run: str
    url: str
    engine: str

    @property
    def running(self) -> bool:
        """Whether it has not ended; a zombie has."""
        return labels.start_ticks(self.pid) is not None


def marks(run: str, url: str, engine: str) -> dict[str, str]:
    """Return what the environment of a process beside a quorum must hold to be found here."""
    return {RUN_VARIABLE: run, URL_VARIABLE: url, ENGINE_VARIABLE: engine}


def log_of(run: str) -> Path:
    """Return where the processes beside a quorum log; removed with the quorum."""
    return ledger.folder() / f"{run}.log"


def beside(run: str | None = None) -> list[Beside]:
    """Return the processes beside the quorum of a run; of all runs, even ended ones, if None."""
    found = [
        Beside(
            pid=pid,
            run=variables[RUN_VARIABLE],
            url=variables[URL_VARIABLE],
            engine=variables.get(ENGINE_VARIABLE, ""),  # an earlier release did not name it
        )
        for pid, variables in _environments()
        if RUN_VARIABLE in variables and URL_VARIABLE in variables
    ]
    return [one for one in found if run in {None, one.run}]


def end(ended: Collection[Beside]) -> None:
    """End processes with SIGTERM, and after END_WITHIN_S with SIGKILL; wait until they are gone."""
    for number, within_s in ((signal.SIGTERM, END_WITHIN_S), (signal.SIGKILL, KILLED_WITHIN_S)):
        for one in ended:
            _signal(one, number)
        wait_until(
            lambda: not any(one.running for one in ended), within_s=within_s, every_s=_POLL_S
        )
    for one in ended:
        log_of(one.run).unlink(missing_ok=True)


def orphans() -> Iterator[int]:
    """Give the pids of worker processes whose harness is gone.

    A worker ends by itself when its pipe closes; a stopped (SIGSTOP) one cannot.
    """
    for pid, variables in _environments():
        owner = variables.get(labels.OWNER_VARIABLE)
        if owner and pid != os.getpid() and _has_ended(owner):
            yield pid


def _has_ended(owner: str) -> bool:
    try:
        return not labels.Owner.parse(owner).alive()
    except ValueError:
        return False  # not written by us, so not ours to end


def _environments() -> Iterator[tuple[int, Mapping[str, str]]]:
    """Give pid and environment of each process that may be looked at."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            content = (entry / "environ").read_bytes()
        except OSError:
            continue  # it has just ended, or is another user's
        pairs = (pair.decode(errors="replace").partition("=") for pair in content.split(b"\0"))
        yield int(entry.name), {name: value for name, _, value in pairs}


def _signal(one: Beside, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended
        if one.running:
            os.kill(one.pid, number)
