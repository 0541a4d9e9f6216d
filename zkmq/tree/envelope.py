r"""The data of an item's node: one line of JSON about the item, then the payload.

    ZKMQ1 {"deliveries":2,"ttr_s":30}\n<payload>

Data that does not start with `ZKMQ1` is all payload. The original's clients and plain REST clients
write such data. Keys that this version does not know are kept, so that clients of two versions can
work on one tree.
"""

import json
from collections.abc import Callable
from typing import Any, TypeGuard

from zkmq.tree import item_names
from zkmq.tree.json_object import decode_object

MAGIC = b"ZKMQ1 "
FRESH = MAGIC + b"{}\n"
MAX_FAULT = 200

Header = dict[str, Any]


def wrap(payload: bytes, header: Header | None = None) -> bytes:
    """Put the header in front of the payload."""
    if not header:
        return FRESH + payload
    return MAGIC + json.dumps(header, separators=(",", ":")).encode() + b"\n" + payload


def unwrap(data: bytes) -> tuple[Header, bytes]:
    """Split a node's data into header and payload. A header that is no JSON object is payload.

    Any client can write a node. So a key with a value of the wrong kind is left out of the header;
    `fault` says which.
    """
    header, payload = _split(data)
    if all(_is_sound(key, header[key]) for key in header):
        return header, payload
    return {key: header[key] for key in header if _is_sound(key, header[key])}, payload


def fault(data: bytes) -> str | None:
    """Say why an item with this data cannot be delivered; None if it can."""
    header, _ = _split(data)
    for key, value in header.items():
        if not _is_sound(key, value):
            kind, _ = KINDS[key]
            return f"its header: {key}: expected {kind}, got {value!r}"[:MAX_FAULT]
    return None


def _split(data: bytes) -> tuple[Header, bytes]:
    if data.startswith(FRESH):
        return {}, data[len(FRESH) :]
    if not data.startswith(MAGIC):
        return {}, data
    line, _, payload = data[len(MAGIC) :].partition(b"\n")
    header = decode_object(line)
    return ({}, data) if header is None else (header, payload)


def _is_sound(key: str, value: object) -> bool:
    return key not in KINDS or KINDS[key][1](value)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_seconds(value: object) -> bool:
    # No clock reaches a larger number.
    return type(value) in {int, float} and 0 <= value < 1e12  # type: ignore[operator]


def _is_headers(value: object) -> bool:
    texts = [*value, *value.values()] if isinstance(value, dict) else [None]
    return all(map(is_text, texts))


def is_text(value: object) -> TypeGuard[str]:
    """Whether a value that JSON held is a text that UTF-8 can hold."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell
        return False
    return True


ALL_PRIORITIES = range(item_names.MAX_PRIORITY + 1)
# What each key that this version knows must hold.
KINDS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "deliveries": ("a count", _is_count),
    "forgiven": ("a count", _is_count),
    "put_zxid": ("a zxid", lambda value: value is None or _is_count(value)),
    "ttr_s": ("seconds", lambda value: value is None or _is_seconds(value)),
    "delay_s": ("seconds", _is_seconds),
    "expires_s": ("seconds", _is_seconds),
    "put_ms": ("a count", _is_count),
    "priority": ("0 to 999", lambda value: value in ALL_PRIORITIES and _is_count(value)),
    "owner": ("the id of a consumer", is_text),
    "reason": ("text", is_text),
    "last_owner": ("the id of a consumer", is_text),
    "headers": ("texts by name", _is_headers),
    "content_type": ("text", is_text),
    "group": ("text", is_text),
}
