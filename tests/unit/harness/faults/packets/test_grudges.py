"""Who hears whom in each partition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.faults.packets import grudges
from harness.target.disturbances import Drops

FIVE = (1, 2, 3, 4, 5)
shuffled = st.integers(3, 9).flatmap(lambda n: st.permutations(list(range(1, n + 1))))


def heard(drops: dict[int, Drops], listener: int, everyone: tuple[int, ...] = FIVE) -> set[int]:
    """Return whose packets arrive at a node."""
    nothing = Drops()
    deaf = drops.get(listener, nothing).deaf_to
    return {
        id
        for id in everyone
        if id not in deaf and listener not in drops.get(id, nothing).mute_to and id != listener
    }


@pytest.mark.parametrize(
    ("drops", "hearing"),
    [
        (grudges.split([[1, 2], [3, 4, 5]]), {1: {2}, 2: {1}, 3: {4, 5}, 4: {3, 5}, 5: {3, 4}}),
        (grudges.split([[1, 2], [3, 4]]), {1: {2, 5}, 3: {4, 5}, 5: {1, 2, 3, 4}}),
        (grudges.together([1, 2], FIVE), {1: {2}, 2: {1}, 3: {4, 5}, 4: {3, 5}, 5: {3, 4}}),
        (grudges.isolate([5], FIVE), {5: set(), 1: {2, 3, 4}}),
        (grudges.isolate([4, 5], FIVE), {4: set(), 5: set(), 1: {2, 3}}),
        (grudges.ring([1, 2, 3, 4, 5]), {1: {2, 5}, 2: {1, 3}, 3: {2, 4}, 5: {1, 4}}),
        (grudges.bridge(3, FIVE), {3: {1, 2, 4, 5}, 1: {2, 3}, 5: {3, 4}}),
        (grudges.one_way([5], FIVE, deaf=True), {5: set(), 1: {2, 3, 4, 5}}),
        (grudges.one_way([5], FIVE, deaf=False), {5: {1, 2, 3, 4}, 1: {2, 3, 4}}),
    ],
    ids=["two", "left-out", "together", "one-alone", "two-alone", "ring", "bridge", "deaf", "mute"],
)
def test_who_hears_whom(drops: dict[int, Drops], hearing: dict[int, set[int]]) -> None:
    """Each node hears exactly those that the partition's name says."""
    assert {id: heard(drops, id) for id in hearing} == hearing


@pytest.mark.parametrize(
    ("drops", "hurt"),
    [
        (grudges.split([[1, 2], [3, 4, 5]]), {1, 2}),
        (grudges.isolate([5], FIVE), {5}),
        (grudges.ring([1, 2, 3, 4, 5]), set()),
        (grudges.bridge(3, FIVE), set()),
        (grudges.one_way([5], FIVE, deaf=True), {5}),
        (grudges.one_way([5], FIVE, deaf=False), {5}),
        (grudges.split([[1, 2], [3, 4], [5]]), {1, 2, 3, 4, 5}),
        ({}, set()),
    ],
    ids=["minority", "alone", "ring", "bridge", "deaf", "mute", "all", "nothing"],
)
def test_who_is_hurt(drops: dict[int, Drops], hurt: set[int]) -> None:
    """Hurt is who cannot exchange with a majority both ways, and nobody else."""
    assert grudges.hurt(drops, FIVE) == hurt


@given(shuffled)
def test_a_ring_leaves_everybody_a_majority_of_its_own(order: list[int]) -> None:
    """In a ring each node exchanges with a majority, and no two with the same one if any is cut."""
    everyone = tuple(sorted(order))
    drops = grudges.ring(order)
    assert grudges.hurt(drops, everyone) == set()
    views = {frozenset(heard(drops, id, everyone) | {id}) for id in everyone}
    assert len(views) == len(everyone) or not drops


@given(shuffled, st.data())
def test_a_split_is_symmetric(order: list[int], data: st.DataObject) -> None:
    """If one does not hear the other, the other does not hear the one."""
    at = data.draw(st.integers(1, len(order) - 1))
    drops = grudges.split([order[:at], order[at:]])
    everyone = tuple(order)
    for one in everyone:
        for other in everyone:
            heard_one = other in heard(drops, one, everyone)
            assert heard_one == (one in heard(drops, other, everyone))
