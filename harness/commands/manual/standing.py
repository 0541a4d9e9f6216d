"""The gateway that `harness up` leaves beside its quorum, as the original's start.sh did."""

import socket
from collections.abc import Callable

from cluster.engine import processes
from cluster.quorum import DockerQuorum
from harness.common.harness_errors import ScenarioError
from harness.workers.gateway import LOOPBACK, GatewayProcess, hold_port

PORT = 9998  # the original's


def hold(port: int | None, say: Callable[[str], None]) -> socket.socket:
    """Hold the port asked for; with None the original's, or another one if that is taken.

    Raises:
        ScenarioError: the one asked for is taken.
    """
    try:
        return hold_port(PORT if port is None else port)
    except OSError as error:
        if port is not None:
            raise ScenarioError(
                f"--gateway-port: expected a free port of {LOOPBACK}, got {port}: {error.strerror}"
            ) from error
    held = hold_port()
    say(f"port {PORT} is taken; the gateway gets {held.getsockname()[1]}")
    return held


def start(quorum: DockerQuorum, port: socket.socket) -> str:
    """Start a gateway beside a quorum that outlives this process, and return its URL.

    Raises:
        TargetError: it does not answer; says where its log is.
    """
    url = f"http://{LOOPBACK}:{port.getsockname()[1]}"
    log = processes.log_of(quorum.run)
    marks = processes.marks(quorum.run, url, quorum.engine_id)
    GatewayProcess(quorum.hosts, log, marks, port=port, stays=True).start()
    return url


def told(run: str) -> str:
    """Return where the gateway beside a quorum is, in one line."""
    urls = [one.url for one in processes.beside(run)]
    return f"gateway: {', '.join(urls) or 'none'}"
