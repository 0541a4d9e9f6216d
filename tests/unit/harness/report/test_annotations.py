"""Annotations that GitHub, Gitea and Forgejo read from the output of a job."""

from pathlib import Path

import pytest

from harness.report.annotations import annotation, of_row
from harness.report.batch_summary import Row, State


def test_an_error_is_shown_at_its_line() -> None:
    """A message that begins with file and line is shown there, and is not told twice."""
    file = Path("scenarios/mine.yaml")
    told = annotation("error", file, "scenarios/mine.yaml:7: seed: expected a number", title="mine")
    assert told == "::error file=scenarios/mine.yaml,line=7,title=mine::seed: expected a number"


def test_another_files_line_is_not_taken() -> None:
    """A line number of another file says nothing of this one."""
    told = annotation("notice", Path("a.yaml"), "b.yaml:7: no", title="a")
    assert told == "::notice file=a.yaml,line=1,title=a::b.yaml:7: no"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [("50 %", "50 %25"), ("a\nb", "a%0Ab"), ("a\r\n::error::b", "a%0D%0A::error::b")],
)
def test_no_text_begins_a_command_of_its_own(text: str, escaped: str) -> None:
    """What an item or an error says stays in the one line, so that it cannot be a command."""
    told = annotation("error", Path("a.yaml"), text, title="t")
    assert told == f"::error file=a.yaml,line=1,title=t::{escaped}"
    assert "\n" not in told


def test_a_title_ends_where_it_ends() -> None:
    """Commas and colons of a title are not taken for the next property or for the text."""
    told = annotation("error", Path("a,b.yaml"), "x", title="lost: 3, 4")
    assert told == "::error file=a%2Cb.yaml,line=1,title=lost%3A 3%2C 4::x"


def test_the_file_is_told_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitHub knows files by their path in the checkout."""
    monkeypatch.chdir(tmp_path)
    told = annotation("error", tmp_path / "sub/a.yaml", "x", title="t")
    assert told.startswith("::error file=sub/a.yaml,")


def row(state: State, verdict: str) -> Row:
    """Return how a scenario ended."""
    return Row(
        scenario="mine",
        state=state,
        verdict=verdict,
        expected="valid" if verdict in {"valid", "invalid"} else "",
        reason="no netem",
        sentence="Item 3 is lost.",
        took_s=1.0,
    )


@pytest.mark.parametrize(
    ("state", "verdict", "told"),
    [
        ("as expected", "valid", None),
        ("skipped", "skipped", "::notice file=a.yaml,line=1,title=mine%3A skipped::no netem"),
        (
            "not as expected",
            "invalid",
            "::error file=a.yaml,line=1,title=mine%3A invalid%2C expected valid::Item 3 is lost.",
        ),
        ("failed", "failed", "::error file=a.yaml,line=1,title=mine%3A failed::Item 3 is lost."),
    ],
)
def test_what_a_person_should_look_at(state: State, verdict: str, told: str | None) -> None:
    """A surprise says what was expected and what was found; a run that went well says nothing."""
    assert of_row(Path("a.yaml"), row(state, verdict)) == told
