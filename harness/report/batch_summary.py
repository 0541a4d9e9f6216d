"""The end of a batch in the terminal: a table of all scenarios, then each failure in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from rich.table import Table
from rich.text import Text

from harness import words

State = Literal["as expected", "skipped", "unknown", "not as expected", "failed"]
_STYLES: Mapping[State, str] = {
    "as expected": "green",
    "skipped": "",
    "unknown": "yellow",
    "not as expected": "bold red",
    "failed": "bold red",
}
STATES = tuple(_STYLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How one scenario ended.

    Attributes:
        reason: in a few words; empty for a valid run.
        sentence: what a person should know of a run that is not as expected.
        report: path of its report; empty if there is none.
    """

    scenario: str
    state: State
    verdict: str
    expected: str
    reason: str = ""
    sentence: str = ""
    took_s: float
    report: str = ""

    @classmethod
    def of(cls, results: Mapping[str, Any], took_s: float, report: str) -> Self:
        """Return the row of a judged run."""
        verdict, because = results["verdict"], results["because"]
        return cls(
            scenario=results["scenario"],
            state=state_of(verdict, as_expected=results["as_expected"]),
            verdict=verdict,
            expected=results["expect"] + (f" because {because}" if because else ""),
            reason=_reason(results),
            sentence=words.headline(results, servers=0).sentence,
            took_s=took_s,
            report=report,
        )


def state_of(verdict: str, *, as_expected: bool) -> State:
    """Return how a run ended that has a verdict."""
    if as_expected:
        return "as expected"
    return "unknown" if verdict == "unknown" else "not as expected"


def table(rows: Sequence[Row]) -> Table:
    """Return a line for each scenario, those that need a look last."""
    made = Table(box=None, pad_edge=False)
    for heading in ("scenario", "verdict", "expected", "reason"):
        made.add_column(heading, overflow="fold")
    made.add_column("time", justify="right", no_wrap=True)
    made.add_column("report", overflow="fold")
    for row in sorted(rows, key=lambda row: STATES.index(row.state)):
        made.add_row(
            row.scenario,
            Text(row.verdict, style=_STYLES[row.state]),
            row.expected,
            row.reason,
            f"{row.took_s:.0f} s",
            row.report,
        )
    return made


def closing(rows: Sequence[Row]) -> Iterator[Text]:
    """Yield how many scenarios are as expected, and a sentence for each that is not."""
    good = sum(row.state == "as expected" for row in rows)
    skipped = sum(row.state == "skipped" for row in rows)
    left_out = f", {skipped} skipped" if skipped else ""
    style = "bold green" if good + skipped == len(rows) else "bold red"
    yield Text(f"{good} of {len(rows)} scenarios as expected{left_out}", style=style)
    for row in rows:
        if row.state not in {"as expected", "skipped"}:
            got = f"{row.verdict}, expected {row.expected}" if row.expected else row.verdict
            yield Text(f"{row.scenario}: {got}: {row.sentence}")


def _reason(results: Mapping[str, Any]) -> str:
    """Return the reasons of the checks that decided the verdict, in single words."""
    if (why := results.get("interrupted")) is not None:
        return f"interrupted by {why}"
    deciding = [check for check in results["checks"] if check["verdict"] == results["verdict"]]
    reasons = [reason for check in words.gravest_first(deciding) for reason in check["reasons"]]
    return ", ".join(dict.fromkeys(reasons))
