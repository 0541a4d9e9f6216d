"""Campaigns as pages: verdicts over time, causes with their rates, and the first run of each."""

from pathlib import Path
from typing import Any

import pytest

from harness.campaign import outcome_file
from harness.campaign.outcome_file import Ended, Outcomes, Started
from harness.common.harness_errors import HistoryError
from harness.report.site import campaigns
from harness.report.site.campaigns import CampaignShelf


def ended(number: int, name: str = "a", **more: Any) -> Ended:
    """Return the end of a task at that second; as expected, unless it has a cause."""
    told = {"verdict": "invalid" if "cause" in more else "valid", "worker": "w"} | more
    told |= {"as_expected": "cause" not in more}
    at = f"20260101T00{number // 60:02}{number % 60:02}.000Z"
    return Ended(task=f"{number} {name}", name=name, at=at, seed=number, **told)


def outcomes(*lines: Ended | Started) -> Outcomes:
    """Return what a file with these lines says."""
    told = Outcomes()
    for line in lines:
        told.take(line)
    return told


def page(told: Outcomes, runs: Path = Path("none")) -> str:
    """Return the page of a campaign."""
    return campaigns.campaign_page(runs, {"c": told}, "c")


def test_each_cause_has_a_rate_with_bounds() -> None:
    """Of all runs, and of each scenario's own; what was skipped is no try."""
    lines = [
        *(ended(n) for n in range(6)),
        ended(6, cause="lost"),
        ended(7, "b", cause="lost"),
        ended(8, "b", cause="order"),
        ended(9, "b", verdict="skipped"),
    ]
    lost, order = campaigns.findings(lines)
    assert (lost.cause, str(lost.rate)) == ("lost", "2 of 9 (6 to 55 %)")
    assert {name: str(rate) for name, rate in lost.of_scenarios.items()} == {
        "a": "1 of 7 (3 to 51 %)",
        "b": "1 of 2 (9 to 91 %)",
    }
    assert (order.cause, order.rate.count) == ("order", 1)


def test_the_first_red_run_is_the_one_that_ended_first(tmp_path: Path) -> None:
    """Whatever the order of the file, its report is linked if it is there."""
    late, early = ended(9, cause="lost", run="a/9"), ended(3, cause="lost", run="a/3")
    (found,) = campaigns.findings([late, early])
    assert found.first is early
    told = outcomes(late, early)
    assert "/runs/a/3/report.html" not in page(told, tmp_path)
    (tmp_path / "a/3").mkdir(parents=True)
    (tmp_path / "a/3/report.html").write_text("")
    text = page(told, tmp_path)
    assert 'href="/runs/a/3/report.html"' in text
    assert "seed 3" in text


def test_an_expected_failure_is_no_finding() -> None:
    """A control that found its bug is as expected; one that did not is a finding."""
    found = Ended(task="c", name="c", verdict="invalid", at="", as_expected=True)
    missed = Ended(task="d", name="d", verdict="valid", at="", cause="valid, where invalid ...")
    assert [each.cause for each in campaigns.findings([found, missed])] == [
        "valid, where invalid ..."
    ]
    assert (campaigns.state(found), campaigns.state(missed)) == ("as expected", "not as expected")


def test_what_ended_when() -> None:
    """Every end is in one part of the time, also the first and the last."""
    bins = campaigns.over_time([ended(n) for n in range(10)] + [ended(9, cause="lost")], bins=3)
    assert [dict(each.counts) for each in bins] == [
        {"as expected": 3},
        {"as expected": 3},
        {"as expected": 4, "not as expected": 1},
    ]
    assert campaigns.over_time([]) == []
    (only,) = (each for each in campaigns.over_time([ended(1)]) if each.counts)
    assert only.counts == {"as expected": 1}


def test_a_stamp_of_another_shape_is_left_out() -> None:
    """A line that somebody edited does not break the page."""
    wrong = Ended(task="x", name="x", verdict="valid", at="yesterday", as_expected=True)
    assert campaigns.over_time([wrong]) == []
    assert "1 done" in page(outcomes(wrong))


def test_the_page_tells_what_runs() -> None:
    """Workers and attempts are there while it goes on, and tasks that were done twice."""
    told = outcomes(
        ended(1, attempts=2), Started(task="5 a", worker="w7", attempt=2, at="20260101T000000.000Z")
    )
    text = page(told)
    assert "5 a: worker w7" in text
    assert "attempt 2" in text
    assert "1 task done again after a worker had died" in text
    assert text.count("<rect") == 1


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><b>'])
def test_what_a_file_says_is_text(text: str) -> None:
    """No cause, scenario or worker can break out of the page."""
    made = page(outcomes(ended(1, text, cause=text, run=text, worker=text)))
    assert text not in made


def test_another_name_is_refused() -> None:
    """The complaint names those that are there."""
    with pytest.raises(HistoryError, match="expected one of c"):
        campaigns.campaign_page(Path("none"), {"c": outcomes()}, "d")


def test_a_file_is_read_again_only_if_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest campaign stands first; a damaged folder hides no other."""
    read: list[Path] = []
    original = outcome_file.read

    def counted(path: Path) -> Outcomes:
        read.append(path)
        return original(path)

    monkeypatch.setattr(outcome_file, "read", counted)
    shelf = CampaignShelf(tmp_path)
    assert shelf.all() == {}
    for name in ("old", "new"):
        with outcome_file.opened(tmp_path, name, command="run", work=[name], tasks=2) as file:
            file.ended(ended(1))
    (tmp_path / "campaigns" / "bad" / "campaign.jsonl").mkdir(parents=True)
    read.clear()
    assert list(shelf.all()) == ["new", "old"]
    assert len(shelf.all()["new"].ended) == 1
    assert [path.parent.name for path in read].count("new") == 1
