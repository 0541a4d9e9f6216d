"""A Markdown summary of several runs, for CI systems that offer a file for one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harness import words
from harness.common.rate import Rate
from harness.scenario import catalogue

MOST_FINDINGS = 5


def summary(
    judged: Sequence[tuple[Path, Mapping[str, Any]]],
    failed: Mapping[str, str],
    rates: Mapping[str, Rate] = MappingProxyType({}),
) -> str:
    """Return the summary of runs that were judged, and of those in which the harness failed.

    Args:
        judged: each run's scenario file and its results.
        failed: the error of each scenario that came to no verdict.
        rates: of scenarios that were run several times.
    """
    bad = [(file, results) for file, results in judged if not results["as_expected"]]
    lines = [
        f"## harness: {len(judged) - len(bad)} of {len(judged) + len(failed)} as expected",
        "",
        "| scenario | seed | verdict | expected | acknowledged | lost | faults |",
        "|---|---|---|---|---|---|---|",
        *(_row(results) for _, results in judged),
        *(f"| {name} | | **harness failed** | | | | |" for name in failed),
        "",
    ]
    lines += [
        f"- {name}: as expected in {rate} runs" for name, rate in rates.items() if rate.of > 1
    ]
    lines += [""]
    for file, results in bad:
        lines += _findings(file, results)
    for name, error in failed.items():
        lines += [f"### {name}", "", _text(error), ""]
    return "\n".join(lines)


def _row(results: Mapping[str, Any]) -> str:
    counts = results["counts"]
    verdict = results["verdict"] if results["as_expected"] else f"**{results['verdict']}**"
    lost = "unknown" if counts["lost"] is None else counts["lost"]
    installed = sum(fault["outcome"] == "installed" for fault in results["faults"])
    cells = (
        results["scenario"],
        results["seed"],
        verdict,
        results["expect"],
        counts["acknowledged"],
        lost,
        installed,
    )
    return f"| {' | '.join(map(str, cells))} |"


def _findings(file: Path, results: Mapping[str, Any]) -> list[str]:
    told = words.headline(results, servers=0)
    lines = [f"### {results['scenario']}", "", f"{_text(told.sentence)} {told.expectation}.", ""]
    for check in words.gravest_first(results["checks"]):
        if check["verdict"] != "valid":
            found = _text("; ".join(words.findings(check)))
            lines.append(f"- **{check['name']}** {check['verdict']}: {found}")
            shown = check["witnesses"][:MOST_FINDINGS]
            lines += [f"  - {_text(witness['sentence'])}" for witness in shown]
    lines += [f"- {_text(fault)}" for fault in words.faults(results)]
    again = f"harness run {catalogue.argument(file)} --seed {results['seed']}"
    return [*lines, "", f"Again: `{again}`", ""]


def _text(text: str) -> str:
    """Escape text of items and errors, so that it is not read as Markdown or HTML."""
    marks: dict[str, str | int | None] = {mark: f"\\{mark}" for mark in "\\`*_[]|#"}
    return text.translate(str.maketrans(marks | {"<": "&lt;", "\n": " "}))
