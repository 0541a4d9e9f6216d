"""The page as a whole, as text; how it looks and behaves is for test_report_browser.py."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.common.harness_errors import ScenarioError
from harness.common.run_folder import RunFolder
from harness.report import page
from worlds.histories.by_hand import note, op
from worlds.histories.judged_runs import MS, judged, killed, lives, modes, tree


@pytest.fixture
def lost(tmp_path: Path) -> RunFolder:
    """Return a run that lost item 2 while its leader was killed."""
    return judged(
        tmp_path,
        modes(0, 1),
        modes(30, 2, down=1),
        lives(),
        killed(0, 1, 20, 60),
        *(tree(n, 200, items=[]) for n in (1, 2, 3)),
    )


def text_of(folder: RunFolder, *items: str) -> str:
    """Return the page without uPlot's code and style."""
    text = page.write(folder, items).read_text()
    foreign = (page.resource("vendor/uPlot.iife.min.js"), page.resource(page.CHART_STYLE))
    return text.replace(foreign[0], "").replace(foreign[1], "")


def test_the_reason_is_in_the_first_screen(lost: RunFolder) -> None:
    """The verdict and its reason in plain words are the page's one heading of the first order."""
    (heading,) = re.findall(r"<h1>(.*?)</h1>", text_of(lost), re.DOTALL)
    assert "invalid" in heading
    assert "Item 2 was acknowledged at 0.024 s (process 0) and is on none of the 3 serv" in heading


def test_nothing_is_fetched(lost: RunFolder) -> None:
    """The page is whole: no source, style, font or frame from anywhere else."""
    text = text_of(lost)
    assert re.findall(r'\b(?:src|href)="(?!#|data:|logs/)([^"]*)"', text) == []
    assert "@import" not in text
    assert "url(" not in text


def test_the_parts_are_there(lost: RunFolder) -> None:
    """Why before what, and what before details, each part under its heading."""
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", text_of(lost))
    assert headings == [
        "What this scenario does",
        "What happened to item 2",
        "Timeline",
        "Findings",
        "Checks",
        "Faults and what clients saw of them",
        "The life of one item",
        "The servers at the end",
        "Run it again",
    ]


def test_the_commands_to_run_it_again(lost: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replay, the scenario with its seed, and shrink can be copied from the page."""
    text = text_of(lost)
    assert f"<code>harness replay {lost.path}</code>" in text
    assert f"<code>harness run {lost.scenario} --seed 7</code>" in text
    monkeypatch.chdir(lost.path.parent)
    text = text_of(lost)
    assert f"<code>harness replay {lost.path.name}</code>" in text
    assert f"<code>harness run {lost.path.name}/scenario.yaml --seed 7</code>" in text


def test_a_scenario_that_came_with_the_harness_is_run_again_by_its_name(lost: RunFolder) -> None:
    """From any folder: its file may be inside an installed package."""
    results = json.loads(lost.results.read_text())
    lost.results.write_text(json.dumps(results | {"scenario": "seed/leader-kill"}))
    assert "<code>harness run seed/leader-kill --seed 7</code>" in text_of(lost)


def test_the_same_in_words(lost: RunFolder) -> None:
    """What the picture shows is also a list: leaders, faults, heals, sessions and witnesses."""
    events = re.findall(r'<li><span class="time">(.*?)</span> (.*?)</li>', text_of(lost))
    assert events[:4] == [
        ("0.000 s", "node 1 leads"),
        ("0.020 s", "kill node 1: installed"),
        ("0.020 s", "witness: process 0, put 2: ok"),
        ("0.030 s", "node 2 leads"),
    ]


def test_what_users_wrote_is_text(tmp_path: Path) -> None:
    """No item id, error or description can break out of its place in the page."""
    evil = "</script><script>alert(1)</script>"
    folder = judged(
        tmp_path,
        op("put", evil, 0, 5, error=evil),
        op("reserve", evil, 10, 15, process=1),
        op("reserve", evil, 20, 25, process=2),
        note("session-end", 30, process=1, why=evil),
        scenario_text=f"description: '{evil}'\nworkload: [{{put-all: {{}}}}]\n",
    )
    assert "<script>alert" not in text_of(folder)


class _Balance(HTMLParser):
    """Counts what is open, and complains of what closes something else."""

    void = {"meta", "link", "input", "br"}  # noqa: RUF012 -- read only

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()


@pytest.mark.parametrize("items", [3, 30])
def test_elements_are_balanced(tmp_path: Path, items: int) -> None:
    """Every element ends where it should, with few witnesses and with more than are unfolded."""
    folder = judged(tmp_path, lives(lost=range(1, items), items=items))
    balance = _Balance()
    balance.feed(text_of(folder))
    assert balance.open == []


def test_without_its_data_it_is_small(lost: RunFolder) -> None:
    """A report is sent around: the charts' library and all else of it stay under 0.3 MB."""
    text = page.write(lost).read_text()
    (data,) = re.findall(r'<script type="application/json".*?</script>', text, re.DOTALL)
    assert len(text) - len(data) < 300_000


def test_only_known_items_can_be_asked_for(lost: RunFolder) -> None:
    """An item that the history does not have is an error that names it."""
    with pytest.raises(ScenarioError, match="expected an item of this history, got '99'"):
        page.write(lost, ["99"])
    assert page.write(lost, ["3"]).is_file()


def test_a_run_that_was_not_judged_has_no_report(lost: RunFolder) -> None:
    """Without results.json the user is told how to get one."""
    lost.results.unlink()
    with pytest.raises(ScenarioError, match="`harness check` judges it"):
        page.write(lost)


@pytest.mark.parametrize("parts", [[], [op("put", 1, 5, None)]], ids=["nothing", "one-unknown"])
def test_a_run_that_shows_little_has_a_report(tmp_path: Path, parts: list[object]) -> None:
    """A run in which nothing happened has a page that says it is unknown, and why."""
    folder = judged(tmp_path, *parts)  # type: ignore[arg-type]
    assert "no put was acknowledged" in text_of(folder)


def test_bars_are_in_order_of_rank() -> None:
    """Bars show the order of times, so that no call is too short to see; unknown ones go on."""
    rows = [
        {"invoke_ns": 10 * MS, "complete_ns": None},
        {"invoke_ns": 1, "complete_ns": 2},
    ]
    bars = [bar for _, bar in page._intervals(rows)]
    assert bars == [{"left": 0.0, "width": 33.3}, {"left": 66.7, "width": 33.3}]
