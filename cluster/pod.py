"""A node as a pod: a sandbox that keeps its network, port and disk, and the server that runs in it.

The server is a container of its own in the sandbox's network namespace, so a killed, wiped or
upgraded server keeps its address, and rules in the namespace outlive it. Nothing is bind-mounted
and no port is guessed: the engine may be on another machine.
"""

import io
import tarfile
import time
from collections.abc import Mapping
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from docker.models.networks import Network
from docker.types import Mount

from cluster import labels, probe
from cluster.config import CLIENT_PORT
from cluster.errors import ClusterError, PortError
from harness.target import Evidence, NodeStatus

UID = 1000  # of the server, as in the official image
STATE_TIMEOUT_S = 10
LOOPBACK = "127.0.0.1"
_DOWN = {"created", "exited"}  # the engine's words; a paused server is not down


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

    @classmethod
    def attach(cls, client: docker.DockerClient, parts: Mapping[str, Container]) -> "Pod":
        """Take over a pod that another process created: its containers by part name."""
        sandbox = parts["sandbox"]
        tags = {k: v for k, v in sandbox.labels.items() if k.startswith("zkmq.")}
        pod = cls(client, id=int(tags[labels.NODE]), run=tags[labels.RUN], tags=tags)
        pod._sandbox, pod._server = sandbox, parts.get("server")
        return pod

    def create_sandbox(
        self, image: str, network: Network, *, port: int | None, data_mb: int | None
    ) -> str:
        """Create and start the sandbox; return the address it got on the network.

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
        self._sandbox.reload()
        return str(self._sandbox.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"])

    def create_server(self, image: str, config: str, environment: Mapping[str, str]) -> None:
        """Create the server's container with its configuration; does not start it."""
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
        self._server.put_archive("/", _pack({"conf/zoo.cfg": config, "data/myid": f"{self.id}\n"}))

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

    def start(self) -> Evidence:
        """Start the server that is down; does not wait until it serves."""
        self._ask(self.server.start, "start")
        return self._wait_state("running")

    def kill(self) -> Evidence:
        """End the server with SIGKILL and wait until it is gone."""
        self._ask(lambda: self.server.kill(signal="KILL"), "kill")
        return self._wait_state("exited")

    def pause(self) -> Evidence:
        """Freeze the server: its sockets stay open, nothing answers."""
        self._ask(self.server.pause, "pause")
        return self._wait_state("paused")

    def resume(self) -> Evidence:
        """Let a paused server go on."""
        self._ask(self.server.unpause, "resume")
        return self._wait_state("running")

    def wipe(self) -> Evidence:
        """Delete the database of a server that is down; myid stays.

        Raises:
            ClusterError: the server is not down, or something is left.
        """
        if (state := self._state()["Status"]) not in _DOWN:
            raise ClusterError(f"node {self.id}: wipe: expected a server that is down, got {state}")
        # version-2 holds log and snapshots; one shell does the deed and tells what was and is there
        script = "du -sk /data/version-2 2>/dev/null | cut -f1; rm -rf /data/version-2; ls /data"
        told = self.run(["sh", "-c", script]).split()
        size_kb, left = (told[0], told[1:]) if told and told[0].isdigit() else ("0", told)
        if "version-2" in left:
            raise ClusterError(f"node {self.id}: wipe: /data/version-2 is still there")
        return {"wiped_kb": int(size_kb), "left": left}

    def run(self, command: list[str]) -> str:
        """Run a command in the sandbox and return what it printed.

        Raises:
            ClusterError: its exit status is not 0.
        """
        try:
            status, output = self.sandbox.exec_run(command, user="root")
        except DockerException as error:
            raise ClusterError(f"node {self.id}: {command[0]}: {error}") from error
        text = output.decode(errors="replace") if isinstance(output, bytes) else ""
        if status != 0:
            raise ClusterError(f"node {self.id}: {' '.join(command)}: exit {status}: {text}")
        return text

    def status(self, *, metrics: bool = False) -> NodeStatus:
        """Look at the server once; never blocks longer than about a second."""
        seen = probe.look(self.id, self.address, metrics=metrics)
        if seen.mode == "silent" and self._state()["Status"] == "paused":
            return NodeStatus(node=self.id, mode="paused")
        return seen

    def log(self) -> bytes:
        """Return all that the server has written since it was created."""
        return bytes(self.server.logs(stdout=True, stderr=True))

    def _name(self, part: str) -> str:
        return f"zkmq-{self._run}-{part}-{self.id}"

    def _state(self) -> dict[str, Any]:
        self.server.reload()
        state: dict[str, Any] = self.server.attrs["State"]
        return state

    def _ask(self, request: Any, what: str) -> None:
        try:
            request()
        except DockerException as error:
            raise ClusterError(f"node {self.id}: {what}: {error}") from error

    def _wait_state(self, wanted: str) -> Evidence:
        deadline = time.monotonic() + STATE_TIMEOUT_S
        while (state := self._state())["Status"] != wanted:
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"node {self.id}: expected {wanted} within {STATE_TIMEOUT_S} s, "
                    f"got {state['Status']}"
                )
            time.sleep(0.01)
        seen = {"node": self.id, "state": wanted, "started_at": state["StartedAt"]}
        return seen | ({"exit_code": state["ExitCode"]} if wanted == "exited" else {})


def _volume_options(data_mb: int | None) -> dict[str, Any]:
    if data_mb is None:
        return {}
    options = {"type": "tmpfs", "device": "tmpfs", "o": f"size={data_mb}m,uid={UID},gid={UID}"}
    return {"driver": "local", "driver_opts": options}


def _pack(files: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.uid, entry.gid = len(text.encode()), 0o644, UID, UID
            tar.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def remove(container: Container) -> None:
    """Remove a container, whatever its state; one that is gone already is fine."""
    try:
        container.remove(force=True, v=True)
    except NotFound:
        pass  # somebody else's clean was quicker
    except DockerException as error:
        if "already in progress" not in str(error):
            raise ClusterError(f"container {container.name}: {error}") from error
