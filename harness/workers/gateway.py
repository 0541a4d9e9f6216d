"""The gateway of a run with `transport: rest`, or of `harness up`: a process on loopback.

While the gateway is down, a bound socket that never listens keeps its port. So clients are refused,
as by a dead server, and no other process gets the port.
"""

import http.client
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from harness.common import process_group
from harness.common.harness_errors import TargetError
from harness.common.polling import wait_until
from harness.target import Evidence

LOOPBACK = "127.0.0.1"
READY_WITHIN_S = 60.0
STOP_WITHIN_S = 10.0
KILLED_WITHIN_S = 60.0
_POLL_S = 0.02


class HeldPort(socket.socket):
    """A port of loopback, for a gateway of ours; no other process gets it until `close`."""

    _claim: socket.socket | None = None

    def claim(self, port: int) -> None:
        """Keep `hold_port` of other processes from a port, which they could bind as a gateway can.

        Raises:
            OSError: another one has it.
        """
        self._claim = socket.socket(socket.AF_UNIX)
        self._claim.bind(f"\0zkmq-harness-port-{port}")  # an abstract name: it ends with us

    def close(self) -> None:
        """Give it back."""
        super().close()
        if self._claim is not None:
            self._claim.close()


def hold_port(port: int = 0) -> HeldPort:
    """Return a socket that holds a port of loopback, any free one for 0, and does not listen.

    Raises:
        OSError: it is taken.
    """
    holder = HeldPort(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if port:
            holder.claim(port)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((LOOPBACK, port))
    except OSError:
        holder.close()
        raise
    return holder


class GatewayProcess:
    """One gateway process after another, on one address; see `harness.target.Gateway`.

    Args:
        hosts: ZooKeeper's connect string.
        log: what it prints is appended to this file.
        environment: added to its environment, so that `clean` finds it.
        port: what holds its port, from `hold_port`; any free one if None.
        stays: it outlives the harness; else it ends when its standard input closes, so also
            when the harness is killed.
    """

    def __init__(
        self,
        hosts: str,
        log: Path,
        environment: Mapping[str, str],
        *,
        port: socket.socket | None = None,
        stays: bool = False,
    ) -> None:
        self._hosts, self._log, self._environment = hosts, log, dict(environment)
        self._port, self._stays = port or hold_port(), stays
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Return `127.0.0.1:port`, the same for all processes."""
        return f"{LOOPBACK}:{self._port.getsockname()[1]}"

    @property
    def url(self) -> str:
        """Return what clients connect to."""
        return f"http://{self.address}"

    def start(self) -> Evidence:
        """Start it and wait until it answers; one that runs is left alone.

        Raises:
            TargetError: it did not answer within READY_WITHIN_S; says where its log is.
        """
        process = self._process = self._process or self._spawn()

        def look() -> str:
            if self.answers():
                return "an answer"
            return "none" if process.poll() is None else "its end"

        got = wait_until(look, lambda got: got != "none", within_s=READY_WITHIN_S, every_s=_POLL_S)
        if got != "an answer":
            raise TargetError(
                f"gateway {self.address}: expected an answer within {READY_WITHIN_S:g} s, got "
                f"{got}; see {self._log}"
            )
        return {"address": self.address, "pid": process.pid, "answers": True}

    def kill(self) -> Evidence:
        """End it with SIGKILL; return its exit code, and whether the address still answers.

        Raises:
            TargetError: it is down already.
        """
        process, self._process = self._process, None
        if process is None:
            raise TargetError(f"gateway {self.address}: expected it running, got it down")
        process.kill()
        return {
            "pid": process.pid,
            "exit_code": _ended(process, KILLED_WITHIN_S),
            "answers": self.answers(),
        }

    def answers(self) -> bool:
        """Tell whether a request for its health is answered with success."""
        connection = http.client.HTTPConnection(self.address, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def close(self) -> None:
        """Let it close its sessions and end, then give the port back; twice is fine."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                _ended(process, STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                _ended(process, KILLED_WITHIN_S)
        self._port.close()

    def _spawn(self) -> subprocess.Popen[bytes]:
        host, _, port = self.address.rpartition(":")
        command = ["zkmq.rest", "--hosts", self._hosts]
        command += ["--host", host, "--port", port, "--no-log"]
        command += [] if self._stays else ["--until-stdin-closes"]
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            return process_group.start(
                command,
                self._environment,
                stdin=subprocess.DEVNULL if self._stays else subprocess.PIPE,
                stdout=log,
                stderr=log,
            )


def _ended(process: subprocess.Popen[bytes], within_s: float) -> int:
    """Wait for its end, and close its input."""
    code = process.wait(within_s)
    if process.stdin is not None:
        process.stdin.close()
    return code
