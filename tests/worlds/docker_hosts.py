"""Hosts with a Docker engine each, on this machine: an engine in a network namespace is one more.

Each has an address of TEST-NET-2, a link to this machine and a link to each other host. The
machine's own engine is not touched: theirs have folders, sockets and a firewall of their own.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from docker import DockerClient

from cluster.engine import engine
from harness.common.polling import wait_until

FOLDER = Path(tempfile.gettempdir()) / "zkmq-docker-hosts"
PROGRAMS = ("dockerd", "ip", "iptables", "nsenter", "umount", "unshare")
STARTS_WITHIN_S = 60.0
ENDS_WITHIN_S = 30.0
_CGROUP_V2_ONLY = """
umount -R -l /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup && exec "$@"
"""


def why_not() -> str | None:
    """Return why this machine cannot have such hosts; None if it can."""
    if os.geteuid() != 0:
        return "needs root, to make network namespaces"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"needs {', '.join(missing)} on this machine" if missing else None


class DockerHost:
    """One of them, by its number from 1.

    Args:
        cgroup_v2: show its engine control groups of version 2 alone, as newer machines have them.
            Controllers that this machine has given to version 1 (memory, cpu) are then missing;
            freezing is not among them.
    """

    def __init__(self, number: int, *, cgroup_v2: bool = False) -> None:
        self.number = number
        self._cgroup_v2 = cgroup_v2
        self.address = f"198.51.100.{number}"
        self.namespace = f"zkmq-host-{number}"
        self.folder = FOLDER / str(number)
        self._engine: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its engine listens."""
        return f"tcp://{self.address}:2375"

    @property
    def socket(self) -> str:
        """The same engine, by a socket of this machine."""
        return f"unix://{self.folder}/docker.sock"

    def client(self) -> DockerClient:
        """Return a client on its engine; the caller closes it."""
        return engine.connect(self.url)

    def load(self, images: Sequence[str]) -> None:
        """Give it these images of the machine's own engine."""
        with closing(engine.connect()) as source, closing(self.client()) as target:
            for name in images:
                chunks = source.images.get(name).save(named=name)
                target.images.load(chunks)  # type: ignore[arg-type]

    def link(self, others: Sequence["DockerHost"]) -> None:
        """Make the namespace, with a link to this machine and to hosts that are there already."""
        near, far = f"zkmq-h{self.number}", f"198.51.100.{100 + self.number}"
        _ip("netns", "add", self.namespace)
        self._ip("link", "set", "lo", "up")
        _ip("link", "add", near, "type", "veth", "peer", "name", "up0", "netns", self.namespace)
        _ip("addr", "add", f"{far}/32", "dev", near)
        _ip("link", "set", near, "up")
        _ip("route", "add", self.address, "dev", near, "src", far)
        self._ip("addr", "add", f"{self.address}/32", "dev", "up0")
        self._ip("link", "set", "up0", "up")
        self._ip("route", "add", far, "dev", "up0", "src", self.address)
        self._ip("route", "add", "default", "via", far, "dev", "up0")
        for other in others:
            mine, theirs = f"to{other.number}", f"to{self.number}"
            peer = ["peer", "name", theirs, "netns", other.namespace]
            self._ip("link", "add", mine, "type", "veth", *peer)
            self._route(mine, other)
            other._route(theirs, self)

    def start(self) -> None:
        """Start the engine, also again after it was killed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # `ip netns exec` would hide the control groups.
        command = ["nsenter", f"--net=/run/netns/{self.namespace}"]
        if self._cgroup_v2:
            command += ["unshare", "--mount", "sh", "-c", _CGROUP_V2_ONLY, "sh"]
        command += ["dockerd", f"--data-root={self.folder}/data", f"--exec-root={self.folder}/exec"]
        command += [f"--pidfile={self.folder}/dockerd.pid", f"--host={self.socket}"]
        command += [f"--host={self.url}", "--tls=false"]
        command += [f"--containerd-namespace={self.namespace}"]
        command += [f"--containerd-plugins-namespace={self.namespace}-plugins"]
        with (self.folder / "dockerd.log").open("ab") as log:
            self._engine = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self._answers, within_s=STARTS_WITHIN_S, every_s=0.2)
        assert self._answers(), (self.folder / "dockerd.log").read_text()[-2000:]

    def kill(self) -> None:
        """End the engine at once; its containers go on, as when a real one crashes."""
        if self._engine is not None:
            self._engine.kill()
            self._engine.wait()
            self._engine = None

    def stop(self) -> None:
        """End the engine in order."""
        if self._engine is not None:
            self._engine.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._engine.wait(ENDS_WITHIN_S)
            self.kill()

    def signal(self, number: int) -> None:
        """Send its engine a signal."""
        assert self._engine is not None
        self._engine.send_signal(number)

    def cut_off(self) -> None:
        """Let nothing in or out, as when its cable is pulled: nothing is refused."""
        for chain in ("PREROUTING", "OUTPUT"):
            self._iptables("--insert", chain, "--jump", "DROP")

    def mend(self) -> None:
        """Let everything through again."""
        for chain in ("PREROUTING", "OUTPUT"):
            self._iptables("--flush", chain)

    def _iptables(self, *words: str) -> None:
        inside = ["nsenter", f"--net=/run/netns/{self.namespace}"]
        subprocess.run([*inside, "iptables", "--wait", "--table", "raw", *words], check=True)

    def _answers(self) -> bool:
        try:
            self.client().close()
        except engine.EngineError:
            return False
        return True

    def _route(self, device: str, other: "DockerHost") -> None:
        self._ip("link", "set", device, "up")
        self._ip("route", "add", other.address, "dev", device, "src", self.address)

    def _ip(self, *words: str) -> None:
        _ip("-n", self.namespace, *words)


@contextmanager
def started(count: int, *, cgroup_v2: bool = False) -> Iterator[list[DockerHost]]:
    """Lend so many hosts.

    One process has them at a time. What a killed test left is removed first.
    """
    with (FOLDER.parent / f"{FOLDER.name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        hosts = [DockerHost(number, cgroup_v2=cgroup_v2) for number in range(1, count + 1)]
        _remove()
        with ExitStack() as ending:
            ending.callback(_remove)
            for number, host in enumerate(hosts):
                host.link(hosts[:number])
            for host in hosts:
                ending.callback(host.stop)
                host.start()
            yield hosts


def _remove() -> None:
    """Remove all hosts, whoever made them."""
    for pid in _processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not _processes(), within_s=ENDS_WITHIN_S, every_s=0.1)
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in reversed(mounts):
        if mount.startswith(f"{FOLDER}/"):
            subprocess.run(["umount", "--lazy", mount], check=False, stderr=subprocess.DEVNULL)
    shutil.rmtree(FOLDER, ignore_errors=True)
    for link in Path("/sys/class/net").glob("zkmq-h[0-9]"):
        _ip("link", "del", link.name)
    for namespace in Path("/run/netns").glob("zkmq-host-*"):
        _ip("netns", "del", namespace.name)


def _processes() -> list[int]:
    """Return the engines, what they started, and what runs in their containers."""
    parents, ours = dict[int, int](), set[int]()
    for pid, command in _commands():
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if stat[0] != "Z":
                parents[pid] = int(stat[1])
                ours |= {pid} if f"{FOLDER}/" in command and "dockerd" in command else set()
                ours |= {pid} if f"{FOLDER}/" in command and "containerd" in command else set()
    return sorted(pid for pid in parents if ours.intersection(_line(pid, parents)))


def _line(pid: int, parents: Mapping[int, int]) -> list[int]:
    """Return a process and its ancestors."""
    line = [pid]
    while (pid := parents.get(pid, 0)) > 1:
        line.append(pid)
    return line


def _commands() -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
            yield int(entry.name), command.decode(errors="replace")


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
