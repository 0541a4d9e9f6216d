"""The reference of all keys, and the pages that show it."""

import re
from pathlib import Path

import pytest

from harness.faults import faults
from harness.scenario import reference, schema
from harness.workloads import workloads

PAGE = Path(__file__).parents[4] / "docs" / "scenarios.md"
BLOCK = re.compile(r'<!-- harness explain --markdown "([^"]+)" -->\n(.*?)\n<!-- end -->', re.DOTALL)
SHOWN = {"scenario", "cluster", "cluster.nodes", "phase", "fault entry", "at"}


@pytest.mark.parametrize("part", reference.parts())
def test_every_key_says_what_it_means(part: str) -> None:
    """Type, default and meaning of each key are known; so no field lacks a description."""
    for key in reference.keys(part):
        assert key.type, key.place
        assert key.default, key.place
        assert key.meaning.endswith("."), key.place


def test_every_field_of_the_schema_has_a_description() -> None:
    """An editor shows something for each key, wherever it stands."""
    whole = schema.json_schema()
    bare = [
        f"{name}.{key}"
        for name, node in {**whole["$defs"], "ScenarioOf": whole}.items()
        for key, about in node.get("properties", {}).items()
        if not about.get("description") and "$ref" not in about
    ]
    assert bare == []


def test_every_workload_and_fault_is_a_part() -> None:
    """What a scenario can name can be explained."""
    assert {*workloads.builtin, *faults.builtin} <= set(reference.parts())


def test_the_page_has_the_tables_of_the_schema() -> None:
    """A key that changes changes the page: `harness explain --markdown PART` prints its table."""
    found = dict(BLOCK.findall(PAGE.read_text()))
    assert set(found) == SHOWN
    for part, table in found.items():
        assert table == reference.markdown(part), part


def test_a_key_is_told_in_full() -> None:
    """Type with its bounds, default, unit and meaning, as the schema has them."""
    (delay,) = (key for key in reference.keys("latency") if key.place == "latency.delay_ms")
    assert delay.type == "whole number from 0 to 60,000"
    assert (delay.default, delay.unit) == ("100", "milliseconds")
    (groups,) = reference.keys("partition")
    assert (groups.type, groups.default) == ("list of list of text or whole number", "required")
