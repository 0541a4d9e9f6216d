"""A ZooKeeper quorum with the interface of testcontainers-python's containers.

    with ZooKeeperQuorumContainer(nodes=3) as zookeeper:
        client = KazooClient(zookeeper.get_connection_url())

It needs no testcontainers: what they call a container is one, and each node of a quorum is two.
"""

import logging
from contextlib import ExitStack
from typing import Any, Self

from cluster import lending
from cluster.quorum import DockerQuorum
from harness.commands.manual.faults_command import tidy
from harness.commands.running.pytest_items import ByHand
from harness.common.harness_errors import TargetError
from harness.scenario import loading

READY_WITHIN_S = 90.0
CLIENT_PORT = 2181

_log = logging.getLogger(__name__)


class ZooKeeperQuorumContainer:
    """Real servers in Docker, and the harness's faults. Not thread-safe.

    `settings` are the keys of `cluster` in a scenario, such as `zookeeper="3.9.3"`, `heap_mb` or
    `port`. What a process that was killed left is removed by the next start, or `harness clean`.
    """

    def __init__(self, nodes: int = 3, **settings: Any) -> None:
        self._config = loading.cluster({"nodes": nodes, **settings})
        self._undo = ExitStack()
        self._up: tuple[DockerQuorum, ByHand] | None = None

    def start(self) -> Self:
        """Start the servers, and wait until all serve and one leads; 2 s with built images.

        Raises:
            ClusterError: the engine, or the machine, refused.
        """
        if self._up is None:
            tidy(_log.info)
            with ExitStack() as begun:
                up = lending.started(self._config, by_hand=False, say=_log.info)
                quorum = begun.enter_context(up)
                quorum.wait_ready(within_s=READY_WITHIN_S)
                self._undo, self._up = begun.pop_all(), (quorum, ByHand(quorum))
        return self

    def stop(self, force: bool = True, delete_volume: bool = True) -> None:  # noqa: FBT001, FBT002 -- testcontainers' signature
        """Remove servers, network and volumes, whatever the arguments say; again is fine."""
        self._up = None
        self._undo.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def get_connection_url(self) -> str:
        """Return the connect string of all servers: `host:port,host:port,host:port`."""
        return self.quorum.hosts

    def get_container_host_ip(self) -> str:
        """Return the address of the first server; a client should know all of them."""
        return self._first()[0]

    def get_exposed_port(self, port: int = CLIENT_PORT) -> int:
        """Return where the first server's client port is published.

        Raises:
            TargetError: another port than 2181: no other is published.
        """
        if port != CLIENT_PORT:
            raise TargetError(f"get_exposed_port: expected {CLIENT_PORT}, got {port}")
        return int(self._first()[1])

    def get_logs(self) -> tuple[bytes, bytes]:
        """Return what all servers logged, one after the other, and no errors apart from it."""
        return b"".join(log for _, log in self.quorum.logs()), b""

    def inject(self, fault: str, **settings: Any) -> list[int]:
        """Inject a fault of `harness list`, and return the ids of the nodes it hit.

        Raises:
            ScenarioError: no such fault or setting.
            TargetError: it could not be injected, or nothing shows that it took effect.
        """
        return self._running()[1].inject(fault, **settings)

    def heal(self) -> None:
        """Undo every fault in force, and wait until all servers serve."""
        self._running()[1].heal()

    @property
    def quorum(self) -> DockerQuorum:
        """The servers by id, their roles and their leader."""
        return self._running()[0]

    def _running(self) -> tuple[DockerQuorum, ByHand]:
        if self._up is None:
            raise TargetError("the quorum is not started; call start(), or use `with`")
        return self._up

    def _first(self) -> tuple[str, str]:
        host, _, port = self.quorum.hosts.partition(",")[0].rpartition(":")
        return host, port
