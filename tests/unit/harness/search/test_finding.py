"""Scenarios as files for people, and what one has that another has not."""

from typing import Any

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
