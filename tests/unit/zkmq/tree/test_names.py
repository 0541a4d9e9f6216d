"""Item names: parsing, generations, segments, and that they sort as the queue does."""

import pytest

from zkmq.tree import item_names

NAME = "item-100-0000000003-0000000123"


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        pytest.param(NAME, (100, 3, 123, 0), id="fresh"),
        pytest.param(f"{NAME}.001", (100, 3, 123, 1), id="returned-once"),
        pytest.param(f"{NAME}.1234", (100, 3, 123, 1234), id="returned-often"),
        pytest.param("item-007-0000000123", (7, None, 123, 0), id="of-the-original"),
    ],
)
def test_a_name_is_its_parts(text: str, parsed: tuple[int | None, ...]) -> None:
    """A name parses into priority, segment, number and generation, and is written back the same."""
    name = item_names.parse(text)
    assert name == parsed
    assert str(name) == text


@pytest.mark.parametrize(
    "text", ["", "item-1-2", "item-100-12", f"{NAME}.1", f"x{NAME}", "d-100-a"]
)
def test_what_is_no_name_is_none(text: str) -> None:
    """Anything that is not wholly an item name is not parsed."""
    assert item_names.parse(text) is None


def test_each_return_is_a_new_name_of_the_same_item() -> None:
    """No path occurs twice, and the identity stays."""
    first = item_names.next_generation(NAME)
    assert [first, item_names.next_generation(first)] == [f"{NAME}.001", f"{NAME}.002"]
    assert {item_names.base(each) for each in (NAME, first)} == {NAME}


def test_names_sort_as_the_queue_does() -> None:
    """Priority first, then segment, then number; a returned item stays in its place."""
    in_order = [
        "item-000-0000000009-0000000009",
        "item-100-0000000003-0000000122.007",
        "item-100-0000000003-0000000123",
        "item-100-0000000003-0000000123.001",
        "item-100-0000000003-0000000124",
        "item-100-0000000004-0000000000",
    ]
    assert sorted(in_order, key=str) == in_order


def test_returns_sort_behind_their_segment_and_before_the_next() -> None:
    """Items whose segment is gone are read between its neighbours."""
    third, fourth = item_names.segment_name(3), item_names.segment_name(4)
    returns = item_names.returns_name(third)
    assert sorted([fourth, returns, third]) == [third, returns, fourth]
    assert item_names.segment_number(returns) == item_names.segment_number(third) == 3
