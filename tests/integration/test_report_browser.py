"""The report in a browser: it opens offline, says what happened, and the keyboard reaches it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from harness.report import page
from worlds import browser
from worlds.browser import LOW_CONTRAST, UNNAMED, WIDTHS, Opened
from worlds.histories.judged_runs import judged, killed, lives, modes, tree

ITEMS = 60


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium."""
    with browser.started() as started:
        yield started


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of a run that lost some items under two kills."""
    folder = judged(
        tmp_path_factory.mktemp("run"),
        modes(0, 1),
        modes(120, 2, down=1),
        modes(500, 2),
        modes(700, 3, down=2),
        lives(lost=[7, 8, 9, 10, 11], items=ITEMS),
        killed(0, 1, 110, 480),
        killed(1, 2, 690, None),
        *(tree(n, 1400, items=[] if n < 3 else [3]) for n in (1, 2, 3)),
    )
    return page.write(folder)


@pytest.fixture(scope="module", params=WIDTHS)
def opened(chromium: Browser, report: Path, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Open the report from its file, at the width of a desk and of a phone."""
    opened = Opened(chromium, request.param)
    opened.page.goto(report.as_uri())
    opened.page.wait_for_selector("html[data-ready=true]")
    yield opened
    opened.page.close()


def shown_s(opened: Opened) -> tuple[float, float]:
    """Return the part of the run that the timeline shows."""
    begin, end = opened.page.evaluate("document.getElementById('figure').layout.xaxis.range")
    return float(begin), float(end)


def test_no_complaints_and_no_network(opened: Opened, report: Path) -> None:
    """The console stays clean, and nothing but the file itself is asked for."""
    assert opened.complaints == []
    assert opened.requests == [report.as_uri()]


def test_it_fits_the_screen(opened: Opened) -> None:
    """The page does not scroll sideways."""
    assert opened.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_verdict_and_reason_are_in_the_first_screen(opened: Opened) -> None:
    """Without scrolling a reader sees what was lost, when, and where it is not."""
    heading = opened.page.locator("h1")
    assert "Item 7 was acknowledged at 0.074 s" in heading.inner_text()
    box = heading.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < WIDTHS[opened.page.viewport_size["width"]]  # type: ignore[index]


def test_contrast_and_names(opened: Opened) -> None:
    """Texts stand out from what is behind them, and a screen reader can name every control."""
    assert opened.page.evaluate(LOW_CONTRAST) == []
    assert opened.page.evaluate(UNNAMED) == []


def test_faults_and_witnesses_are_drawn(opened: Opened) -> None:
    """Two bands, two frames on nodes, and a mark for each witness."""
    count = "document.querySelectorAll('#figure .shapelayer path').length"
    assert opened.page.evaluate(count) >= 4
    names = "document.getElementById('figure').data.map(trace => trace.name)"
    assert {"leader", "down", "put", "witness", "put median"} <= set(opened.page.evaluate(names))


def test_the_timeline_obeys_the_keyboard(opened: Opened) -> None:
    """Zoom in, later, and back to the whole run, with focus and Enter alone."""

    def press(name: str) -> tuple[float, float]:
        button = opened.page.get_by_role("button", name=name, exact=True)
        button.focus()
        button.press("Enter")
        return shown_s(opened)

    whole = press("Whole run")
    begin, end = press("Zoom in")
    assert end - begin == pytest.approx((whole[1] - whole[0]) / 2)
    assert press("Later")[0] > begin
    assert press("Whole run") == pytest.approx(whole)
    begin, end = press("First witness")
    assert begin <= 0.07 <= end


def test_a_trace_can_be_hidden(opened: Opened) -> None:
    """Unchecking an entry of the legend hides all traces of that name in its group."""
    opened.page.get_by_label("put", exact=True).uncheck()
    hidden = opened.page.evaluate(
        "document.getElementById('figure').data.filter(t => t.visible === false).map(t => t.name)"
    )
    assert set(hidden) == {"put"}


def test_the_life_of_one_item(opened: Opened) -> None:
    """Asked for an item, the page tells its calls in order, who made them, and where it is."""
    opened.page.get_by_label("Item", exact=True).fill("3")
    opened.page.get_by_role("button", name="Show its life").click()
    life = opened.page.locator("#item-life")
    cells = life.locator("tbody tr td:first-child").all_inner_texts()
    assert cells == ["put", "claimed (reserve)", "done"]
    assert "opened by node 3" in life.inner_text()
    assert "At the end it stood on node 3 (items)." in life.inner_text()


def test_a_witness_leads_to_its_item(opened: Opened) -> None:
    """The button beside a witness tells the life of its item, which ends with the put."""
    opened.page.get_by_role("button", name="item 8", exact=True).first.click()
    life = opened.page.locator("#item-life")
    assert life.locator("tbody tr td:first-child").all_inner_texts() == ["put"]
    assert "none of the servers" in life.inner_text()


def test_an_unknown_item_is_said_to_be_unknown(opened: Opened) -> None:
    """An id that is not in the history gets a sentence and not an empty table."""
    opened.page.get_by_label("Item", exact=True).fill("no such")
    opened.page.get_by_role("button", name="Show its life").click()
    assert opened.page.locator("#item-life").inner_text() == "No item no such in this history."


def test_a_fault_leads_to_its_time(opened: Opened) -> None:
    """The button with a fault's time shows the timeline around it."""
    opened.page.get_by_role("button", name="0.110 s").first.click()
    begin, end = shown_s(opened)
    assert begin <= 0.11
    assert end >= 0.48
