"""A Docker client on an engine that answers; installs and starts one where that is possible.

`python -m cluster.engine.engine` does only that, for the Makefile.
"""

import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
from docker.api.client import APIClient
from docker.constants import DEFAULT_UNIX_SOCKET
from docker.errors import DockerException
from docker.utils import parse_host

from cluster.cluster_errors import EngineError, EngineGoneError

REQUEST_TIMEOUT_S = 120
POOL_SIZE = 32  # nodes are worked on at the same time, one connection each


class _Api(APIClient):
    """Requests that raise one of docker's errors if they get no answer, as callers expect."""

    def send(self, *request: Any, **settings: Any) -> Any:
        """Send a request and return the answer.

        Raises:
            EngineGoneError: there was none.
        """
        try:
            return super().send(*request, **settings)
        except OSError as error:  # what the transport raises, time-outs too
            raise EngineGoneError(
                f"Docker engine: expected an answer, got none ({type(error).__name__}); has it "
                f"been stopped?"
            ) from error


class Engine(docker.DockerClient):
    """A Docker client that tells an engine that is gone from one that refuses."""

    def __init__(self, **settings: Any) -> None:
        self.api = _Api(**settings)


def connect() -> docker.DockerClient:
    """Return a client on the engine that answers now.

    Raises:
        EngineError: none does.
    """
    try:
        _require_listener()
        client = Engine.from_env(timeout=REQUEST_TIMEOUT_S, max_pool_size=POOL_SIZE)
    except (DockerException, OSError) as error:
        where = os.environ.get("DOCKER_HOST", "its usual socket")
        raise EngineError(
            f"Docker engine: expected one that answers at {where}, got none; start it "
            f"(cluster/engine.sh does on Debian, as root), or set DOCKER_HOST"
        ) from error
    return client


def ensure() -> docker.DockerClient:
    """Return a client, after installing and starting an engine if there is none (see engine.sh).

    Raises:
        EngineError: there is none and none can be started here; the reason is on stderr too.
    """
    try:
        return connect()
    except EngineError:
        script = Path(__file__).with_name("engine.sh")
        done = subprocess.run(
            [str(script)], stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False
        )
        if done.returncode != 0:
            raise EngineError(
                "Docker engine: none answers and none could be started (the lines above say why)"
            ) from None
        return connect()


def _require_listener() -> None:
    """Raise OSError if the engine's local socket has no listener.

    Asked first because docker's client (7.1) leaves open the socket that it could not connect.
    """
    where = str(parse_host(os.environ.get("DOCKER_HOST", DEFAULT_UNIX_SOCKET)))
    scheme, _, path = where.partition("://")
    if scheme == "http+unix":
        with closing(socket.socket(socket.AF_UNIX)) as asked:
            asked.connect(path)


if __name__ == "__main__":
    ensure()
