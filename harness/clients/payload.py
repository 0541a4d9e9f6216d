"""The text by which an item's value travels: the value, and what makes the payload larger.

The padding follows from the value, so a payload that came back damaged is no longer its value.
"""

from collections.abc import Sequence
from hashlib import sha256

from harness.history.record import Value


def padded(value: Value, size_bytes: Sequence[int]) -> str:
    """Return text of a size between both bounds, which follows from the value, as the padding does.

    A value that is longer than that stays as it is.
    """
    least, most = size_bytes
    size = least + int.from_bytes(sha256(f"size {value}".encode()).digest()[:8]) % (
        most - least + 1
    )
    return _padded(str(value), size)


def plain(text: str) -> Value:
    """Return the value that a text was made from; the whole text if it is not as it was made."""
    head = text.partition(" ")[0]
    if len(head) < len(text) and text == _padded(head, len(text.encode())):
        text = head
    return int(text) if text.lstrip("-").isdigit() else text


def _padded(text: str, size: int) -> str:
    room = size - len(text.encode()) - 1
    digest = sha256(text.encode()).hexdigest()
    return f"{text} {(digest * (room // len(digest) + 1))[:room]}" if room > 0 else text
