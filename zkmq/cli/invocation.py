"""What all commands share: where the queue is, who asks, and how an error becomes a status."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from zkmq.errors import (
    AccessDeniedError,
    BadArgumentError,
    NoQuorumError,
    OutcomeUnknownError,
    ZkmqError,
)
from zkmq.zookeeper.security import (
    CA,
    CERTIFICATE,
    KEY,
    KEY_PASSWORD,
    PASSWORD,
    PASSWORD_FILE,
    SASL,
    USER,
    Security,
)

if TYPE_CHECKING:
    from zkmq.queue import Queue
    from zkmq.tree.item import Item
    from zkmq.working.job import Job
    from zkmq.zookeeper.session.kazoo_store import KazooStore

CONNECT_S = 15.0
LEAST_S = 0.01
# How many calls a command makes.
Calls = Literal["one", "many"]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON, one line for each.")]
HINTS: dict[type[ZkmqError], str] = {
    AccessDeniedError: (
        f"give the right --user, and its password in {PASSWORD_FILE}; --sasl, or --certificate, "
        "if that is how they know clients"
    ),
    OutcomeUnknownError: "look with `zkmq stats`; a put is safe to repeat with its --dedup-id",
}


def now_s() -> float:
    """The clock by which a command's deadline runs."""
    return time.monotonic()


class Status(IntEnum):
    """How a command ends."""

    OK = 0
    EMPTY = 1
    UNKNOWN = 2
    UNREACHABLE = 3
    REFUSED = 4
    COMMAND_FAILED = 5
    USAGE = 254


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What was said before the command's name.

    `deadline_s` is for the whole of a command that makes one call: to connect, to open the queue,
    the call, and to close. A command that makes several has it once to connect and open, and
    then for each call.
    """

    hosts: str | None
    path: str
    security: Security
    deadline_s: float
    began_s: float

    @property
    def left_s(self) -> float:
        """Seconds until the deadline; never 0, so that a call that waits can name what it lacks."""
        return max(LEAST_S, self.began_s + self.deadline_s - now_s())

    def store(self, **connection: Any) -> "KazooStore":
        """Open a session.

        Raises:
            BadArgumentError: nobody said where.
            NoQuorumError: no session in time.
        """
        if not self.hosts:
            raise BadArgumentError(
                "hosts: expected host:port,host:port/chroot, got none; "
                "give --hosts before the command, or set ZKMQ_HOSTS"
            )
        from zkmq.zookeeper.session.kazoo_store import KazooStore  # noqa: PLC0415 -- --help needs no kazoo

        return KazooStore.connect(
            self.hosts,
            security=self.security,
            connect_timeout_s=min(self.left_s, CONNECT_S),
            **connection,
        )

    @contextmanager
    def queue(self, *, calls: Calls = "one", **settings: Any) -> "Iterator[Queue]":
        """Open the queue, and close it; without a janitor unless asked for."""
        store = self.store()
        try:
            with self.on(store, calls=calls, **settings) as queue:
                try:
                    yield queue
                finally:
                    if calls == "one":
                        queue.deadline_s = self.left_s
        finally:
            store.close(store.now() + (self.left_s if calls == "one" else self.deadline_s))

    def on(self, store: "KazooStore", *, calls: Calls = "one", **settings: Any) -> "Queue":
        """The queue on an open session."""
        from zkmq.queue import Queue  # noqa: PLC0415 -- as above

        chosen: dict[str, Any] = {"janitor": False, "label": "zkmq command"} | settings
        queue = Queue(store, self.path, deadline_s=self.left_s, **chosen)
        queue.deadline_s = self.left_s if calls == "one" else self.deadline_s
        return queue


def security(  # noqa: PLR0917 -- the options, in their order
    user: str | None,
    password_file: Path | None,
    sasl: str | None,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
) -> Security:
    """Credentials; secrets come from files or the environment, never from a command line.

    Raises:
        BadArgumentError: half of a pair, or a secret given twice.
    """
    options = {
        USER: user,
        PASSWORD_FILE: password_file,
        SASL: sasl,
        CA: ca,
        CERTIFICATE: certificate,
        KEY: key,
    }
    secrets = {name: os.environ.get(name) for name in (PASSWORD, KEY_PASSWORD)}
    given = {name: str(value) for name, value in (options | secrets).items() if value is not None}
    return Security.from_environment(given)


def status_of(error: ZkmqError) -> Status:
    """The exit status that tells what the caller has to know: what may have taken effect."""
    match error:
        case BadArgumentError():
            return Status.USAGE
        case NoQuorumError():
            return Status.UNREACHABLE
        case _ if error.definite:
            return Status.REFUSED
        case _:
            return Status.UNKNOWN


def sentence(error: ZkmqError) -> str:
    """The error in one line, with what to do."""
    hints = [hint for kind, hint in HINTS.items() if isinstance(error, kind)]
    return "; ".join([str(error), *hints])


def complain(text: str) -> None:
    """Say something on standard error, in one line."""
    sys.stderr.write(f"zkmq: {' '.join(text.split())}\n")


def forget_output() -> None:
    """Write what is left to nowhere: else Python complains of a closed pipe at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def environment(item: "Item | Job") -> dict[str, str]:
    """What a command that works on an item finds in its environment."""
    about = {
        "ZKMQ_ITEM_ID": item.id,
        "ZKMQ_ITEM_PRIORITY": str(item.priority),
        "ZKMQ_ITEM_DELIVERY": str(item.delivery),
    }
    if item.fence is not None:
        about["ZKMQ_ITEM_FENCE"] = str(item.fence)
    if item.headers:
        about["ZKMQ_ITEM_HEADERS"] = json.dumps(item.headers)
    if item.content_type is not None:
        about["ZKMQ_ITEM_CONTENT_TYPE"] = item.content_type
    if item.group is not None:
        about["ZKMQ_ITEM_GROUP"] = item.group
    return about


def described(data: bytes) -> dict[str, str]:
    """A payload in JSON: as text if it is some."""
    try:
        return {"data": data.decode()}
    except UnicodeDecodeError:
        return {"data_hex": data.hex()}
