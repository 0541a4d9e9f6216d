"""One item to put: a payload with its priority and options, checked before anything is sent."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from zkmq import checks
from zkmq.errors import BadArgumentError, BadPriorityError, ValueTooLargeError
from zkmq.tree import envelope, item_names

# A request can have 1,048,575 bytes. The rest is for paths, headers and the claim.
MAX_VALUE_BYTES = 1_000_000
MAX_ID = 10_000
MAX_HEADERS = 64
MAX_HEADER_TEXT = 1000
MAX_HEADERS_BYTES = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One item to put.

    Attributes:
        data: the payload.
        priority: 0, the most urgent, to 999.
        delay_s: deliver it no earlier than this long after the put, by the servers' clock.
        ttr_s: how long a consumer may hold it without `touch`; None is for ever.
        dedup_id: within an hour, a second put with the same id puts nothing, from any client.
        expires_s: deliver it no later than this long after it could first be delivered, by the
            servers' clock; then it is a dead letter. None is for ever.
        headers: texts by name, for the application; up to 64, and 8,000 bytes together.
        content_type: what the payload is, such as `application/json`; not checked against it.
        group: consumers hold items of one group one at a time, in order; up to 1,000 characters.
    """

    data: bytes
    priority: int = 100
    delay_s: float = 0.0
    ttr_s: float | None = None
    dedup_id: str | None = None
    expires_s: float | None = None
    headers: Mapping[str, str] | None = None
    content_type: str | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.data, bytes):
            raise BadArgumentError(f"put: data: expected bytes, got {type(self.data).__name__}")
        if len(self.data) > MAX_VALUE_BYTES:
            raise ValueTooLargeError(len(self.data), MAX_VALUE_BYTES)
        if type(self.priority) is not int or not 0 <= self.priority <= item_names.MAX_PRIORITY:
            raise BadPriorityError(self.priority)
        checks.item_seconds("put: delay_s", self.delay_s)
        if self.ttr_s is not None:
            checks.item_seconds("put: ttr_s", self.ttr_s, zero=False)
        if self.dedup_id is not None:
            checks.text("put: dedup_id", self.dedup_id, MAX_ID, least=1)
        if self.expires_s is not None:
            checks.item_seconds("put: expires_s", self.expires_s, zero=False)
        if self.content_type is not None:
            _check_printable("put: content_type", self.content_type)
        if self.headers is not None:
            _check_headers(self.headers)
        if self.group is not None:
            checks.text("put: group", self.group, MAX_HEADER_TEXT, least=1)

    def __hash__(self) -> int:
        """Hash all that the item will be; a mapping has no hash of its own."""
        return hash((self.envelope, self.priority, self.delay_s, self.dedup_id))

    @property
    def envelope(self) -> bytes:
        """The data of the item's node: header and payload."""
        header: envelope.Header = {}
        if self.ttr_s is not None:
            header["ttr_s"] = self.ttr_s
        if self.delay_s:
            header |= {"delay_s": self.delay_s, "priority": self.priority}
        if self.expires_s is not None:
            header["expires_s"] = self.expires_s
        if self.headers:
            header["headers"] = dict(self.headers)
        if self.content_type is not None:
            header["content_type"] = self.content_type
        if self.group is not None:
            header["group"] = self.group
        return envelope.wrap(self.data, header)

    @property
    def about_bytes(self) -> int:
        """About how long the headers, the content type and the group are in the item's node."""
        if not self.headers and self.content_type is None and self.group is None:
            return 0
        return len(json.dumps([dict(self.headers or {}), self.content_type, self.group]))

    @property
    def dedup_hash(self) -> str:
        """The SHA-256 of the id, which is a valid name for a node."""
        assert self.dedup_id is not None
        return hashlib.sha256(self.dedup_id.encode()).hexdigest()


def entries_of(items: Iterable[bytes | Entry], priority: int) -> list[Entry]:
    """Make entries of payloads with that priority; entries stay as they are."""
    return [
        item if isinstance(item, Entry) else Entry(data=item, priority=priority) for item in items
    ]


def _check_headers(headers: object) -> None:
    """Check that headers are a few texts by name, as JSON and an environment can carry them.

    Raises:
        BadArgumentError: they are not.
    """
    if not isinstance(headers, Mapping) or len(headers) > MAX_HEADERS:
        got = len(headers) if isinstance(headers, Mapping) else type(headers).__name__
        raise BadArgumentError(
            f"put: headers: expected a mapping of at most {MAX_HEADERS} texts, got {got}"
        )
    for name, value in headers.items():
        _check_printable("put: headers: a name", name)
        _check_printable(f"put: headers: {name}", value, least=0)
    size = len(json.dumps(dict(headers)))
    if size > MAX_HEADERS_BYTES:
        raise BadArgumentError(
            f"put: headers: expected at most {MAX_HEADERS_BYTES} bytes of JSON, got {size}"
        )


def _check_printable(name: str, value: object, *, least: int = 1) -> None:
    text = checks.text(name, value, MAX_HEADER_TEXT, least=least)
    if not text.isprintable():
        raise BadArgumentError(f"{name}: expected no control characters, got {text[:40]!r}")
