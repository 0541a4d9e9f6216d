"""Transaction logs: whose session ended at which zxid, up to where the log was written."""

import io
import struct

import pytest

from cluster.transactions import CLOSE_SESSION, ends_of

HEAD = struct.pack(">4siq", b"ZKLG", 2, 0)
CREATE = 1


def record(session: int, zxid: int, kind: int = CLOSE_SESSION, payload: bytes = b"") -> bytes:
    """Return one transaction as a server writes it."""
    body = struct.pack(">qiqqi", session, 7, zxid, 1234, kind) + payload
    return struct.pack(">qi", 99, len(body)) + body + b"B"


def ends(log: bytes) -> list[tuple[int, int]]:
    """Read a log."""
    return list(ends_of(io.BytesIO(log)))


def test_only_ends_are_told() -> None:
    """Other transactions are passed over, whatever they carry."""
    log = HEAD + record(1, 10, CREATE, b"x" * 100) + record(1, 11) + record(2, 12, payload=b"{}")
    assert ends(log) == [(1, 11), (2, 12)]


def test_it_ends_where_nothing_was_written_yet() -> None:
    """A log is allocated ahead of what is written; zeros are its end."""
    assert ends(HEAD + record(1, 10) + bytes(4096)) == [(1, 10)]
    assert ends(HEAD) == ends(bytes(4096)) == ends(b"") == []


@pytest.mark.parametrize("left", [1, 11, 12, 40, 44])
def test_a_record_cut_short_is_none(left: int) -> None:
    """A server that was killed may leave a part of its last record."""
    assert ends(HEAD + record(1, 10) + record(2, 11)[:left]) == [(1, 10)]


def test_something_else_is_refused() -> None:
    """A file that is no log is an error, not an empty log."""
    with pytest.raises(ValueError, match="expected a transaction log"):
        ends(b"ZKSN" + bytes(100))
