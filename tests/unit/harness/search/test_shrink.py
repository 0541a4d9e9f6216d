"""The search for the smallest scenario, against oracles instead of quorums."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.search import shrink
from harness.search.shrink import Data

BIG = yaml.safe_load("""
description: Much goes on.
seed: 5
cluster: {nodes: 5, zookeeper: "3.9.6", heap_mb: 256}
bind: {l: leader, a: a follower}
budget: majority
expect: invalid
because: lost
phases:
  - name: before
    workload: [{put-all: {count: 900, clients: 3, rate_hz: 100}}]
    faults: [{pause: {target: follower}, first_s: 1, for_s: 2, every_s: 5}]
  - faults:
    - {name: cut, partition: {groups: [[l], [a]]}, heal: never}
    - {kill: {target: follower}, after: cut, down_s: 1}
  - workload:
    - put-all: {count: 2000, first: 901}
    - check-all: {after: put-all}
  - faults:
    - {name: death, kill: {target: l, wipe: true}}
    - {partition: {groups: [[a], [l]]}, replaces: cut}
    - {start: {target: l}, until: {node: l, mode: serving}}
    - {heal: all}
""")


def faults(data: Data) -> list[dict[str, Any]]:
    """Return all faults of all phases."""
    return [entry for phase in data["phases"] for entry in phase.get("faults", [])]


def works(data: Data) -> list[dict[str, Any]]:
    """Return all workloads of all phases."""
    return [entry for phase in data["phases"] for entry in phase.get("workload", [])]


def needs_wiped_leader_and_items(data: Data) -> bool:
    """Fail if the leader is killed and wiped, and some workload puts a hundred items or more."""
    wiped = any(entry.get("kill", {}).get("wipe") for entry in faults(data))
    return wiped and any(w.get("put-all", {}).get("count", 0) >= 100 for w in works(data))


def test_only_what_the_failure_needs_is_left() -> None:
    """One fault, one workload, about as many items as are needed, and no other setting."""
    found = shrink.minimize(BIG, needs_wiped_leader_and_items)
    assert needs_wiped_leader_and_items(found)
    (fault,) = faults(found)
    assert fault == {"kill": {"wipe": True}}
    (work,) = works(found)
    assert list(work) == ["put-all"]
    assert 100 <= work["put-all"]["count"] <= 112
    assert set(found) == {"description", "seed", "expect", "because", "phases"}


def asked_ahead(whole: Data, fails: Callable[[Data], bool], most: int) -> tuple[Data, int, int]:
    """Return what a search of several at once finds, after how many rounds and candidates."""
    known: dict[str, bool] = {}

    def answer(data: Data) -> bool | None:
        return known.get(str(data))

    for rounds in range(10_000):
        smallest, asked = shrink.ahead(whole, answer, most)
        if not asked:
            return smallest, rounds, len(known)
        assert len(asked) <= most
        known.update({str(data): fails(data) for data in asked})
    raise AssertionError("it comes to no end")


@pytest.mark.parametrize("most", [1, 2, 7, 1000])
def test_several_at_once_find_the_same(most: int) -> None:
    """What is asked ahead under a guess changes nothing of what is found."""
    alone = shrink.minimize(BIG, needs_wiped_leader_and_items)
    found, _, _ = asked_ahead(BIG, needs_wiped_leader_and_items, most)
    assert found == alone


def test_several_at_once_need_fewer_rounds() -> None:
    """The point of it: eight workers need at most half of the rounds of one."""
    _, alone, candidates = asked_ahead(BIG, needs_wiped_leader_and_items, 1)
    assert alone == candidates
    _, rounds, _ = asked_ahead(BIG, needs_wiped_leader_and_items, 8)
    assert rounds <= alone / 2


def test_a_failure_without_faults_is_known_at_once() -> None:
    """What fails whatever is hurt loses all its faults with the first candidate."""
    tried: list[Data] = []

    def fails(data: Data) -> bool:
        tried.append(data)
        return bool(works(data))

    found = shrink.minimize(BIG, fails)
    assert faults(tried[0]) == []
    assert len(works(tried[0])) == len(works(BIG))
    assert all(not faults(data) for data in tried)
    assert len(works(found)) == 1


def test_a_failure_that_needs_everything_loses_nothing() -> None:
    """Where every part matters, the scenario stays as it is."""
    whole = copy.deepcopy(BIG)
    assert shrink.minimize(whole, lambda data: data == BIG) == BIG


def test_the_search_does_not_change_what_it_was_given() -> None:
    """The data that the caller holds stays."""
    given_data = copy.deepcopy(BIG)
    shrink.minimize(given_data, needs_wiped_leader_and_items)
    assert given_data == BIG


def test_every_candidate_is_sound() -> None:
    """No candidate refers to a fault or a workload that is gone, or has an empty phase."""

    def check(data: Data) -> bool:
        names = {entry.get("name") for entry in faults(data)}
        assert {entry.get("replaces") for entry in faults(data)} <= {None, *names}
        assert {entry.get("after") for entry in faults(data)} <= {None, *names, "kill"}
        for phase in data["phases"]:
            assert phase.get("faults") or phase.get("workload")
            kinds = {next(iter(work)) for work in phase.get("workload", [])}
            for work in phase.get("workload", []):
                assert next(iter(work.values())).get("after") in {None, *kinds}
        return needs_wiped_leader_and_items(data)

    shrink.minimize(BIG, check)


def test_few_candidates_are_tried() -> None:
    """A search costs tens of runs, since each takes seconds on a real quorum."""
    tried: list[Data] = []

    def fails(data: Data) -> bool:
        if data not in tried:
            tried.append(data)
        return needs_wiped_leader_and_items(data)

    shrink.minimize(BIG, fails)
    assert len(tried) < 80


def all_of(needed: set[int]) -> Callable[[Sequence[int]], bool]:
    """Fail where all the needed parts are there."""
    return lambda parts: needed <= set(parts)


@given(st.integers(0, 40), st.data())
def test_exactly_the_needed_parts_stay(size: int, data: st.DataObject) -> None:
    """Whatever parts a failure needs together, those stay and no other."""
    needed = data.draw(st.sets(st.integers(0, size - 1))) if size else set()
    assert shrink.without_parts(range(size), all_of(needed)) == sorted(needed)


@pytest.mark.parametrize(("value", "least"), [(2000, 100), (2000, 1), (2000, 2000), (1, 1), (7, 3)])
def test_a_number_is_lowered_close_to_the_least(value: int, least: int) -> None:
    """The number found fails, and is at most an eighth over the least that does."""
    found = shrink.lowest(value, lambda number: number >= least)
    assert least <= found <= max(least, least + max(1, found // 7))


def test_a_short_scenario_is_spelled_out() -> None:
    """The short form gets its one phase, and the failure becomes what is expected."""
    short = {"description": "x", "workload": [{"put-all": {}}], "faults": [], "expect": "valid"}
    assert shrink.spelled_out(short, seed=9, because="lost") == {
        "description": "x",
        "seed": 9,
        "expect": "invalid",
        "because": "lost",
        "phases": [{"workload": [{"put-all": {}}], "faults": []}],
    }
    assert "phases" not in short


def test_size_in_words() -> None:
    """What a scenario holds is counted over all its phases."""
    assert shrink.size_of(BIG) == "7 faults, 2900 items, 3 workloads, 4 phases"
