"""Runs that failed or decided nothing, by their cause."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.site.layout import render
from harness.report.site.shelf import RunRow


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedCause:
    """The runs with the same verdict for the same reasons of the same check, newest first."""

    verdict: str
    cause: str
    rows: tuple[RunRow, ...]

    @property
    def surprising(self) -> int:
        """How many of them were not as expected."""
        return sum(not row.as_expected for row in self.rows)

    @property
    def scenarios(self) -> list[str]:
        """The scenarios, each once."""
        return sorted({row.scenario for row in self.rows})

    @property
    def shared_faults(self) -> list[str]:
        """The kinds of fault that took effect in every one of the runs."""
        return sorted(set(self.rows[0].faults).intersection(*(row.faults for row in self.rows[1:])))


def of_rows(rows: Sequence[RunRow]) -> list[SharedCause]:
    """Return the causes of all runs that are not valid; those with most surprises first."""
    groups: dict[tuple[str, str], list[RunRow]] = {}
    for row in rows:
        if row.judged and (row.verdict != "valid" or not row.as_expected):
            why = row.cause or f"{row.verdict}, where {row.expect} was expected"
            groups.setdefault((row.verdict, why), []).append(row)
    causes = [
        SharedCause(verdict=verdict, cause=cause, rows=tuple(found))
        for (verdict, cause), found in groups.items()
    ]
    return sorted(causes, key=lambda each: (-each.surprising, -len(each.rows), each.cause))


def causes_page(rows: Sequence[RunRow], *, scripts: tuple[str, ...] = ()) -> str:
    """Return the page of all causes."""
    return render("causes.html.j2", causes=of_rows(rows), scripts=scripts)
