"""A node's sandbox: the container that holds its network, port and disk.

The server runs beside it, in its network namespace, so a killed, wiped or upgraded server keeps its
address, and rules in the namespace outlive it. Nothing is bind-mounted and no port is guessed: the
engine may be on another machine.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.models.networks import Network
from docker.types import Mount

from cluster.cluster_errors import (
    ClusterError,
    CommandKilledError,
    ContainerGoneError,
    PortError,
)
from cluster.config import CLIENT_PORT, SHIM_STATE
from cluster.engine import labels
from cluster.engine.containers import UID, Executed, execute
from cluster.pods.lease import Lease

REPEATS = 3
ASKS = 8
LINGER_S = 0.2
# How a command ended that a busy engine killed before it started.
KILLED = Executed(137)
TABLE = "inet nemesis"
DEVICE = "eth0"
CLIENTS_DEVICE = "eth1"  # there only if the quorum is on several hosts; else clients come by DEVICE
UNSHAPE = "; ".join(f"tc qdisc del dev {d} root 2>/dev/null" for d in (DEVICE, CLIENTS_DEVICE))
SHIM_STATE_MB = 256  # a log that is never fsynced takes some 60 bytes for each write
LATE_RUNS = "/run/nemesis/late."  # the program for late packets ends when its file is gone
LATE_OFF = (
    f"rm -f {LATE_RUNS}*; iptables -t mangle -D OUTPUT -j nemesis 2>/dev/null; "
    "iptables -t mangle -F nemesis 2>/dev/null; iptables -t mangle -X nemesis 2>/dev/null"
)
"""The shell commands after which no packet is late; sandbox.sh has them, too."""
# A part that is absent cannot be removed, and that is no error. To leave files on the disk is one.
_PRISTINE = (
    f"{LATE_OFF}; nft delete table {TABLE} 2>/dev/null; {UNSHAPE}; "
    f"rm -rf /run/nemesis/* {SHIM_STATE}/*; find /data -mindepth 1 -delete"
)


class Sandbox:
    """The part of a node that outlives its servers.

    Attributes:
        id: the node's number, from 1.
        tags: the labels of everything that belongs to the node.
        host: the name of the engine it is on; empty if all nodes are on one.
        lease: how long faults in the sandbox may last without renewal.
    """

    def __init__(self, *, id: int, run: str, tags: Mapping[str, str]) -> None:
        self.id = id
        self.tags = {**tags, labels.NODE: str(id)}
        self.host = tags.get(labels.HOST, "")
        self.lease = self._new_lease()
        self._run_id = run
        self._container: Container | None = None
        self._address: tuple[str, int] | None = None
        self._ip: str | None = None

    @classmethod
    def attach(cls, container: Container) -> "Sandbox":
        """Take over a sandbox that another process created."""
        tags = {k: v for k, v in container.labels.items() if k.startswith("zkmq.")}
        sandbox = cls(id=int(tags[labels.NODE]), run=tags[labels.RUN], tags=tags)
        sandbox._container = container
        return sandbox

    def create(
        self,
        client: docker.DockerClient,
        image: str,
        network: Network,
        *,
        publish: str | None,
        port: int | None,
        data_mb: int | None,
        for_nemesis: bool,
    ) -> None:
        """Create and start the container; the network gives it an address.

        `publish` is the engine's address where clients reach it; None if they are on the network.
        `for_nemesis` adds a volume for what is loaded into the server, and what that notes.

        Raises:
            PortError: `port` was asked for and is taken.
            ClusterError: the engine refused.
        """
        sizes_mb = {"/data": data_mb} | ({SHIM_STATE: SHIM_STATE_MB} if for_nemesis else {})
        mounts = [self._mount(client, path, size_mb) for path, size_mb in sizes_mb.items()]
        self._container = client.containers.create(
            image,
            name=self.name("sandbox"),
            hostname=f"node{self.id}",
            labels={**self.tags, labels.PART: "sandbox"},
            network=network.name,
            ports={} if publish is None else {f"{CLIENT_PORT}/tcp": (publish, port or 0)},
            mounts=mounts,
            cap_drop=["ALL"],
            cap_add=["NET_ADMIN", "DAC_OVERRIDE"],
            security_opt=["no-new-privileges"],
        )
        try:
            self._container.start()
        except APIError as error:
            if "address already in use" in str(error) or "port is already allocated" in str(error):
                raise PortError(f"port {port}: expected a free port, got one in use") from error
            if "cannot assign requested address" in str(error):
                raise ClusterError(
                    f"node {self.id}: expected {publish}, by which the engine is reached, to be an "
                    f"address of its machine, got none like it; name the machine in DOCKER_HOST by "
                    f"an address of its own"
                ) from error
            raise ClusterError(f"node {self.id}: {error.explanation}") from error

    def _mount(self, client: docker.DockerClient, path: str, size_mb: int | None) -> Mount:
        """Return a new volume at that path."""
        name, options = self.name(path.strip("/")), _volume_options(size_mb)
        return Mount(path, client.volumes.create(name, labels=self.tags, **options).name)

    def clear(self) -> None:
        """Bring it back to its first state: an empty disk, and no rule in force."""
        self.lease.end()
        self.lease = self._new_lease()
        self.repeat(["sh", "-c", _PRISTINE])

    def name(self, part: str) -> str:
        """Return the engine's name for a part of this node."""
        return f"zkmq-{self._run_id}-{part}-{self.id}"

    @property
    def container(self) -> Container:
        """Return the container itself.

        Raises:
            ClusterError: it was not created yet.
        """
        if self._container is None:
            raise ClusterError(f"node {self.id}: it has no sandbox yet")
        return self._container

    @property
    def ip(self) -> str:
        """Return the node's address on the quorum's network, where its peers reach it."""
        if self._ip is None:
            networks = self._reloaded().attrs["NetworkSettings"]["Networks"]
            self._ip = str(next(iter(networks.values()))["IPAddress"])
        return self._ip

    @property
    def address(self) -> tuple[str, int]:
        """Return host and port for clients: as published, or else on the quorum's own network."""
        if self._address is None:
            container = self._reloaded()
            published = container.ports.get(f"{CLIENT_PORT}/tcp")
            if published:
                self._address = str(published[0]["HostIp"]), int(published[0]["HostPort"])
            elif container.status == "running":
                self._address = self.ip, CLIENT_PORT
            else:
                raise ClusterError(f"node {self.id}: its sandbox is not running")
        return self._address

    def run(self, command: Sequence[str]) -> str:
        """Run a command in the sandbox and return its standard output.

        The output may be lost; see `ask`.

        Raises:
            CommandKilledError: the engine killed it, so it may have done a part.
            ClusterError: its exit status is not 0.
        """
        ended = execute(self.container, command)
        if ended == KILLED:
            raise CommandKilledError(f"node {self.id}: {' '.join(command)}: killed")
        if ended.status != 0:
            raise ClusterError(
                f"node {self.id}: {' '.join(command)}: exit {ended.status}: "
                f"{ended.output}{ended.errors}"
            )
        return ended.output

    def repeat(self, command: Sequence[str]) -> str:
        """Run a command that may be run again, and do so if the engine killed it before it started.

        Raises:
            ClusterError: its exit status is not 0, or it was killed REPEATS times.
        """
        for _ in range(REPEATS - 1):
            with suppress(CommandKilledError):
                return self.run(command)
        return self.run(command)

    def ask(self, command: Sequence[str], what: str) -> str:
        """Run a command that prints something and may be run again; return what it printed.

        A busy engine may lose the output of a command that succeeded. So the command is run again
        if there is no output (https://github.com/moby/moby/issues/27289). The output is lost if the
        command ends before the engine listens, so each further try ends a little later.

        Raises:
            ClusterError: its exit status is not 0, or nothing came back ASKS times.
        """
        for asked in range(ASKS):
            late = ["sh", "-c", '"$@"; s=$?; sleep "$0"; exit $s', f"{LINGER_S * asked:g}"]
            if answer := self.repeat([*late, *command] if asked else command).strip():
                return answer
        raise ClusterError(f"node {self.id}: {what}: expected an answer, got nothing {ASKS} times")

    def _reloaded(self) -> Container:
        """Ask the engine for the container's state; return the container.

        Raises:
            ContainerGoneError: it is gone.
        """
        try:
            self.container.reload()
        except NotFound as error:
            raise gone(self.id, self.container) from error
        return self.container

    def _new_lease(self) -> Lease:
        return Lease(lambda command: self.repeat(["sh", "-c", command]))


def gone(id: int, container: Container) -> ContainerGoneError:
    """Return the error to raise when a container of a node is gone, and we did not remove it."""
    return ContainerGoneError(
        f"node {id}: expected its container {container.name}, got none: another program has "
        f"removed it"
    )


def _volume_options(size_mb: int | None) -> dict[str, Any]:
    if size_mb is None:
        return {}
    # mode: the default's sticky bit would keep the sandbox from wiping the server's files.
    limits = f"size={size_mb}m,mode=755,uid={UID},gid={UID}"
    options = {"type": "tmpfs", "device": "tmpfs", "o": limits}
    return {"driver": "local", "driver_opts": options}
