"""What a candidate of a search lacks, in plain words."""

import copy
from typing import Any

import pytest

from harness.search.difference import change
from harness.search.shrink import Data

KILL: Data = {"kill": {"target": "l", "wipe": True}}
CUT: Data = {"isolate": {"target": "l"}, "first_s": 2.0, "for_s": 3.0}
LATER: Data = {"isolate": {"target": "l"}, "first_s": 9.0, "for_s": 3.0}
HEAL: Data = {"heal": "all"}


def data(*faults: Data, count: int = 5, **more: Any) -> Data:
    """Return a scenario of one phase."""
    phase = {"workload": [{"put-all": {"count": count}}], "faults": list(faults)}
    return {"description": "d", **more, "phases": [phase]}


def without(entry: Data, key: str, inner: str | None = None) -> Data:
    """Return a fault without one of its keys."""
    less = copy.deepcopy(entry)
    del (less if inner is None else less[key])[inner or key]
    return less


WHOLE = data(KILL, CUT, LATER, HEAL, seed=3, cluster={"nodes": 5, "data_mb": 64})


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (WHOLE, "as it is"),
        (data(KILL, CUT, HEAL, seed=3, cluster=WHOLE["cluster"]), "without the second isolate"),
        (data(KILL, LATER, HEAL, seed=3, cluster=WHOLE["cluster"]), "without the first isolate"),
        (data(CUT, LATER, seed=3, cluster=WHOLE["cluster"]), "without the kill, without the heal"),
        (data(seed=3, cluster=WHOLE["cluster"]), "without any fault"),
        (
            data(without(KILL, "kill", "wipe"), CUT, LATER, HEAL, seed=3, cluster=WHOLE["cluster"]),
            "without wipe of the kill",
        ),
        (
            data(KILL, CUT, without(LATER, "for_s"), HEAL, seed=3, cluster=WHOLE["cluster"]),
            "without for_s of the second isolate",
        ),
        (
            data(KILL, CUT, LATER, HEAL, seed=3, cluster={"nodes": 5}),
            "without data_mb of cluster",
        ),
        (
            data(KILL, CUT, LATER, HEAL, seed=3, cluster=WHOLE["cluster"], count=1),
            "with count 1 instead of 5 of the put-all",
        ),
    ],
)
def test_each_step_of_a_search_is_told_in_plain_words(after: Data, told: str) -> None:
    """Whoever watches a search knows what each candidate lacks, without reading YAML."""
    assert change(WHOLE, after) == told


def test_phases_are_numbered() -> None:
    """A whole phase that is gone is told by its place."""
    one, two = data(KILL)["phases"][0], data(CUT)["phases"][0]
    before = {"description": "d", "phases": [one, two]}
    assert change(before, before | {"phases": [one]}) == "without phase 2"
    assert change(before, before | {"phases": [two]}) == "without phase 1"


def test_many_changes_are_counted() -> None:
    """A line stays a line."""
    bare = data({"kill": {}}, {"isolate": {}}, {"isolate": {}}, HEAL)
    assert change(WHOLE, bare).endswith("other changes")
