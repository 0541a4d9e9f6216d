"""The container of a node's server: made, replaced, and brought to a state."""

import io
import tarfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import docker
from docker.errors import DockerException, NotFound
from docker.models.containers import Container
from docker.types import LogConfig

from cluster.cluster_errors import ClusterError
from cluster.config import ENVIRONMENT
from cluster.engine import labels
from cluster.engine.containers import UID, download, remove
from cluster.pods.sandbox import Sandbox, gone
from harness.common.harness_errors import UnsupportedError
from harness.common.polling import wait_until
from harness.common.server_states import LOG_CUT
from harness.target import DOWN, Evidence

STATE_TIMEOUT_S = 30
ASK_AGAIN_S = 1.0  # how soon the engine is asked again about a server that does not answer
POLL_S = 0.01
LOG_FILE_MB = 64  # a server that fails in a loop wrote 1.6 GB in ten minutes
LOG_FILES = 2
_BESIDE_A_LINE = 65  # bytes that the engine writes with each: its stream, its time
_LOGGING = {"max-size": f"{LOG_FILE_MB}m", "max-file": str(LOG_FILES)}


class ServerContainer:
    """The container that a node's server runs in, on the network and the disk of its sandbox."""

    def __init__(self, client: docker.DockerClient, sandbox: Sandbox) -> None:
        self._client = client
        self._sandbox = sandbox
        self._container: Container | None = None
        self._earlier_log = b""
        self._asked_s = -ASK_AGAIN_S

    @property
    def container(self) -> Container:
        """Return the container.

        Raises:
            ClusterError: there is none yet.
        """
        if self._container is None:
            raise ClusterError(f"node {self._sandbox.id}: it has no server yet")
        return self._container

    def attach(self, container: Container | None) -> None:
        """Take over a container that another process created."""
        self._container = container

    def create(self, image: str, environment: Mapping[str, str]) -> None:
        """Create a container with these variables; do not start it."""
        self._container = self._client.containers.create(
            image,
            name=self._sandbox.name("server"),
            labels={**self._sandbox.tags, labels.PART: "server"},
            network_mode=f"container:{self._sandbox.container.id}",
            volumes_from=[str(self._sandbox.container.id)],
            environment=dict(environment),
            user=f"{UID}:{UID}",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            log_config=LogConfig(type=LogConfig.types.JSON, config=_LOGGING),
        )

    def replace(self, image: str) -> None:
        """Put a new container of that image in the place of this one, with its configuration."""
        configuration = self._configuration()
        lines = (line.partition("=") for line in self.container.attrs["Config"]["Env"])
        environment = {name: value for name, _, value in lines if name in ENVIRONMENT}
        self._earlier_log = self.log()
        self._remove()
        self.create(image, environment)
        self.container.put_archive("/", configuration)

    def clear(self) -> None:
        """Remove the container, and forget what servers have written."""
        self._remove()
        self._earlier_log = b""

    def log(self) -> bytes:
        """Return what this server, and those that it replaced, have written.

        Of a server that wrote more than the engine keeps it may be the end only; then `LOG_CUT`
        comes first.
        """
        server = self.container
        try:
            written = bytes(server.logs(stdout=True, stderr=True))
            cut = LOG_CUT if _may_be_cut(written) else b""
            return self._earlier_log + cut + written
        except (DockerException, OSError) as error:
            raise self._failed(server, error) from error

    def has(self, variable: str, text: str) -> bool:
        """Tell whether a variable of the server's environment has that text in it."""
        lines = (line.partition("=") for line in self.container.attrs["Config"]["Env"])
        return any(name == variable and text in value for name, _, value in lines)

    def state(self) -> dict[str, Any]:
        """Ask the engine for the container's state."""
        server = self.container
        self._reload(server)
        state: dict[str, Any] = server.attrs["State"]
        return state

    def require_there(self) -> None:
        """Ask the engine, at most every second, whether it still has the node's containers.

        Raises:
            ClusterError: the engine is gone, or one of the containers is.
        """
        now_s = time.monotonic()
        if now_s - self._asked_s < ASK_AGAIN_S:
            return
        self._asked_s = now_s
        self._reload(self._sandbox.container)
        if self._container is not None:
            self._reload(self._container)

    def bring(self, wanted: str, request: Callable[[], object], what: str) -> Evidence:
        """Ask the engine to bring the server to a state, and wait until it says so.

        A server that was started and has ended since was running: a busy engine may tell its end
        only.

        Raises:
            UnsupportedError: the server has ended, so it can be neither ended nor frozen.
            ClusterError: the engine refused, or does not say so in time.
        """
        began, started_at = time.monotonic(), self.container.attrs["State"].get("StartedAt")
        try:
            request()
        except DockerException as error:
            if wanted != "running" and (status := self.state()["Status"]) in DOWN:
                raise UnsupportedError(
                    f"node {self._sandbox.id}: {what}: expected a server that runs, got {status}"
                ) from error
            raise ClusterError(f"node {self._sandbox.id}: {what}: {error}") from error
        state = self._wait_state(wanted, started_at)
        after_ms = round((time.monotonic() - began) * 1000)
        seen = {"node": self._sandbox.id, "state": state["Status"], "after_ms": after_ms}
        seen["started_at"] = state["StartedAt"]
        return seen | ({"exit_code": state["ExitCode"]} if wanted == "exited" else {})

    def _wait_state(self, wanted: str, started_at: str) -> Mapping[str, Any]:
        def reached(state: Mapping[str, Any]) -> bool:
            ended = state["Status"] == "exited" and state["StartedAt"] != started_at
            return state["Status"] == wanted or (wanted == "running" and ended)

        return wait_until(
            self.state,
            reached,
            within_s=STATE_TIMEOUT_S,
            every_s=POLL_S,
            late=lambda state: ClusterError(
                f"node {self._sandbox.id}: expected {wanted} within {STATE_TIMEOUT_S} s, "
                f"got {state['Status']}"
            ),
        )

    def _configuration(self) -> bytes:
        """Pack zoo.cfg, the files of reconfigurations, and keys, but no file of the image."""
        kept = io.BytesIO()
        with (
            download(self.container, "/conf") as archive,
            tarfile.open(fileobj=archive) as old,
            tarfile.open(fileobj=kept, mode="w") as new,
        ):
            for entry in old:
                if entry.isfile() and entry.name.startswith(("conf/zoo.cfg", "conf/quorum.")):
                    new.addfile(entry, old.extractfile(entry))
        return kept.getvalue()

    def _remove(self) -> None:
        """Remove the container; forget it first, so that `require_there` does not miss it."""
        container, self._container = self.container, None
        remove(container)

    def _reload(self, container: Container) -> None:
        """Refresh a container's state; ignore an error if we have removed it since."""
        try:
            container.reload()
        except DockerException as error:
            if container in (self._sandbox.container, self._container):
                raise self._failed(container, error) from error

    def _failed(self, container: Container, error: Exception) -> ClusterError:
        """Return the error to raise when the engine could not answer about a container."""
        if isinstance(error, ClusterError):
            return error
        if isinstance(error, NotFound):
            return gone(self._sandbox.id, container)
        return ClusterError(f"node {self._sandbox.id}: {error}")


def _may_be_cut(log: bytes) -> bool:
    """Tell whether the engine may have thrown away the oldest file: one is full, as it counts."""
    return len(log) + _BESIDE_A_LINE * log.count(b"\n") >= LOG_FILE_MB << 20
