"""The broker URL, `zkmq://user:password@host:port,host:port/path`, and the transport options."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any
from urllib.parse import unquote

from zkmq import checks
from zkmq.celery.broker_errors import BrokerUrlError
from zkmq.errors import BadArgumentError
from zkmq.operating.operator_queue import MOST
from zkmq.taking.order import ORDERS, Order
from zkmq.zookeeper.security import Security

SCHEME = "zkmq://"
DEFAULT_PORT = 2181
DEFAULT_PATH = "/celery"
EXAMPLE = "zkmq://host:2181,host:2181/celery"


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """Where the broker is: the servers, the znode below which everything lies, and the user."""

    hosts: str
    path: str = DEFAULT_PATH
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> "BrokerUrl":
        """Read a URL; the path is made when it is first used, and is `/celery` if there is none.

        Raises:
            BrokerUrlError: says what was expected, without the password.
        """
        scheme, found, rest = url.partition("://")
        if not found or f"{scheme}://" != SCHEME:
            raise BrokerUrlError(f"broker URL: expected {EXAMPLE}, got the scheme {scheme[:40]!r}")
        place, _, path = rest.partition("/")
        credentials, at, hosts = place.rpartition("@")
        user, colon, password = credentials.partition(":")
        if at and not (user and colon):
            raise BrokerUrlError(
                f"broker URL: expected user:password before the '@', as in "
                f"zkmq://user:password@{hosts}, got one without the other"
            )
        if "?" in path:
            raise BrokerUrlError(
                f"broker URL: expected {EXAMPLE}, and settings in broker_transport_options, "
                f"got {path}"
            )
        try:
            root = checks.path(f"/{path.strip('/')}") if path.strip("/") else DEFAULT_PATH
        except BadArgumentError as error:
            raise BrokerUrlError(f"broker URL: {error}") from error
        return cls(
            ",".join(map(_server, hosts.split(","))),
            root,
            unquote(user) if at else None,
            unquote(password) if at else None,
        )

    def masked(self, mask: str = "**", *, include_password: bool = False) -> str:
        """Return the URL for people, with the password only if it is asked for."""
        user = ""
        if self.user is not None:
            user = f"{self.user}:{self.password if include_password else mask}@"
        return f"{SCHEME}{user}{self.hosts}{self.path}"


def _server(text: str) -> str:
    """Check one `host:port`; add the default port."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or text.strip().endswith("]"):
        host, port = text.strip(), str(DEFAULT_PORT)
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise BrokerUrlError(f"broker URL: expected {EXAMPLE}, got the server {text!r}")
    return f"{host}:{port}"


# How much alike two keys are, from 0 to 1, of which one is mistyped. kombu's own are less alike.
ALMOST = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOptions:
    """The keys of `broker_transport_options` that this transport reads. kombu adds others.

    Attributes:
        session_timeout_s: how long after its death a worker's tasks go to others.
        deadline_s: how long a publish, or another call, waits for the servers.
        max_deliveries: a task that was delivered so often and comes back is a dead letter.
        order: of several workers of one queue, as in `zkmq.Queue`.
        eta_in_queue: whether a task with an ETA or countdown waits in the queue until then.
        security: settings of `zkmq.Security` that are not in the URL, such as `ca`.
    """

    session_timeout_s: float = 10.0
    deadline_s: float = 30.0
    max_deliveries: int | None = None
    order: Order = "auto"
    eta_in_queue: bool = True
    security: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        where = "broker_transport_options: "
        try:
            checks.seconds(f"{where}session_timeout_s", self.session_timeout_s, zero=False)
            checks.seconds(f"{where}deadline_s", self.deadline_s, zero=False)
            checks.choice(f"{where}order", self.order, ORDERS)
            if self.max_deliveries is not None:
                checks.number(f"{where}max_deliveries", self.max_deliveries, 1, MOST)
        except BadArgumentError as error:
            raise BrokerUrlError(str(error)) from error

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> "BrokerOptions":
        """Read them from all of kombu's transport options.

        Raises:
            BrokerUrlError: a value is not accepted, or a key is almost one of these.
        """
        for key in set(options) - set(cls.__slots__):
            for meant in get_close_matches(str(key), cls.__slots__, 1, ALMOST):
                raise BrokerUrlError(f"broker_transport_options: expected {meant}, got {key}")
        return cls(**{name: options[name] for name in cls.__slots__ if name in options})

    def credentials(self, url: BrokerUrl) -> Security:
        """The user of the URL and the other settings; without any, those of the environment.

        Raises:
            BadArgumentError: they do not fit together.
        """
        given = dict(self.security)
        if url.user is not None:
            given |= {"user": url.user, "password": url.password}
        try:
            return Security(**given) if given else Security.from_environment()
        except TypeError as error:
            raise BrokerUrlError(
                f"broker_transport_options: security: expected settings of zkmq.Security, "
                f"got {', '.join(sorted(given))}"
            ) from error
