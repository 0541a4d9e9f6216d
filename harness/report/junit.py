"""junit.xml: a suite per scenario, a case for its verdict and one per check.

A check that found what its scenario expects (a control) passes. One that could not decide is an
error if that matters to the verdict. One that did not run is skipped, so that no case passes
without having shown something.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree as ET

from harness import words
from harness.common import files
from harness.common.rate import Rate
from harness.report.judged import broken_off

FILE = "junit.xml"
_NOT_IN_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
Outcome = Literal["passed", "failure", "error", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A testcase element of junit.xml.

    Attributes:
        text: the reason; for a passed case, what there is to say of it.
    """

    name: str
    outcome: Outcome = "passed"
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The cases of one scenario.

    Attributes:
        tried: whether the run took place, and was not interrupted before it found anything; one
            that did not counts in no rate.
    """

    scenario: str
    cases: tuple[Case, ...]
    took_s: float
    tried: bool = True

    @classmethod
    def of(cls, results: Mapping[str, Any], took_s: float) -> "Suite":
        """Return the suite of a judged run."""
        return cls(
            scenario=results["scenario"],
            cases=tuple(_cases(results)),
            took_s=took_s,
            tried=not broken_off(results),
        )

    @classmethod
    def failed(cls, scenario: str, error: str, took_s: float) -> "Suite":
        """Return the suite of a run that was never judged, since the harness failed."""
        case = Case(name="verdict", outcome="error", text=error)
        return cls(scenario=scenario, cases=(case,), took_s=took_s)

    @classmethod
    def untried(cls, scenario: str, why: str) -> "Suite":
        """Return the suite of a run that did not take place, of which nothing is known."""
        return replace(cls.failed(scenario, why, 0.0), tried=False)

    @classmethod
    def skipped(cls, scenario: str, why: str, took_s: float) -> "Suite":
        """Return the suite of a scenario that was not run, since the machine lacks something."""
        return cls(
            scenario=scenario,
            cases=(Case(name="verdict", outcome="skipped", text=why),),
            took_s=took_s,
        )


def rates(suites: Sequence[Suite]) -> dict[str, Rate]:
    """Return how often each scenario ended as expected, of the times that it was tried."""
    ended: dict[str, list[bool]] = {}
    for suite in suites:
        outcome = suite.cases[0].outcome
        if outcome != "skipped" and suite.tried:
            ended.setdefault(suite.scenario, []).append(outcome == "passed")
    return {name: Rate(count=sum(passed), of=len(passed)) for name, passed in ended.items()}


def numbered(suites: Sequence[Suite]) -> list[Suite]:
    """Return suites with names of their own: the runs of one scenario are numbered."""
    times, seen = Counter(suite.scenario for suite in suites), Counter[str]()
    named = []
    for suite in suites:
        seen[suite.scenario] += 1
        name, of = suite.scenario, times[suite.scenario]
        number = f" ({seen[name]} of {of})" if of > 1 else ""
        named.append(replace(suite, scenario=f"{name}{number}"))
    return named


def write(suites: Sequence[Suite], path: Path) -> None:
    """Write suites as one XML file."""
    root = ET.Element("testsuites", _counts([c for s in suites for c in s.cases]))
    for suite in suites:
        root.append(_suite(suite))
    ET.indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")


def _cases(results: Mapping[str, Any]) -> Iterator[Case]:
    told = _verdict_text(results)
    interrupted = "interrupted" in results  # such a run is never a success
    bad: Outcome = "error" if interrupted or results["verdict"] == "unknown" else "failure"
    passed = results["as_expected"] and not interrupted
    yield Case(name="verdict", outcome="passed" if passed else bad, text=told)
    for check in results["checks"]:
        yield _check(check, as_expected=results["as_expected"])
    for left_out in results["not_run"]:
        yield Case(name=left_out["name"], outcome="skipped", text=f"needs {left_out['needs']}")


def _verdict_text(results: Mapping[str, Any]) -> str:
    """Return the verdict in a line, then a line for each fault that the run met."""
    return "\n".join([_verdict_line(results), *words.faults(results)])


def _verdict_line(results: Mapping[str, Any]) -> str:
    because = f" because {results['because']}" if results["because"] else ""
    found = ", ".join(sorted({why for check in results["checks"] for why in check["reasons"]}))
    return (
        f"expected {results['expect']}{because}, got {results['verdict']}"
        f"{f' ({found})' if found else ''}; seed {results['seed']}"
    )


def _check(check: Mapping[str, Any], *, as_expected: bool) -> Case:
    if check["verdict"] == "valid":
        return Case(name=check["name"])
    sentences = [witness["sentence"] for witness in check["witnesses"]]
    first = f"{check['verdict']}: {'; '.join(words.findings(check))}"
    text = "\n".join([first, *sentences])
    bad: Outcome = "failure" if check["verdict"] == "invalid" else "error"
    return Case(name=check["name"], outcome="passed" if as_expected else bad, text=text)


def _suite(suite: Suite) -> ET.Element:
    scenario = _printable(suite.scenario)
    element = ET.Element(
        "testsuite", {"name": scenario, "time": f"{suite.took_s:.3f}", **_counts(suite.cases)}
    )
    for place, case in enumerate(suite.cases):
        took_s = suite.took_s if place == 0 else 0.0
        attributes = {"classname": scenario, "name": _printable(case.name), "time": f"{took_s:.3f}"}
        inner = ET.SubElement(element, "testcase", attributes)
        text = _printable(case.text)
        if case.outcome != "passed":
            ET.SubElement(inner, case.outcome, {"message": text.split("\n", 1)[0]}).text = text
        elif text:
            ET.SubElement(inner, "system-out").text = text
    return element


def _printable(text: str) -> str:
    """Replace what XML cannot hold, control characters and lone surrogates, by spaces."""
    return _NOT_IN_XML.sub(" ", text)


def _counts(cases: Sequence[Case]) -> dict[str, str]:
    outcomes = [case.outcome for case in cases]
    return {
        "tests": str(len(outcomes)),
        "failures": str(outcomes.count("failure")),
        "errors": str(outcomes.count("error")),
        "skipped": str(outcomes.count("skipped")),
    }
