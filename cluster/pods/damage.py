"""Damage the bytes of a server's files as a bad disk or an operator's mistake does. Pure functions.

Source: FileTxnLog of ZooKeeper, whose layout is the same in 3.8 and 3.9.
"""

import struct
from collections.abc import Callable, Mapping

from harness.target.disturbances import Damage

_FILE_HEAD = 16  # magic, version, database
_RECORD = struct.Struct(">qi")  # checksum, length; then the data, and a byte that ends it

Span = tuple[int, int]
"""Where a record begins and where it ends."""


def damaged(content: bytes, file: str, how: Damage) -> bytes:
    """Return the bytes of a file of that kind after the damage.

    Raises:
        ValueError: the file has no part that can be damaged in this way.
    """
    if how == "empty":
        return b""
    if file == "log":
        return _OF_A_LOG[how](content, records(content))
    if how == "truncate":
        return content[: len(content) // 2]
    if how != "flip-bit":
        raise ValueError(f"expected a log for {how!r}, got a file without records")
    if not content:
        raise ValueError("expected a file with a bit to flip, got an empty one")
    return _flipped(content, len(content) // 2)


def records(log: bytes) -> list[Span]:
    """Return where the records of a log begin and end, up to its padding or first gap."""
    found, at = [], _FILE_HEAD
    while at + _RECORD.size <= len(log):
        _, length = _RECORD.unpack_from(log, at)
        end = at + _RECORD.size + length + 1
        if length <= 0 or end > len(log):
            break
        found.append((at, end))
        at = end
    return found


def _middle(spans: list[Span], *, least: int = 3) -> int:
    """Return the number of the record in the middle, which is neither the first nor the last."""
    if len(spans) < least:
        raise ValueError(f"expected a log of at least {least} records, got {len(spans)}")
    return len(spans) // 2


def _flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def _flip_bit(log: bytes, spans: list[Span]) -> bytes:
    begin, end = spans[_middle(spans)]
    return _flipped(log, (begin + _RECORD.size + end) // 2)


def _zero_length(log: bytes, spans: list[Span]) -> bytes:
    begin, _ = spans[_middle(spans)]
    return log[: begin + 8] + bytes(4) + log[begin + 12 :]


def _truncate(log: bytes, spans: list[Span]) -> bytes:
    begin, end = spans[_middle(spans)]
    return log[: (begin + end) // 2]


def _drop_record(log: bytes, spans: list[Span]) -> bytes:
    begin, end = spans[_middle(spans)]
    return log[:begin] + log[end:]


def _swap_records(log: bytes, spans: list[Span]) -> bytes:
    middle = _middle(spans, least=4)
    (first, between), (_, end) = spans[middle - 1], spans[middle]
    return log[:first] + log[between:end] + log[first:between] + log[end:]


_OF_A_LOG: Mapping[str, Callable[[bytes, list[Span]], bytes]] = {
    "flip-bit": _flip_bit,
    "zero-length": _zero_length,
    "truncate": _truncate,
    "drop-record": _drop_record,
    "swap-records": _swap_records,
}
