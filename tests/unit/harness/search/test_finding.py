"""Scenarios as files for people, and what one has that another has not."""

from typing import Any

import pytest
import yaml

from harness.search import finding
from harness.search.shrink import Data

KILL = {"kill": {"target": "l", "wipe": True}}
HEAL = {"heal": "all"}


def data(*faults: Data, count: int = 5, **more: Any) -> Data:
    """Return a scenario of one phase."""
    phase = {"workload": [{"put-all": {"count": count}}], "faults": list(faults)}
    return {"description": "Two\nlines.", **more, "phases": [phase]}


def test_an_entry_is_a_line_and_the_comment_stands_above() -> None:
    """The file reads as if somebody had written it, and holds the same."""
    told = finding.text(data(KILL, HEAL, seed=3), ["from nowhere", "with a rate"])
    assert told.splitlines() == [
        "# from nowhere",
        "# with a rate",
        "description: |",
        "  Two",
        "  lines.",
        "seed: 3",
        "phases:",
        "- workload:",
        "  - {put-all: {count: 5}}",
        "  faults:",
        "  - {kill: {target: l, wipe: true}}",
        "  - {heal: all}",
    ]
    assert yaml.safe_load(told)["phases"] == data(KILL, HEAL)["phases"]


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (data(KILL), "without {heal: all}"),
        (data(KILL, HEAL), "as it is"),
        (data(KILL, HEAL, count=1), "with {put-all: {count: 1}}"),
        (data({"kill": {"target": "l"}}, HEAL), "with {kill: {target: l}}"),
        (data(), "with faults: [] and 2 more lines"),
    ],
)
def test_what_is_gone_is_told_in_a_line(after: Data, told: str) -> None:
    """Whoever watches a search sees what each candidate lacks."""
    assert finding.change(data(KILL, HEAL), after) == told
