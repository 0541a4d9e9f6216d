r"""What a node of an item holds: one line of JSON about the item, then the payload.

    ZKMQ1 {"deliveries":2,"ttr_s":30}\n<payload>

Data without that mark is all payload (the original's clients and plain REST). Keys this version
does not know are kept, so that clients of two versions can work on one tree.
"""

import json
from typing import Any

MAGIC = b"ZKMQ1 "
FRESH = MAGIC + b"{}\n"

Header = dict[str, Any]


def wrap(payload: bytes, header: Header | None = None) -> bytes:
    """Put the header in front of the payload."""
    if not header:
        return FRESH + payload
    return MAGIC + json.dumps(header, separators=(",", ":")).encode() + b"\n" + payload


def unwrap(data: bytes) -> tuple[Header, bytes]:
    """Split what a node holds into header and payload; a header nobody can read is payload."""
    if data.startswith(FRESH):
        return {}, data[len(FRESH) :]
    if not data.startswith(MAGIC):
        return {}, data
    line, _, payload = data[len(MAGIC) :].partition(b"\n")
    try:
        header = json.loads(line)
    except ValueError:
        return {}, data
    return (header, payload) if isinstance(header, dict) else ({}, data)
