"""A node as a pod: a sandbox that keeps its network, port and disk, and the server that runs in it.

The server is a container of its own in the sandbox's network namespace, so a killed, wiped or
upgraded server keeps its address, and rules in the namespace outlive it. Nothing is bind-mounted
and no port is guessed: the engine may be on another machine.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from docker.models.networks import Network as DockerNetwork
from docker.types import Mount

from cluster.cluster_errors import ClusterError, ContainerGoneError, PortError
from cluster.config import CLIENT_PORT, ENVIRONMENT
from cluster.engine import labels
from cluster.engine.containers import UID, execute, freeze, pack, remove
from cluster.pods import clock, disk, network, probe
from cluster.pods.lease import Lease
from harness.target import DOWN, Evidence, NodeStatus, Shape

STATE_TIMEOUT_S = 10
ASK_AGAIN_S = 1.0  # how soon the engine is asked again about a server that does not answer
LOOPBACK = "127.0.0.1"
# What is not there cannot be taken off, which is fine; a disk that is not empty is not.
_PRISTINE = (
    f"nft delete table {network.TABLE} 2>/dev/null; tc qdisc del dev {network.DEVICE} root "
    f"2>/dev/null; rm -rf /run/nemesis/*; find /data -mindepth 1 -delete"
)
# version-2 holds log and snapshots. An empty folder, or none, is 0 KB: nothing to wipe.
_WIPE = (
    "find /data/version-2 -type f -exec du -k {} + 2>/dev/null "
    "| awk '{ kb += $1 } END { print kb + 0 }'; rm -rf /data/version-2; ls /data"
)


class Pod:
    """One member of the quorum."""

    def __init__(
        self, client: docker.DockerClient, *, id: int, run: str, tags: Mapping[str, str]
    ) -> None:
        self.id = id
        self._client = client
        self._run = run
        self._tags = {**tags, labels.NODE: str(id)}
        self._sandbox: Container | None = None
        self._server: Container | None = None
        self._port: int | None = None
        self._ip: str | None = None
        self._earlier_log = b""
        self._asked_s = -ASK_AGAIN_S
        self.lease = self._new_lease()

    @classmethod
    def attach(cls, client: docker.DockerClient, parts: Mapping[str, Container]) -> "Pod":
        """Take over a pod that another process created: its containers by part name."""
        sandbox = parts["sandbox"]
        tags = {k: v for k, v in sandbox.labels.items() if k.startswith("zkmq.")}
        pod = cls(client, id=int(tags[labels.NODE]), run=tags[labels.RUN], tags=tags)
        pod._sandbox, pod._server = sandbox, parts.get("server")
        return pod

    def create_sandbox(
        self, image: str, network: DockerNetwork, *, port: int | None, data_mb: int | None
    ) -> None:
        """Create and start the sandbox; the network gives it an address.

        Raises:
            PortError: `port` was asked for and is taken.
        """
        volume = self._client.volumes.create(
            self._name("data"), labels=self._tags, **_volume_options(data_mb)
        )
        self._sandbox = self._client.containers.create(
            image,
            name=self._name("sandbox"),
            hostname=f"node{self.id}",
            labels={**self._tags, labels.PART: "sandbox"},
            network=network.name,
            ports={f"{CLIENT_PORT}/tcp": (LOOPBACK, port or 0)},
            mounts=[Mount("/data", volume.name)],
            cap_drop=["ALL"],
            cap_add=["NET_ADMIN", "DAC_OVERRIDE"],
            security_opt=["no-new-privileges"],
        )
        try:
            self._sandbox.start()
        except APIError as error:
            if "address already in use" in str(error) or "port is already allocated" in str(error):
                raise PortError(f"port {port}: expected a free port, got one in use") from error
            raise ClusterError(f"node {self.id}: {error.explanation}") from error

    def create_server(
        self, image: str, files: Mapping[str, str], environment: Mapping[str, str]
    ) -> None:
        """Create the server's container with its files (path -> text); does not start it."""
        self._create_server(image, environment)
        self.server.put_archive("/", pack({**files, "data/myid": f"{self.id}\n"}))

    def clear(self) -> None:
        """Leave the sandbox as it was made: no server, nothing on the disk, no rule in force."""
        self._take_off()
        self._earlier_log = b""
        self.lease.end()
        self.lease = self._new_lease()
        self.run(["sh", "-c", _PRISTINE])

    def replace_server(self, image: str) -> None:
        """Put a new container, of that image, in the place of a server that is down.

        Its configuration, disk and address stay, and what the old one wrote stays in the log.
        """
        configuration = b"".join(self.server.get_archive("/conf")[0])
        environment = {
            name: value
            for name, _, value in (
                line.partition("=") for line in self.server.attrs["Config"]["Env"]
            )
            if name in ENVIRONMENT
        }
        self._earlier_log = self.log()
        self._take_off()
        self._create_server(image, environment)
        self.server.put_archive("/", configuration)

    def _take_off(self) -> None:
        """Remove the server's container; whoever looks meanwhile must not miss it."""
        server, self._server = self.server, None
        remove(server)

    def _create_server(self, image: str, environment: Mapping[str, str]) -> None:
        self._server = self._client.containers.create(
            image,
            name=self._name("server"),
            labels={**self._tags, labels.PART: "server"},
            network_mode=f"container:{self.sandbox.id}",
            volumes_from=[str(self.sandbox.id)],
            environment=dict(environment),
            user=f"{UID}:{UID}",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
        )

    @property
    def sandbox(self) -> Container:
        """Return the container that holds the network and the disk."""
        if self._sandbox is None:
            raise ClusterError(f"node {self.id}: it has no sandbox yet")
        return self._sandbox

    @property
    def server(self) -> Container:
        """Return the container that the server runs in."""
        if self._server is None:
            raise ClusterError(f"node {self.id}: it has no server yet")
        return self._server

    @property
    def ip(self) -> str:
        """Return the node's address on the quorum's network, where its peers reach it."""
        if self._ip is None:
            self.sandbox.reload()
            networks = self.sandbox.attrs["NetworkSettings"]["Networks"]
            self._ip = str(next(iter(networks.values()))["IPAddress"])
        return self._ip

    @property
    def address(self) -> tuple[str, int]:
        """Return host and port for clients, as the engine published them."""
        if self._port is None:
            self.sandbox.reload()
            published = self.sandbox.ports.get(f"{CLIENT_PORT}/tcp")
            if not published:
                raise ClusterError(f"node {self.id}: its sandbox is not running")
            self._port = int(published[0]["HostPort"])
        return LOOPBACK, self._port

    @property
    def client_address(self) -> str:
        """Return `127.0.0.1:port`, the same for the node's whole life."""
        host, port = self.address
        return f"{host}:{port}"

    @property
    def process(self) -> str:
        """Return the engine's word for the server's process."""
        return str(self._state()["Status"])

    def start(self) -> Evidence:
        """Start the server that is down; does not wait until it serves."""
        return self._bring("running", self.server.start, "start")

    def kill(self) -> Evidence:
        """End the server with SIGKILL and wait until it is gone."""
        return self._bring("exited", lambda: self.server.kill(signal="KILL"), "kill")

    def stop(self) -> Evidence:
        """End the server with SIGTERM and wait until it is gone."""
        return self._bring("exited", lambda: self.server.kill(signal="TERM"), "stop")

    def pause(self) -> Evidence:
        """Freeze the server: its sockets stay open, nothing answers."""
        return self._bring("paused", lambda: freeze(self.server), "pause")

    def resume(self) -> Evidence:
        """Let a paused server go on."""
        return self._bring("running", self.server.unpause, "resume")

    def wipe(self) -> Evidence:
        """Delete the database of a server that is down; myid stays.

        Raises:
            ClusterError: the server is not down, or something is left.
        """
        if (state := self.process) not in DOWN:
            raise ClusterError(f"node {self.id}: wipe: expected a server that is down, got {state}")
        told, *left = self.run(["sh", "-c", _WIPE]).split()
        if "version-2" in left:
            raise ClusterError(f"node {self.id}: wipe: /data/version-2 is still there")
        return {"node": self.id, "wiped_kb": int(told), "left": left}

    def shape(self, shape: Shape | None) -> Evidence:
        """Slow down what leaves the node; None takes the last shape off."""
        return network.shape(self, shape)

    def shaped(self) -> Evidence:
        """Return what the shape did so far."""
        return network.shaped(self)

    def set_clock(self, offset_s: float) -> Evidence:
        """Move the server's wall clock."""
        return clock.set_offset(self, offset_s)

    def strobe_clock(self, offset_s: float, period_s: float) -> Evidence:
        """Jump between both times every half period."""
        return clock.strobe(self, offset_s, period_s)

    def fill_disk(self) -> Evidence:
        """Leave no byte free on the disk."""
        return disk.fill(self)

    def free_disk(self) -> Evidence:
        """Remove what `fill_disk` wrote."""
        return disk.free(self)

    def run(self, command: list[str]) -> str:
        """Run a command in the sandbox and return what it printed.

        Raises:
            ClusterError: its exit status is not 0.
        """
        status, text = execute(self.sandbox, command)
        if status != 0:
            raise ClusterError(f"node {self.id}: {' '.join(command)}: exit {status}: {text}")
        return text

    def status(self, *, metrics: bool = False) -> NodeStatus:
        """Look at the server once; never blocks longer than about a second.

        Raises:
            ClusterError: the engine is gone, or has a container of this node no more.
        """
        seen = probe.look(self.id, self.address, metrics=metrics)
        if seen.mode == "down":
            self._require_containers()
        if seen.mode == "silent" and self.process == "paused":
            return NodeStatus(node=self.id, mode="paused")
        return seen

    def log(self) -> bytes:
        """Return all that the node's servers have written."""
        server = self.server
        try:
            return self._earlier_log + bytes(server.logs(stdout=True, stderr=True))
        except DockerException as error:
            raise self._failed(server, error) from error

    def _new_lease(self) -> Lease:
        return Lease(lambda command: self.run(["sh", "-c", command]))

    def _name(self, part: str) -> str:
        return f"zkmq-{self._run}-{part}-{self.id}"

    def _state(self) -> dict[str, Any]:
        server = self.server
        self._reload(server)
        state: dict[str, Any] = server.attrs["State"]
        return state

    def _require_containers(self) -> None:
        now_s = time.monotonic()
        if now_s - self._asked_s < ASK_AGAIN_S:
            return
        self._asked_s = now_s
        for container in (self._sandbox, self._server):
            if container is not None:
                self._reload(container)

    def _reload(self, container: Container) -> None:
        """Ask the engine for a container's state; one that we took off meanwhile is fine."""
        try:
            container.reload()
        except DockerException as error:
            if container in (self._sandbox, self._server):
                raise self._failed(container, error) from error

    def _failed(self, container: Container, error: DockerException) -> ClusterError:
        """Return what to raise where the engine failed us over a container."""
        if isinstance(error, ClusterError):
            return error
        if isinstance(error, NotFound):
            return ContainerGoneError(
                f"node {self.id}: expected its container {container.name}, got none: somebody "
                f"outside of this run has removed it"
            )
        return ClusterError(f"node {self.id}: {error}")

    def _bring(self, wanted: str, request: Callable[[], object], what: str) -> Evidence:
        """Ask the engine to bring the server to a state, and wait until it says so."""
        began = time.monotonic()
        try:
            request()
        except DockerException as error:
            raise ClusterError(f"node {self.id}: {what}: {error}") from error
        state = self._wait_state(wanted)
        after_ms = round((time.monotonic() - began) * 1000)
        seen = {"node": self.id, "state": wanted, "after_ms": after_ms}
        seen["started_at"] = state["StartedAt"]
        return seen | ({"exit_code": state["ExitCode"]} if wanted == "exited" else {})

    def _wait_state(self, wanted: str) -> Mapping[str, Any]:
        deadline = time.monotonic() + STATE_TIMEOUT_S
        while (state := self._state())["Status"] != wanted:
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"node {self.id}: expected {wanted} within {STATE_TIMEOUT_S} s, "
                    f"got {state['Status']}"
                )
            time.sleep(0.01)
        return state


def _volume_options(data_mb: int | None) -> dict[str, Any]:
    if data_mb is None:
        return {}
    # mode: the default's sticky bit would keep the sandbox from wiping the server's files.
    limits = f"size={data_mb}m,mode=755,uid={UID},gid={UID}"
    options = {"type": "tmpfs", "device": "tmpfs", "o": limits}
    return {"driver": "local", "driver_opts": options}
