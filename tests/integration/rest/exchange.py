"""HTTP for the contract tests: exactly the bytes a test wrote, over a kept-alive connection."""

import http.client
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from xml.etree import ElementTree as ET

from harness.workers.gateway import hold_port
from zkmq.rest.server.serving import GatewayServer, listen
from zkmq.rest.upstream.gateway_config import GatewayConfig, Limits

# A machine that stands still for a while is no server that is away.
PATIENT = Limits(request_timeout_s=60, connect_wait_s=60, queue_session_s=60, wait_s=600)
# No answer of a gateway that waits for a server takes longer.
ANSWERS_WITHIN_S = 120
# It gives its requests ten seconds and its sessions ten more; the rest is for a busy machine.
STOPS_WITHIN_S = 60
OCTETS = "application/octet-stream"


@dataclass(frozen=True)
class Answer:
    """One HTTP response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)

    def xml(self) -> ET.Element:
        """The body read as XML."""
        return ET.fromstring(self.body)  # noqa: S314 -- our own gateway wrote it

    @property
    def type(self) -> str:
        """The media type, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0]


class Rest:
    """A client that sends request targets as they are written."""

    def __init__(self, host: str, port: int, *, context: ssl.SSLContext | None = None) -> None:
        self.host, self.port = host, port
        scheme = "https" if context else "http"
        self.base = f"{scheme}://{host}:{port}"
        self._connection = (
            http.client.HTTPSConnection(host, port, timeout=ANSWERS_WITHIN_S, context=context)
            if context
            else http.client.HTTPConnection(host, port, timeout=ANSWERS_WITHIN_S)
        )

    def ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        **headers: str,
    ) -> Answer:
        """Send one request; header names are given with _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            self._connection.request(method, target, body, named)
            response = self._connection.getresponse()
        except OSError:
            self._connection.close()
            raise
        lower = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, lower, response.read())

    def get(self, target: str, **headers: str) -> Answer:
        """GET."""
        return self.ask("GET", target, **headers)

    def put(self, target: str, body: bytes = b"", **headers: str) -> Answer:
        """PUT."""
        return self.ask("PUT", target, body, **headers)

    def post(self, target: str, body: bytes = b"", **headers: str) -> Answer:
        """POST."""
        return self.ask("POST", target, body, **headers)

    def delete(self, target: str, **headers: str) -> Answer:
        """DELETE."""
        return self.ask("DELETE", target, **headers)

    def raw(self, data: bytes, *, timeout_s: float = ANSWERS_WITHIN_S) -> bytes:
        """Send bytes on a connection of their own; return all that comes until it is closed."""
        with socket.create_connection((self.host, self.port), timeout_s) as sock:
            sock.sendall(data)
            received = b""
            while chunk := sock.recv(65536):
                received += chunk
            return received

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def running(config: GatewayConfig) -> Iterator[int]:
    """Run a gateway in a thread; yields the port it listens on.

    Without limits of its own it has patience with the servers.
    """
    if config.limits == Limits():
        config = replace(config, limits=PATIENT)
    listener = listen(config.host, config.port)
    port = listener.getsockname()[1]
    server = GatewayServer(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        until(lambda: server.started, "the gateway to start")
        yield port
    finally:
        server.should_exit = True
        thread.join(STOPS_WITHIN_S)
        assert not thread.is_alive(), f"the gateway did not stop within {STOPS_WITHIN_S} s"


# What takes so long hangs, on a busy machine too.
HANGS_S = 60.0


def until(condition: Any, what: str, timeout_s: float = HANGS_S) -> None:
    """Wait for a condition, at most `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(0.02)


PROGRAM = """
import sys
from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig, Limits
from zkmq.rest.server.serving import serve
endpoint = EndpointConfig(hosts=sys.argv[1])
limits = Limits(shutdown_s=2, request_timeout_s=float(sys.argv[3]), queue_session_s=2)
serve(GatewayConfig(endpoints=(endpoint,), port=int(sys.argv[2]), limits=limits))
"""


@contextmanager
def process(
    hosts: str, port: int | None = None, *, request_timeout_s: float = 1.0
) -> Iterator[tuple[subprocess.Popen[bytes], Rest]]:
    """A gateway in a process of its own."""
    with closing(hold_port(port or 0)) as held:
        port = held.getsockname()[1]
        command = [sys.executable, "-c", PROGRAM, hosts, str(port), str(request_timeout_s)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running_:
            rest = Rest("127.0.0.1", port)
            try:
                until(lambda: answers(rest), "the gateway to start")
                yield running_, rest
            finally:
                running_.kill()
                rest.close()


def answers(rest: Rest) -> bool:
    """Whether the gateway is up."""
    try:
        return rest.get("/healthz").status == 200
    except OSError:
        return False
