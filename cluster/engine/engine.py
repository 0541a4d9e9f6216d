"""A Docker client on an engine that answers; installs and starts one where that is possible.

`python -m cluster.engine.engine` does only that, for the Makefile.
"""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
from docker.api.client import APIClient
from docker.constants import MINIMUM_DOCKER_API_VERSION
from docker.errors import DockerException

from cluster.cluster_errors import EngineError, EngineGoneError
from cluster.engine import docker_endpoint as endpoint
from cluster.engine import far_connections, ssh_tunnel
from cluster.engine.docker_endpoint import Endpoint
from cluster.engine.far_connections import FarAdapter

REQUEST_TIMEOUT_S = 120.0
LISTENS_WITHIN_S = 5.0  # the kernel of its machine takes the connection
ANSWER_WITHIN_S = 15.0  # to the first question, for which it starts programs; a busy one is quicker
TOLD_AFTER_S = 5.0  # that it has not answered yet
_FAR = ("http://", "https://")
POOL_SIZE = 32  # nodes are worked on at the same time, one connection each


class _Api(APIClient):
    """Requests that raise one of docker's errors if they get no answer, as callers expect."""

    named = ""  # with a space before it, for errors; an engine among several has a name
    lost: str | None = None  # why no further request is sent: each would wait in vain

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._is_far = str(self.base_url).startswith(_FAR)
        self.break_off: Callable[[], None] = lambda: None
        if self._is_far:
            adapter = FarAdapter(pool_maxsize=POOL_SIZE)
            self.break_off = adapter.break_off
            for scheme in _FAR:
                self.mount(scheme, adapter)

    def send(self, *request: Any, **settings: Any) -> Any:
        """Send a request and return the answer.

        Raises:
            EngineGoneError: there was none. If the machine is silent, no further one is sent.
        """
        if self.lost is not None:
            raise EngineGoneError(self.lost)
        if self._is_far and isinstance(within_s := settings.get("timeout"), (int, float)):
            settings["timeout"] = far_connections.limited(within_s)
        try:
            return super().send(*request, **settings)
        except OSError as error:  # what the transport raises, time-outs too
            raise self.gone(error) from error

    def is_silence(self, error: Exception) -> bool:
        """Tell whether an error means that the engine's machine is not heard of any more."""
        return self._is_far and far_connections.is_silent(error)

    def gone(self, error: Exception) -> EngineGoneError:
        """Return the error to raise for one of the transport; give up a machine that is silent."""
        silent = self.is_silence(error)
        why = "is its machine cut off?" if silent else "has it been stopped?"
        told = f"expected an answer, got none ({type(error).__name__}); {why}"
        if self.lost is not None:
            return EngineGoneError(self.lost)
        gone = EngineGoneError(f"Docker engine{self.named}: {told}")
        if silent:
            self.give_up(str(gone))
        return gone

    def give_up(self, why: str) -> None:
        """End all requests that wait for an answer, and let each later one fail at once."""
        self.lost = why
        self.break_off()

    def require(self, within_s: float) -> None:
        """Ask for a sign of life, and give the engine up if there is none.

        Raises:
            EngineGoneError: there was none; no further request is sent.
        """
        try:
            self.get(f"{self.base_url}/_ping", timeout=within_s)
        except EngineGoneError as error:
            self.give_up(str(error))
            raise


class Engine(docker.DockerClient):
    """A Docker client that tells an engine that is gone from one that refuses."""

    api: _Api

    def __init__(self, name: str = "", **settings: Any) -> None:
        self.name = name
        self.api = _Api(**settings)
        self.api.named = name and f" {name}"
        # A proxy of this environment is for the outside world, not for the way to the engine.
        self.api.trust_env = False


def connect(name: str = "", *, timeout_s: float = REQUEST_TIMEOUT_S) -> docker.DockerClient:
    """Return a client on the engine of that name; `timeout_s` is for each of its requests.

    Without a name it is the one that the environment means; see `docker_endpoint.find`.

    Raises:
        EngineError: it does not answer within ANSWER_WITHIN_S; says why. After TOLD_AFTER_S a line
            on standard error says that it has not answered yet.
    """
    where = endpoint.find(name)
    try:
        _require_listener(where)
        with (
            _told_if_late(where),
            closing(_client(name, where, MINIMUM_DOCKER_API_VERSION, ANSWER_WITHIN_S)) as asking,
        ):
            version = str(asking.api.version(api_version=False)["ApiVersion"])
        return _client(name, where, version, timeout_s)
    except (DockerException, OSError, LookupError, TypeError) as error:
        raise EngineError(
            f"Docker engine at {where}: {_reason(error)}: expected one that answers, got none; "
            f"{_advice(error, name)}"
        ) from error


def require(client: docker.DockerClient, *, within_s: float) -> None:
    """Require that an engine which answered before still does; else give it up.

    Raises:
        EngineGoneError: it does not. Each later request by this client raises it, too, at once.
    """
    assert isinstance(client, Engine)
    client.api.require(within_s)


def identity(client: docker.DockerClient) -> str:
    """Return what an engine calls itself, whichever way leads to it."""
    return str(client.info().get("ID", ""))


def gone(client: docker.DockerClient | None, error: Exception) -> EngineGoneError | None:
    """Return the error to raise if one from beside docker's client means that its engine is gone.

    A command's output is read from the socket itself.
    """
    api = client.api if isinstance(client, Engine) else None
    if api is None or not api.is_silence(error):
        return None
    return api.gone(error)


def beside(client: docker.DockerClient, *, timeout_s: float) -> docker.DockerClient:
    """Return another client on the same engine, whose requests wait no longer than that.

    Raises:
        EngineError: it does not answer any more.
    """
    return connect(client.name if isinstance(client, Engine) else "", timeout_s=timeout_s)


def ensure() -> docker.DockerClient:
    """Return a client, after installing and starting an engine if there is none (see engine.sh).

    Raises:
        EngineError: there is none and none can be started here; the reason is on stderr too.
    """
    try:
        return connect()
    except EngineError:
        if endpoint.find().told_by:
            raise  # not ours to start
        script = Path(__file__).with_name("engine.sh")
        done = subprocess.run(
            ["sh", str(script)], stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False
        )
        if done.returncode != 0:
            raise EngineError(
                "Docker engine: none answers and none could be started (the lines above say why)"
            ) from None
        return connect()


def _client(name: str, where: Endpoint, version: str, timeout_s: float) -> Engine:
    client = Engine(
        name,
        base_url=where.url,
        tls=where.tls or False,
        version=version,
        timeout=timeout_s,
        max_pool_size=POOL_SIZE,
    )
    if where.tunnel is not None:
        client.api.break_off = partial(ssh_tunnel.end, where.tunnel)
    return client


def _require_listener(where: Endpoint) -> None:
    """Raise OSError if the engine's address has no listener.

    Asked first because the system's own error is plain, and because docker's client (7.1) leaves
    open the socket that it could not connect.
    """
    if (path := where.socket_path) is not None:
        with closing(socket.socket(socket.AF_UNIX)) as asked:
            asked.settimeout(LISTENS_WITHIN_S)
            asked.connect(path)
    else:
        parts = urlsplit(where.url)
        address = (parts.hostname or "", parts.port or 0)
        socket.create_connection(address, timeout=LISTENS_WITHIN_S).close()


@contextmanager
def _told_if_late(where: Endpoint) -> Iterator[None]:
    """Say that the engine took the connection and is silent, if the block takes so long."""
    text = f"Docker engine at {where}: no answer yet; it has {ANSWER_WITHIN_S:g} s\n"
    late = threading.Timer(TOLD_AFTER_S, sys.stderr.write, [text])
    late.daemon = True
    late.start()
    try:
        yield
    finally:
        late.cancel()


def _reason(error: Exception) -> str:
    if isinstance(error, EngineGoneError):
        return f"it took the connection and gave no answer within {ANSWER_WITHIN_S:g} s"
    if isinstance(error, (LookupError, TypeError)):
        return "what listens there is no Docker engine"
    return str(getattr(error, "strerror", None) or getattr(error, "explanation", None) or error)


def _advice(error: Exception, name: str) -> str:
    if name:
        return "start it, or leave it out of `engines`"
    if isinstance(error, PermissionError):
        return "add this user to the group docker, or install a rootless engine: docs/installing.md"
    return (
        "start it (cluster/engine/engine.sh does on Debian, as root), or set DOCKER_HOST; "
        "docs/installing.md says how to get one"
    )


if __name__ == "__main__":
    ensure()
