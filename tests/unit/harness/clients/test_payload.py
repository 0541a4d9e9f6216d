"""Payloads that are larger than their value."""

import pytest

from harness.clients.payload import padded, plain
from harness.clients.subject import value_of


@pytest.mark.parametrize("value", [1, -7, 123456, "a", "ä"])
@pytest.mark.parametrize("size_bytes", [(1, 1), (5, 5), (64, 66), (100, 9000)])
def test_a_value_comes_back_from_its_payload(value: int | str, size_bytes: tuple[int, int]) -> None:
    """The payload has the size, unless the value alone is longer, and is its value again."""
    data = padded(value, size_bytes).encode()
    alone = len(str(value).encode())
    assert value_of(data) == value
    assert size_bytes[0] <= len(data) <= size_bytes[1] or len(data) in {alone, alone + 1}


def test_sizes_differ_and_stay_the_same() -> None:
    """Each value has its size between the bounds, the same each time, and they reach both ends."""
    sizes = [len(padded(value, (100, 110))) for value in range(500)]
    assert set(sizes) == set(range(100, 111))
    assert sizes == [len(padded(value, (100, 110))) for value in range(500)]


def test_a_damaged_payload_is_not_its_value() -> None:
    """A changed byte, a cut end or another value's padding is never taken for the value."""
    text = padded(17, (300, 300))
    for place in (0, 1, 3, 150, 299):
        changed = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
        assert plain(changed) != 17
    assert plain("18" + text[2:]) not in {17, 18}
    assert plain("17 ") != 17


def test_text_with_a_space_stays_text() -> None:
    """Only what the harness itself padded is taken for padded."""
    assert plain("two words") == "two words"
