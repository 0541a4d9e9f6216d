"""Damage to a server's files: each kind changes what it says, and nothing else."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.pods.damage import damaged, records
from harness.target.disturbances import Damage

HEAD = b"ZKLG" + bytes(12)
PADDING = bytes(50)
logs = st.lists(st.binary(min_size=1, max_size=60), min_size=4, max_size=9)


def log_of(payloads: list[bytes]) -> bytes:
    """Return a padded log of these records."""
    return HEAD + b"".join(struct.pack(">qi", 7, len(p)) + p + b"B" for p in payloads) + PADDING


def payloads_of(log: bytes) -> list[bytes]:
    """Return what the records of a log hold."""
    return [log[begin + 12 : end - 1] for begin, end in records(log)]


@given(logs)
def test_a_flipped_bit_is_one_bit_of_one_record(payloads: list[bytes]) -> None:
    """One byte differs, by one bit, in a record that is neither the first nor the last."""
    log = log_of(payloads)
    after = damaged(log, "log", "flip-bit")
    (at,) = [i for i, (old, new) in enumerate(zip(log, after, strict=True)) if old != new]
    assert (log[at] ^ after[at]).bit_count() == 1
    assert records(log)[0][1] <= at < records(log)[-1][0]


@given(logs)
def test_a_length_of_zero_ends_the_log_for_a_reader(payloads: list[bytes]) -> None:
    """Whoever reads up to the first gap finds half of the records; the rest is still there."""
    after = damaged(log_of(payloads), "log", "zero-length")
    assert payloads_of(after) == payloads[: len(payloads) // 2]
    assert len(after) == len(log_of(payloads))


@given(logs)
def test_records_dropped_swapped_and_cut(payloads: list[bytes]) -> None:
    """A record of the middle is gone, has changed places, or is where the file ends."""
    log, middle = log_of(payloads), len(payloads) // 2
    before, (one, other), rest = payloads[: middle - 1], payloads[middle - 1 : middle + 1], []
    rest = payloads[middle + 1 :]
    assert payloads_of(damaged(log, "log", "drop-record")) == [*before, one, *rest]
    assert payloads_of(damaged(log, "log", "swap-records")) == [*before, other, one, *rest]
    assert payloads_of(damaged(log, "log", "truncate")) == [*before, one]


def test_other_files() -> None:
    """Snapshots and epochs have bits and an end, and no records."""
    assert damaged(b"abcd", "snapshot", "flip-bit") == b"ab" + bytes([ord("c") ^ 1]) + b"d"
    assert damaged(b"abcd", "snapshot", "truncate") == b"ab"
    assert damaged(b"1", "epoch", "flip-bit") == b"0"
    assert damaged(b"1", "epoch", "empty") == b""


@pytest.mark.parametrize(
    ("content", "file", "how", "why"),
    [
        (log_of([b"a", b"b"]), "log", "flip-bit", "at least 3 records, got 2"),
        (log_of([b"a", b"b", b"c"]), "log", "swap-records", "at least 4 records, got 3"),
        (b"", "log", "drop-record", "at least 3 records, got 0"),
        (b"", "epoch", "flip-bit", "got an empty one"),
        (b"abc", "snapshot", "zero-length", "expected a log for 'zero-length'"),
    ],
)
def test_what_cannot_be_damaged_so_is_refused(
    content: bytes, file: str, how: Damage, why: str
) -> None:
    """A file with too few records, or without any, is left alone and the reason told."""
    with pytest.raises(ValueError, match=why):
        damaged(content, file, how)
