"""junit.xml, as CI systems read it."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from harness.report import junit
from harness.report.junit import Suite

CHECK = {
    "name": "total-queue",
    "verdict": "invalid",
    "reasons": ["lost"],
    "witnesses": [{"sentence": "7 was lost."}],
    "findings": [{"reason": "lost", "count": 100, "items": [[1, 100]]}],
}
FAULT = {"fault": "kill", "name": "kill", "what": "kill+wipe node 5 (leader)", "nodes": [5]}


def results(verdict: str, *, as_expected: bool, check: str | None = None) -> dict[str, Any]:
    """Return a run's results with one check."""
    return {
        "scenario": "seed/x",
        "seed": 3,
        "verdict": verdict,
        "expect": "valid",
        "because": None,
        "as_expected": as_expected,
        "faults": [FAULT | {"outcome": "installed", "inject_ns": 1_500_000_000}],
        "checks": [CHECK | {"verdict": check or verdict}],
        "not_run": [{"name": "fifo", "needs": "claim: linearizable"}],
    }


def written(path: Path, *suites: Suite) -> ET.Element:
    """Return the root of the file as written."""
    junit.write(list(suites), path / "sub" / "junit.xml")
    return ET.parse(path / "sub" / "junit.xml").getroot()  # noqa: S314 -- our own file


def outcomes(root: ET.Element) -> dict[str, str]:
    """Return each case's outcome by its name."""
    kinds = {"failure", "error", "skipped"}
    return {
        str(case.get("name")): next((c.tag for c in case if c.tag in kinds), "passed")
        for case in root.iter("testcase")
    }


def test_a_valid_run_passes(tmp_path: Path) -> None:
    """Verdict and checks pass; what did not run is skipped and not passed."""
    root = written(tmp_path, Suite.of(results("valid", as_expected=True), 1.5))
    assert outcomes(root) == {"verdict": "passed", "total-queue": "passed", "fifo": "skipped"}
    assert root.attrib == {"tests": "3", "failures": "0", "errors": "0", "skipped": "1"}
    assert root[0].get("time") == "1.500"


def test_a_loss_fails_with_its_reason(tmp_path: Path) -> None:
    """The failure's text is the check's reason and its witnesses' sentences."""
    root = written(tmp_path, Suite.of(results("invalid", as_expected=False), 1.0))
    assert outcomes(root) == {"verdict": "failure", "total-queue": "failure", "fifo": "skipped"}
    verdict, check = (root.findall(".//failure")[n] for n in (0, 1))
    assert verdict.get("message") == "expected valid, got invalid (lost); seed 3"
    assert check.text == "invalid: lost, 100 times: items 1 to 100\n7 was lost."


def test_the_verdict_tells_the_faults_with_their_settings(tmp_path: Path) -> None:
    """Who reads only CI's page sees that the leader's data was wiped."""
    root = written(tmp_path, Suite.of(results("invalid", as_expected=False), 1.0))
    assert "1.500 s: kill+wipe node 5 (leader): installed" in str(
        root.findall(".//failure")[0].text
    )


def test_a_control_that_finds_its_bug_passes(tmp_path: Path) -> None:
    """What the scenario expects is no failure, and is told all the same."""
    root = written(tmp_path, Suite.of(results("invalid", as_expected=True), 1.0))
    assert outcomes(root)["total-queue"] == "passed"
    assert "7 was lost." in str(root.findall(".//system-out")[1].text)


def test_a_control_that_finds_nothing_fails(tmp_path: Path) -> None:
    """A valid verdict that was not expected is a failure, though every check passed."""
    root = written(tmp_path, Suite.of(results("valid", as_expected=False), 1.0))
    assert outcomes(root)["verdict"] == "failure"


def test_unknown_is_an_error(tmp_path: Path) -> None:
    """A run that shows nothing neither passes nor fails."""
    root = written(tmp_path, Suite.of(results("unknown", as_expected=False), 1.0))
    assert outcomes(root) == {"verdict": "error", "total-queue": "error", "fifo": "skipped"}


@pytest.mark.parametrize(("verdict", "rate"), [("unknown", "1 of 1"), ("invalid", "1 of 2")])
def test_an_interrupted_run_never_passes(tmp_path: Path, verdict: str, rate: str) -> None:
    """Its status is 2 whatever was expected; it counts in a rate if it found something."""
    broken_off = results(verdict, as_expected=True) | {"interrupted": "Ctrl-C"}
    suite = Suite.of(broken_off, 1.0)
    assert outcomes(written(tmp_path, suite))["verdict"] == "error"
    whole = Suite.of(results("valid", as_expected=True), 1.0)
    assert str(junit.rates([whole, suite])["seed/x"]).startswith(rate)


def test_a_harness_that_failed_is_an_error(tmp_path: Path) -> None:
    """A run that was never judged has an error with the harness's own words."""
    root = written(tmp_path, Suite.failed("seed/x", "no engine", 0.1))
    assert outcomes(root) == {"verdict": "error"}
    assert root.find(".//error").text == "no engine"  # type: ignore[union-attr]


def test_several_scenarios_are_several_suites(tmp_path: Path) -> None:
    """Counts add up over all suites, and each has its own."""
    good = Suite.of(results("valid", as_expected=True), 1.0)
    root = written(tmp_path, good, Suite.failed("b", "x", 0.1))
    assert (root.get("tests"), root.get("errors")) == ("4", "1")
    assert [suite.get("name") for suite in root] == ["seed/x", "b"]


def test_whatever_stands_in_names_and_texts_is_xml(tmp_path: Path) -> None:
    """Every character of Unicode, and halves of some, may stand in a file's name and in a text."""
    everything = "".join(map(chr, range(0x11000)))
    root = written(tmp_path, Suite.failed(everything, everything, 0.1))
    assert root[0].get("name") == root[0][0].get("classname")
    assert "\ufffd  \U00010000" in str(root[0].get("name"))
    told = results("valid", as_expected=True)
    check = CHECK | {"name": "\ud800", "verdict": "unknown"}
    assert outcomes(written(tmp_path, Suite.of(told | {"checks": [check]}, 1.0)))[" "] == "passed"


def test_control_characters_cannot_break_the_file(tmp_path: Path) -> None:
    """A character that XML forbids becomes a space."""
    root = written(tmp_path, Suite.failed("a", "bad \x00\x1b[31m end", 0.1))
    assert root.find(".//error").text == "bad   [31m end"  # type: ignore[union-attr]
