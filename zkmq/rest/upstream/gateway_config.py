"""The configuration of a gateway: its address, endpoints and limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zkmq.rest.http.http_errors import ConfigError
from zkmq.zookeeper.security import Security

DEFAULT_PORT = 9998
UNREAD_S = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointConfig:
    """A context path, and the ZooKeeper connect string (`host:port,...[/chroot]`) that it serves.

    `users` maps names to passwords for HTTP basic authentication; without any, all clients may
    pass. `digests` are `user:pass` credentials for every ZooKeeper session of the endpoint, beside
    those of `security`, which also says whether to speak TLS with the servers.
    """

    hosts: str
    context: str = "/"
    users: Mapping[str, str] = field(default_factory=dict)
    digests: tuple[str, ...] = ()
    security: Security = field(default_factory=Security)
    read_only: bool = False

    def __post_init__(self) -> None:
        if not self.context.startswith("/"):
            raise ConfigError(f"context: expected a path that begins with /, got {self.context!r}")
        if not self.hosts.partition("/")[0].strip():
            raise ConfigError(f"{self.context}: hosts: expected host:port,..., got {self.hosts!r}")

    def kazoo_arguments(self) -> dict[str, Any]:
        """Return the arguments for KazooClient: credentials, and TLS if it is wanted.

        Raises:
            BadArgumentError: a file of keys or certificates cannot be used.
        """
        arguments = self.security.kazoo_arguments()
        digests = [("digest", digest) for digest in self.digests]
        return arguments | {"auth_data": [*arguments.get("auth_data", []), *digests]}


@dataclass(frozen=True, kw_only=True, slots=True)
class Tls:
    """A certificate chain and its key, both PEM. The gateway reloads changed files."""

    certificate: Path
    key: Path
    password: str | None = None
    check_s: float = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Limits on what clients may ask of the gateway. Sizes in bytes, times in seconds."""

    packet_bytes: int = 0xFFFFF  # ZooKeeper's jute.maxbuffer: a request may not be longer
    url_bytes: int = 16 * 1024
    header_bytes: int = 32 * 1024
    header_timeout_s: float = 10
    body_timeout_s: float = 30
    unread_s: int = UNREAD_S  # an answer of which the client takes nothing for so long is given up
    keep_alive_s: int = 75
    request_timeout_s: float = 5
    connect_wait_s: float = 2
    session_timeout_s: float = 30
    queue_session_s: float = 10  # a dead gateway's janitor is replaced after as long
    sessions: int = 1000
    expire_s: int = 24 * 3600
    watchers: int = 10_000
    wait_s: float = 60
    operations: int = 1000
    queues: int = 100
    consumers: int = 1000
    children_stats: int = 1000
    shutdown_s: int = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class GatewayConfig:
    """All settings of `serve`.

    `public_url` (`https://example.org`) replaces scheme and Host in the URLs of answers.
    `trust_proxy` takes these from X-Forwarded-Proto and X-Forwarded-Host instead. `admins` may
    read /metrics and /openapi.json; without any, all clients may.
    """

    endpoints: tuple[EndpointConfig, ...]
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    tls: Tls | None = None
    admins: Mapping[str, str] = field(default_factory=dict)
    jsonp: bool = True
    public_url: str | None = None
    trust_proxy: bool = False
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        contexts = [endpoint.context for endpoint in self.endpoints]
        if not contexts:
            raise ConfigError("endpoints: expected at least one, got none")
        if len(set(contexts)) < len(contexts):
            raise ConfigError(f"endpoints: expected distinct contexts, got {contexts}")
