"""A node as a pod: a sandbox that keeps its network, port and disk, and the server in it."""

import io
import tarfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import docker
from docker.errors import DockerException, NotFound
from docker.models.containers import Container

from cluster.cluster_errors import ClusterError, ContainerGoneError
from cluster.config import AGENT, ENVIRONMENT, FAKETIME_LIBRARY, SHIM_LIBRARY
from cluster.engine import labels
from cluster.engine.containers import UID, download, freeze, pack, remove
from cluster.pods import (
    damaged_files,
    disk,
    failpoint_agent,
    faketime,
    network,
    probe,
    shimmed_disk,
)
from cluster.pods.sandbox import Sandbox
from harness.common.harness_errors import UnsupportedError
from harness.common.polling import wait_until
from harness.common.server_states import NodeStatus
from harness.disturbances import Damage, DiskRule, FailpointRule, FileKind, Shape
from harness.target import DOWN, Evidence

STATE_TIMEOUT_S = 10
ASK_AGAIN_S = 1.0  # how soon the engine is asked again about a server that does not answer
POLL_S = 0.01


class Pod:
    """One member of the quorum; see `harness.target.Node` for what its methods promise."""

    def __init__(self, client: docker.DockerClient, sandbox: Sandbox) -> None:
        self.id = sandbox.id
        self.host = sandbox.host
        self.sandbox = sandbox
        self._client = client
        self._server: Container | None = None
        self._earlier_log = b""
        self._asked_s = -ASK_AGAIN_S

    @classmethod
    def attach(cls, client: docker.DockerClient, parts: Mapping[str, Container]) -> "Pod":
        """Take over a pod that another process created: its containers by part name."""
        pod = cls(client, Sandbox.attach(parts["sandbox"]))
        pod._server = parts.get("server")
        return pod

    def create_server(
        self, image: str, files: Mapping[str, str | bytes], environment: Mapping[str, str]
    ) -> None:
        """Create the server's container with its files (path -> content); does not start it."""
        self._create_server(image, environment)
        self.server.put_archive("/", pack({**files, "data/myid": f"{self.id}\n"}))

    def clear(self) -> None:
        """Remove the server, and all that it and faults have left in the sandbox."""
        self._remove_server()
        self._earlier_log = b""
        self.sandbox.clear()

    def replace_server(self, image: str) -> None:
        """Put a new container, of that image, in the place of a server that is down.

        Its configuration, disk and address stay, and what the old one wrote stays in the log.
        """
        configuration = self._configuration()
        lines = (line.partition("=") for line in self.server.attrs["Config"]["Env"])
        environment = {name: value for name, _, value in lines if name in ENVIRONMENT}
        self._earlier_log = self.log()
        self._remove_server()
        self._create_server(image, environment)
        self.server.put_archive("/", configuration)

    def _configuration(self) -> bytes:
        """Return zoo.cfg, what reconfigurations wrote beside it, and keys; no file of the image."""
        kept = io.BytesIO()
        with (
            download(self.server, "/conf") as archive,
            tarfile.open(fileobj=archive) as old,
            tarfile.open(fileobj=kept, mode="w") as new,
        ):
            for entry in old:
                if entry.isfile() and entry.name.startswith(("conf/zoo.cfg", "conf/quorum.")):
                    new.addfile(entry, old.extractfile(entry))
        return kept.getvalue()

    def _remove_server(self) -> None:
        """Remove the server's container; forget it first, so that `status` does not miss it."""
        server, self._server = self.server, None
        remove(server)

    def _create_server(self, image: str, environment: Mapping[str, str]) -> None:
        self._server = self._client.containers.create(
            image,
            name=self.sandbox.name("server"),
            labels={**self.sandbox.tags, labels.PART: "server"},
            network_mode=f"container:{self.sandbox.container.id}",
            volumes_from=[str(self.sandbox.container.id)],
            environment=dict(environment),
            user=f"{UID}:{UID}",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
        )

    @property
    def server(self) -> Container:
        """Return the container that the server runs in."""
        if self._server is None:
            raise ClusterError(f"node {self.id}: it has no server yet")
        return self._server

    @property
    def client_address(self) -> str:
        """Return `host:port`, the same for the node's whole life."""
        host, port = self.sandbox.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def process(self) -> str:
        """Return the engine's word for the server's process."""
        return str(self._state()["Status"])

    @property
    def has_ended(self) -> bool:
        """Tell whether the server had ended when the engine was asked last.

        `status` asks for a server that cannot be reached, every second.
        """
        return bool(self.server.attrs["State"]["Status"] == "exited")

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
        return disk.wipe(self.sandbox)

    def shape(self, shape: Shape | None) -> Evidence:
        """Slow down what leaves the node; None takes the last shape off."""
        return network.shape(self.sandbox, shape)

    def shaped(self) -> Evidence:
        """Return what the shape did so far."""
        return network.shaped(self.sandbox)

    def set_clock(self, offset_s: float) -> Evidence:
        """Move the server's wall clock."""
        self._require_faketime()
        return faketime.set_offset(self.sandbox, offset_s, running=self._running)

    def strobe_clock(self, offset_s: float, period_s: float) -> Evidence:
        """Jump between both times every half period."""
        self._require_faketime()
        return faketime.strobe(self.sandbox, offset_s, period_s, running=self._running)

    def fill_disk(self) -> Evidence:
        """Leave no byte free on the disk."""
        return disk.fill(self.sandbox)

    def free_disk(self) -> Evidence:
        """Remove what `fill_disk` wrote, if it did."""
        return disk.free(self.sandbox)

    def damage(self, file: FileKind, how: Damage, *, running: bool = False) -> Evidence:
        """Damage the newest file of a kind, of a server that is down, or `running`."""
        state = self.process
        if running and state != "running":
            raise UnsupportedError(
                f"node {self.id}: {how}: expected a server that runs, got {state}"
            )
        if not running and state not in DOWN:
            raise UnsupportedError(
                f"node {self.id}: {how}: expected a server that is down, got {state}; kill it first"
            )
        if how == "old-snapshot":
            return damaged_files.put_back_old_snapshot(self.sandbox)
        return damaged_files.damage(self.sandbox, file, how)

    def break_disk(self, rule: DiskRule) -> Evidence:
        """Put a rule in force on the server's calls to its disk."""
        self.require_disk_shim()
        return shimmed_disk.put(self.sandbox, rule)

    def disk_calls(self) -> Evidence:
        """Return what the rule did so far."""
        return shimmed_disk.calls(self.sandbox)

    def mend_disk(self) -> Evidence:
        """Take the rule off; return what it did."""
        return shimmed_disk.mend(self.sandbox)

    def set_failpoint(self, name: str, rule: FailpointRule) -> Evidence:
        """Put the rule of that name in force."""
        if not self._has("SERVER_JVMFLAGS", AGENT):
            raise UnsupportedError(
                f"node {self.id}: its server does not run under the failpoint agent; start it with "
                f"`failpoints: true` and an image whose Java can load it"
            )
        return failpoint_agent.set_rule(self.sandbox, name, rule, running=self._running())

    def failpoint_hits(self, name: str) -> Evidence:
        """Return what the rule of that name has done."""
        return failpoint_agent.hits(self.sandbox, name)

    def clear_failpoint(self, name: str) -> Evidence:
        """Take the rule of that name off; return what it did."""
        return failpoint_agent.clear_rule(self.sandbox, name)

    def status(self, *, metrics: bool = False) -> NodeStatus:
        """Look at the server once; never blocks longer than about a second.

        Raises:
            ClusterError: the engine is gone, or no longer has a container of this node.
        """
        seen = probe.look(self.id, self.sandbox.address, metrics=metrics)
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
        except (DockerException, OSError) as error:
            raise self._failed(server, error) from error

    def _running(self) -> bool:
        return self.process == "running"

    def _require_faketime(self) -> None:
        if not self._preloads(FAKETIME_LIBRARY):
            raise UnsupportedError(
                f"node {self.id}: its server shares the machine's clock; start it with "
                f"`faketime: true`"
            )

    def require_disk_shim(self) -> None:
        """Raise UnsupportedError if the server does not run under the disk shim."""
        if not self._preloads(SHIM_LIBRARY):
            raise UnsupportedError(
                f"node {self.id}: its server does not run under the disk shim; start it with "
                f"`disk_shim: true` and an image that can load it"
            )

    def _preloads(self, library: str) -> bool:
        return self._has("LD_PRELOAD", library)

    def _has(self, variable: str, text: str) -> bool:
        """Tell whether a variable of the server's environment has that text in it."""
        lines = (line.partition("=") for line in self.server.attrs["Config"]["Env"])
        return any(name == variable and text in value for name, _, value in lines)

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
        self._reload(self.sandbox.container)
        if self._server is not None:
            self._reload(self._server)

    def _reload(self, container: Container) -> None:
        """Ask the engine for a container's state; a server that we have removed since is fine."""
        try:
            container.reload()
        except DockerException as error:
            if container in (self.sandbox.container, self._server):
                raise self._failed(container, error) from error

    def _failed(self, container: Container, error: Exception) -> ClusterError:
        """Return the error to raise for a request about a container that the engine failed."""
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
        return wait_until(
            self._state,
            lambda state: state["Status"] == wanted,
            within_s=STATE_TIMEOUT_S,
            every_s=POLL_S,
            late=lambda state: ClusterError(
                f"node {self.id}: expected {wanted} within {STATE_TIMEOUT_S} s, "
                f"got {state['Status']}"
            ),
        )
