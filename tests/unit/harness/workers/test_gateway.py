"""The gateway process of a run: its address stays its own, and it never outlives its parent."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.common.harness_errors import TargetError
from harness.common.polling import wait_until
from harness.workers.gateway import GatewayProcess

NO_QUORUM = "127.0.0.1:1"  # the gateway serves without: its health is its own
GONE_WITHIN_S = 60.0
PARENT = """
import sys, time
from pathlib import Path
from harness.workers.gateway import GatewayProcess
gateway = GatewayProcess("127.0.0.1:1", Path(sys.argv[1]), {})
print(gateway.start()["address"], flush=True)
time.sleep(600)
"""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway that was not started yet."""
    new = GatewayProcess(NO_QUORUM, tmp_path / "gateway.log", {})
    yield new
    new.close()


def port_of(address: str) -> int:
    """Return the port of host:port."""
    return int(address.rpartition(":")[2])


@pytest.mark.slow
def test_killed_and_started_again_at_the_same_address(gateway: GatewayProcess) -> None:
    """SIGKILL is seen in its exit code, and the next one answers where the first did."""
    first = gateway.start()
    killed = gateway.kill()
    assert killed == {"pid": first["pid"], "exit_code": -signal.SIGKILL, "answers": False}
    again = gateway.start()
    assert again["address"] == first["address"]
    assert again["pid"] != first["pid"]


def test_a_port_is_refused_and_taken_by_nobody_while_it_is_down(gateway: GatewayProcess) -> None:
    """Between two gateways their port refuses clients, and cannot be had without asking to."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port_of(gateway.address)), timeout=GONE_WITHIN_S)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port_of(gateway.address)))


def test_what_is_down_cannot_be_killed(gateway: GatewayProcess) -> None:
    """A kill that hits nobody is an error, not an injection."""
    with pytest.raises(TargetError, match="expected it running, got it down"):
        gateway.kill()


@pytest.mark.slow
def test_ends_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    """After SIGKILL of its parent nobody listens at its address any more."""
    log = str(tmp_path / "gateway.log")
    with subprocess.Popen([sys.executable, "-c", PARENT, log], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        port = port_of(parent.stdout.readline().decode().strip())
        socket.create_connection(("127.0.0.1", port), timeout=GONE_WITHIN_S).close()
        parent.kill()
    assert refuses_within(port, GONE_WITHIN_S)


def refuses_within(port: int, within_s: float) -> bool:
    """Tell whether the port comes to refuse connections in time."""

    def refuses() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=GONE_WITHIN_S).close()
        except OSError:
            return True
        return False

    return wait_until(refuses, within_s=within_s, every_s=0.05)
