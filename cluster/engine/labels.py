"""Labels on everything a run puts into the engine: its run, and the process that owns it.

The owner is named so that a later process with the same pid is not mistaken for it. A thing whose
owner is gone is a leftover, which `clean` removes.
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

PROJECT = "zkmq.harness"
RUN = "zkmq.run"
OWNER = "zkmq.owner"
BY_HAND = "zkmq.by-hand"
CHECKOUT = "zkmq.checkout"
NODE = "zkmq.node"
PART = "zkmq.part"
HOST = "zkmq.host"  # the name of the engine, where a quorum has several
_OUTERMOST = 0xEFFFFFFC  # inode of the PID namespace that each kernel starts with
OWNER_VARIABLE = "ZKMQ_OWNER"  # in the environment of worker processes, for the same purpose


@dataclass(frozen=True, slots=True)
class Owner:
    """A process on a machine: host, boot, pid and start time in clock ticks since boot.

    Attributes:
        host: the machine's name; in a container, also the namespace that the pid counts in. A
            container on its host's network has the host's name, and its processes have other pids.
    """

    host: str
    boot: str
    pid: int
    start_ticks: int

    def __str__(self) -> str:
        return f"{self.host}/{self.boot}/{self.pid}/{self.start_ticks}"

    @classmethod
    def parse(cls, text: str) -> "Owner":
        """Read what `str` wrote.

        Raises:
            ValueError: it was not written by `str`.
        """
        host, boot, pid, start_ticks = text.split("/")
        return cls(host, boot, int(pid), int(start_ticks))

    @classmethod
    def me(cls) -> "Owner":
        """Return the calling process as an owner of what it creates."""
        return cls(_host(), _boot_id(), os.getpid(), start_ticks(os.getpid()) or 0)

    def alive(self) -> bool:
        """Tell whether the process still runs; one that is not to be seen from here counts so."""
        here = Owner.me()
        if self.host != here.host:
            return True
        if self.boot != here.boot:
            return False
        return start_ticks(self.pid) == self.start_ticks or _is_hidden(self.pid)


def of_run(run: str, owner: Owner, *, by_hand: bool) -> dict[str, str]:
    """Return the labels that all things of one run carry."""
    labels = {PROJECT: "1", RUN: run, OWNER: str(owner), CHECKOUT: checkout()}
    return labels | ({BY_HAND: "1"} if by_hand else {})


def checkout() -> str:
    """Return the folder that this code runs from: a checkout, or an environment's packages."""
    return str(Path(__file__).resolve().parents[2])


def start_ticks(pid: int) -> int | None:
    """Return field 22 of /proc/PID/stat; None when there is no such process, or only its zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold blanks and brackets
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def _is_hidden(pid: int) -> bool:
    """Tell whether /proc hides a process of another user, as its option `hidepid` does."""
    if os.access(f"/proc/{pid}/stat", os.R_OK):
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except ProcessLookupError:
        pass
    return False


def _host() -> str:
    namespace = Path("/proc/self/ns/pid").stat().st_ino
    return socket.gethostname() + ("" if namespace == _OUTERMOST else f"+{namespace}")


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
