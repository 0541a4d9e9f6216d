"""What may be put, and that nothing else is sent."""

from typing import Any

import pytest

from zkmq import Queue
from zkmq.errors import BadArgumentError, BadPriorityError, ValueTooLargeError
from zkmq.putting.entry import MAX_VALUE_BYTES, Entry
from zkmq.tree import envelope


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        pytest.param({"data": "text"}, BadArgumentError, "expected bytes, got str", id="text"),
        pytest.param({"priority": 1000}, BadPriorityError, "0 to 999, got 1000", id="too-late"),
        pytest.param({"priority": -1}, BadPriorityError, "0 to 999, got -1", id="too-urgent"),
        pytest.param({"priority": True}, BadPriorityError, "got True", id="bool"),
        pytest.param({"priority": "100"}, BadPriorityError, "got '100'", id="text-priority"),
        pytest.param({"delay_s": -1}, BadArgumentError, "0 or more, got -1", id="past"),
        pytest.param({"ttr_s": 0}, BadArgumentError, "more than 0, got 0", id="no-time"),
        pytest.param(
            {"data": b"x" * (MAX_VALUE_BYTES + 1)}, ValueTooLargeError, "got 1000001", id="large"
        ),
    ],
)
def test_a_bad_value_is_refused_with_what_was_expected(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    """Each bad value has a typed error that names what was expected and what was there."""
    with pytest.raises(error, match=words):
        Entry(**{"data": b"x"} | options)


def test_nothing_is_sent_when_one_of_many_is_bad(queue: Queue, world: Any) -> None:
    """put_many checks everything before it sends anything."""
    before = world.requests
    with pytest.raises(ValueTooLargeError):
        queue.put_many([b"good", b"x" * (MAX_VALUE_BYTES + 1)])
    assert world.requests == before


def test_the_largest_value_arrives(queue: Queue) -> None:
    """The limit is inclusive."""
    value = b"x" * MAX_VALUE_BYTES
    queue.put(value)
    assert queue.reserve().items[0].data == value


def test_options_are_in_the_header() -> None:
    """Time to run and delay travel with the item; a plain one has an empty header."""
    header, _ = envelope.unwrap(Entry(data=b"x", ttr_s=5, delay_s=2, priority=7).envelope)
    assert header == {"ttr_s": 5, "delay_s": 2, "priority": 7}
    assert Entry(data=b"x").envelope == envelope.FRESH + b"x"


def test_an_id_of_any_kind_is_a_node_name() -> None:
    """Slashes and any length do in a dedup_id."""
    hashes = {Entry(data=b"x", dedup_id=text).dedup_hash for text in ("a/b", "a", "x" * 5000, "é")}
    assert len(hashes) == 4
    assert all(len(each) == 64 and "/" not in each for each in hashes)
