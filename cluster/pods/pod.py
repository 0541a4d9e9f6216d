"""A node as a pod: a sandbox that keeps its network, port and disk, and the server in it."""

from collections.abc import Mapping

import docker
from docker.models.containers import Container

from cluster.cluster_errors import ClusterError
from cluster.config import AGENT, FAKETIME_LIBRARY, SHIM_LIBRARY
from cluster.engine.containers import freeze, pack
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
from cluster.pods.server_container import ServerContainer
from harness.common.harness_errors import UnsupportedError
from harness.common.server_states import NodeStatus
from harness.target import DOWN, Evidence
from harness.target.disturbances import Damage, DiskRule, FailpointRule, FileKind, Shape


class Pod:
    """One member of the quorum; see `harness.target.Node` for what its methods promise."""

    def __init__(self, client: docker.DockerClient, sandbox: Sandbox) -> None:
        self.id = sandbox.id
        self.host = sandbox.host
        self.sandbox = sandbox
        self._server = ServerContainer(client, sandbox)

    @classmethod
    def attach(cls, client: docker.DockerClient, parts: Mapping[str, Container]) -> "Pod":
        """Take over a pod that another process created: its containers by part name."""
        pod = cls(client, Sandbox.attach(parts["sandbox"]))
        pod._server.attach(parts.get("server"))
        return pod

    def create_server(
        self, image: str, files: Mapping[str, str | bytes], environment: Mapping[str, str]
    ) -> None:
        """Create the server's container with its files (path -> content); does not start it."""
        self._server.create(image, environment)
        self.server.put_archive("/", pack({**files, "data/myid": f"{self.id}\n"}))

    def clear(self) -> None:
        """Remove the server, and all that it and faults have left in the sandbox."""
        self._server.clear()
        self.sandbox.clear()

    def replace_server(self, image: str) -> None:
        """Put a new container, of that image, in the place of a server that is down.

        Its configuration, disk and address stay, and what the old one wrote stays in the log.
        """
        self._server.replace(image)

    @property
    def server(self) -> Container:
        """Return the container that the server runs in."""
        return self._server.container

    @property
    def client_address(self) -> str:
        """Return `host:port`, the same for the node's whole life."""
        host, port = self.sandbox.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def process(self) -> str:
        return str(self._server.state()["Status"])

    @property
    def has_ended(self) -> bool:
        """Tell whether the server had ended when the engine was asked last.

        `status` asks for a server that cannot be reached, every second.
        """
        return bool(self.server.attrs["State"]["Status"] == "exited")

    def start(self) -> Evidence:
        return self._server.bring("running", self.server.start, "start")

    def kill(self) -> Evidence:
        return self._server.bring("exited", lambda: self.server.kill(signal="KILL"), "kill")

    def stop(self) -> Evidence:
        return self._server.bring("exited", lambda: self.server.kill(signal="TERM"), "stop")

    def pause(self) -> Evidence:
        return self._server.bring("paused", lambda: freeze(self.server), "pause")

    def resume(self) -> Evidence:
        return self._server.bring("running", self.server.unpause, "resume")

    def wipe(self) -> Evidence:
        """Delete the database of a server that is down; myid stays.

        Raises:
            ClusterError: the server is not down, or something is left.
        """
        if (state := self.process) not in DOWN:
            raise ClusterError(f"node {self.id}: wipe: expected a server that is down, got {state}")
        return disk.wipe(self.sandbox)

    def shape(self, shape: Shape | None) -> Evidence:
        return network.shape(self.sandbox, shape)

    def shaped(self) -> Evidence:
        return network.shaped(self.sandbox)

    def set_clock(self, offset_s: float) -> Evidence:
        self._require_faketime()
        return faketime.set_offset(self.sandbox, offset_s, running=self._running)

    def strobe_clock(self, offset_s: float, period_s: float) -> Evidence:
        self._require_faketime()
        return faketime.strobe(self.sandbox, offset_s, period_s, running=self._running)

    def fill_disk(self) -> Evidence:
        return disk.fill(self.sandbox)

    def free_disk(self) -> Evidence:
        return disk.free(self.sandbox)

    def damage(self, file: FileKind, how: Damage, *, running: bool = False) -> Evidence:
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
        self.require_disk_shim()
        return shimmed_disk.put(self.sandbox, rule)

    def disk_calls(self) -> Evidence:
        return shimmed_disk.calls(self.sandbox)

    def mend_disk(self) -> Evidence:
        return shimmed_disk.mend(self.sandbox)

    def set_failpoint(self, name: str, rule: FailpointRule) -> Evidence:
        if not self._server.has("SERVER_JVMFLAGS", AGENT):
            raise UnsupportedError(
                f"node {self.id}: its server does not run under the failpoint agent; start it with "
                f"`failpoints: true` and an image whose Java can load it"
            )
        return failpoint_agent.set_rule(self.sandbox, name, rule, running=self._running())

    def failpoint_hits(self, name: str) -> Evidence:
        return failpoint_agent.hits(self.sandbox, name)

    def clear_failpoint(self, name: str) -> Evidence:
        return failpoint_agent.clear_rule(self.sandbox, name)

    def status(self, *, metrics: bool = False) -> NodeStatus:
        """Look at the server once; never blocks longer than about a second.

        Raises:
            ClusterError: the engine is gone, or no longer has a container of this node.
        """
        seen = probe.look(self.id, self.sandbox.address, metrics=metrics)
        if seen.mode == "down":
            self._server.require_there()
        if seen.mode == "silent" and self.process == "paused":
            return NodeStatus(node=self.id, mode="paused")
        return seen

    def log(self) -> bytes:
        return self._server.log()

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
        return self._server.has("LD_PRELOAD", library)
