"""Where a Docker engine is: by its name, or by DOCKER_HOST, the context in use, or a socket."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from docker.constants import DEFAULT_UNIX_SOCKET
from docker.context import ContextAPI
from docker.errors import DockerException
from docker.tls import TLSConfig
from docker.utils import kwargs_from_env, parse_host
from docker.utils.config import find_config_file

from cluster.cluster_errors import EngineError
from cluster.engine import ssh_tunnel

_UNIX = "http+unix://"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An engine's address.

    Attributes:
        url: as docker's client takes it.
        told_by: who named it, for people; empty for the default socket.
        tls: keys, if it wants them.
        tunnel: the way to it over ssh, if the url is that of a socket which leads there.
    """

    url: str
    told_by: str = ""
    tls: TLSConfig | None = None
    tunnel: str | None = None

    def __str__(self) -> str:
        url = self.url.removeprefix("http+").replace("http", "tcp", 1)
        shown = self.tunnel or url.replace("tcps", "tcp", 1)
        return f"{shown} ({self.told_by or 'the default'})"

    @property
    def socket_path(self) -> str | None:
        """Return the path of its socket on this machine; None if it is reached over a network."""
        return self.url.removeprefix(_UNIX) if self.url.startswith(_UNIX) else None

    @property
    def host(self) -> str | None:
        """Return the host it is on; None if it has a socket on this machine."""
        if self.tunnel is not None:
            return ssh_tunnel.to(self.tunnel).host
        return None if self.socket_path is not None else urlsplit(self.url).hostname


def find(name: str = "") -> Endpoint:
    """Return the address of an engine: a URL, or a context; by default what the environment means.

    Raises:
        EngineError: it means one that cannot be, such as a context that does not exist.
    """
    try:
        if "://" in name:  # the keys are those of the environment
            told = kwargs_from_env(environment={**os.environ, "DOCKER_HOST": name})
            return _endpoint(told, "engines")
        if name not in {"", "default"}:
            return _of_context(name) or _of_socket()
        told = kwargs_from_env()
        if "base_url" in told:
            return _endpoint(told, "DOCKER_HOST")
        return _of_context(name or os.environ.get("DOCKER_CONTEXT")) or _of_socket()
    except (DockerException, OSError, ValueError) as error:
        raise EngineError(
            f"Docker engine{name and f' {name}'}: expected an address, got: {error}"
        ) from error


def _endpoint(told: Mapping[str, object], told_by: str) -> Endpoint:
    if (tunnel := str(told["base_url"])).startswith("ssh://"):
        local = ssh_tunnel.to(tunnel).socket
        return Endpoint(url=f"{_UNIX}{local}", told_by=told_by, tunnel=tunnel)
    tls = told.get("tls")
    url = parse_host(str(told["base_url"]), tls=bool(tls))
    return Endpoint(url=str(url), told_by=told_by, tls=tls if isinstance(tls, TLSConfig) else None)


def _of_context(name: str | None) -> Endpoint | None:
    """Return the endpoint of a context, or of the current one; None for `default`."""
    context: Any  # None where the stubs say that there always is one
    try:
        context = ContextAPI.get_context(name)
    except Exception as error:
        raise EngineError(f"Docker context {name or 'in use'}: {error}") from error
    if context is None:
        named = name or "in use"
        # docker's Python client looks for contexts only beside that file.
        lost = "" if find_config_file() else "; there is no config.json: `docker context use` one"
        raise EngineError(
            f"Docker context {named!r}: expected one that `docker context ls` lists, got none{lost}"
        )
    if context.name == "default":
        return None
    return _endpoint(
        {"base_url": context.Host, "tls": context.TLSConfig}, f"context {context.name}"
    )


def _of_socket() -> Endpoint:
    """Return the usual socket, or this user's rootless engine's if that one is not to be used."""
    usual = Endpoint(url=str(parse_host(DEFAULT_UNIX_SOCKET)))
    folder = os.environ.get("XDG_RUNTIME_DIR")
    rootless = Path(folder or f"/run/user/{os.getuid()}") / "docker.sock"
    if not os.access(usual.socket_path or "", os.W_OK) and rootless.is_socket():
        return Endpoint(url=f"{_UNIX}{rootless}", told_by="rootless")
    return usual
