"""`harness explain` and `list`: nothing has to be looked up in the code."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.checkers import checkers, reasons
from harness.clients.subject import subjects
from harness.commands import harness_command
from harness.common.harness_errors import ScenarioError
from harness.common.settings.registry import Registry
from harness.faults import faults
from harness.scenario import reference
from harness.workloads import workloads

NAMES = [*workloads, *faults, *checkers, *subjects]


def told(*words: str) -> str:
    """Run the command, and return what it prints."""
    ended = CliRunner().invoke(harness_command.app, list(words), catch_exceptions=False)
    assert ended.exit_code == 0
    return ended.output


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_explained(name: str) -> None:
    """Whatever `list` shows has more to say than its line there."""
    assert told("explain", name).startswith(f"{name}, a ")


@pytest.mark.parametrize("part", reference.parts())
def test_every_part_shows_its_keys(part: str) -> None:
    """A part's keys are in its table, whole, also in a pipe."""
    text = told("explain", part)
    for key in reference.keys(part):
        assert key.place in text
        assert key.meaning in text


def test_a_key_has_type_default_unit_and_an_example() -> None:
    """One key, by its place: all of it, and a line of a scenario that has it."""
    text = told("explain", "latency.delay_ms")
    assert "How late packets arrive." in text
    assert "whole number from 0 to 60,000; default: 100; unit: milliseconds" in text
    assert "example: " in text
    assert "delay_ms: 100" in text


def test_a_key_is_found_without_its_place() -> None:
    """Who knows only the key's name sees every place where it stands."""
    text = told("explain", "rate_hz")
    assert "put-all.rate_hz: " in text
    assert "check-all.rate_hz: " in text


@pytest.mark.parametrize("registry", [workloads, faults, checkers, subjects], ids=lambda r: r.kind)
def test_a_kind_lists_its_names(registry: Registry[Any]) -> None:
    """What an error does not list for its length stands here, with a line each."""
    for word in (registry.kind, f"{registry.kind}s"):
        text = told("explain", word)
        assert all(f"{name} " in text and registry.summary(name) in text for name in registry)
    assert "fault entry.every_s" in told("explain", "faults")


def test_the_reasons_of_because_are_listed() -> None:
    """`because` takes any reason of a checker; all of them are here."""
    assert all(reason in told("explain", "because") for reason in reasons())


def test_a_misspelt_word_names_those_like_it() -> None:
    """The error leads on."""
    with pytest.raises(ScenarioError, match=r"put-all.*got 'put-al'"):
        told("explain", "put-al")


def test_the_list_can_be_read_by_programs() -> None:
    """Every name is there with its kind and its line."""
    rows = json.loads(told("list", "--json"))
    assert {row["name"] for row in rows if row["kind"] != "scenario"} == set(NAMES)
    assert all(row["summary"] for row in rows)


def test_the_list_is_whole_in_a_pipe() -> None:
    """No line is cut to a terminal's width where there is no terminal."""
    listed = told("list")
    for row in json.loads(told("list", "--json")):
        assert row["summary"] in listed
