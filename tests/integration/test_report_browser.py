"""The report in a browser: it opens offline, says what happened, and the keyboard reaches it."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from harness.report import page
from worlds import browser
from worlds.browser import LOW_CONTRAST, UNNAMED, WIDTHS, Opened
from worlds.histories import recorded_runs
from worlds.histories.by_hand import note
from worlds.histories.judged_runs import judged, killed, lives, modes, tree
from worlds.histories.recorded_runs import STALE, TWIN, WIPED

ITEMS = 60
RUN = "document.getElementById('figure').run"
LOG = """\
2026-11-29 12:00:00,070 [myid:2] - INFO  [NIOWorkerThread-1:X@1] - Processing srvr command from /1
2026-11-29 12:00:00,080 [myid:2] - WARN  [QuorumPeer:Learner@99] - Got a proposal late
2026-11-29 12:00:01,900 [myid:2] - INFO  [main:X@1] - Much later
"""
# Returns the colour of the rates' chart near its top at a time of the run.
COLOUR_AT = f"""(at_s) => {{
  const u = {RUN}.chart("rates"), x = u.valToPos(at_s, "x", true), y = u.bbox.top + 3;
  return [...u.ctx.getImageData(Math.round(x), Math.round(y), 1, 1).data].join();
}}"""


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
        note("wall-clock", 0, utc="20261129T120000.000Z"),
        modes(0, 1),
        modes(120, 2, down=1),
        modes(500, 2),
        modes(700, 3, down=2),
        lives(lost=[7, 8, 9, 10, 11], items=ITEMS),
        killed(0, 1, 110, 480),
        killed(1, 2, 690, None),
        *(tree(n, 1400, items=[] if n < 3 else [3]) for n in (1, 2, 3)),
    )
    (folder.logs / "node-2.log").write_text(LOG)
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
    begin, end = opened.page.evaluate(f"{RUN}.range()")
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
    """The bands are red where a fault was in force, and names over the lanes hide none."""
    opened.page.get_by_role("button", name="Whole run").click()
    (inside, outside) = (opened.page.evaluate(COLOUR_AT, at_s) for at_s in (0.31, 0.62))
    assert inside != outside
    names = opened.page.evaluate(f"{RUN}.names()")
    assert next(name["text"] for name in names if name["row"] < 2) == "kill node 1"
    for row in range(3):
        spans = sorted((name["from"], name["to"]) for name in names if name["row"] == row)
        assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_the_charts_share_a_cursor(opened: Opened) -> None:
    """The mouse over one chart tells what all charts have at that time."""
    over = opened.page.locator("#figure .chart").nth(1).locator(".u-over")
    over.scroll_into_view_if_needed()
    over.hover(position={"x": 60, "y": 40})
    readout = opened.page.locator(".readout")
    readout.filter(has_text="leads").wait_for()
    for part in ("put per second", "waiting", "unknown calls so far"):
        assert part in readout.inner_text()


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


def test_a_kind_of_call_can_be_hidden(opened: Opened) -> None:
    """Unchecking an entry of the legend takes its calls out of the picture, and they come back."""
    put = opened.page.get_by_label("put", exact=True)
    before = picture(opened)
    put.uncheck()
    assert picture(opened) != before
    put.check()
    assert picture(opened) == before


def picture(opened: Opened) -> str:
    """Return the lanes as they are drawn, once the drawing is over."""
    opened.page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
    )
    canvas = "document.querySelector('#figure .chart canvas').toDataURL()"
    return str(opened.page.evaluate(canvas))


def test_a_click_on_a_call_tells_all_of_it(opened: Opened) -> None:
    """Its record, session and zxid, and what the servers logged within a second of it."""
    opened.page.get_by_role("button", name="Whole run").click()
    at = opened.page.evaluate(f"""() => {{
      const run = {RUN}, places = run.position(0), box = places.over.getBoundingClientRect();
      return {{ x: places.x, y: places.y, width: box.width }};
    }}""")
    over = opened.page.locator("#figure .chart").first.locator(".u-over")
    over.click(position={"x": at["x"], "y": at["y"]})
    told = opened.page.locator("#operation").inner_text()
    for part in ("put 1", "0x300000000000001, opened by node 3", "line ", "0.0100 s"):
        assert part in told
    assert "Got a proposal late" in told
    assert "Much later" not in told
    assert "srvr" not in told  # the harness's own look


def test_arrow_keys_go_from_call_to_call(opened: Opened) -> None:
    """Right goes to the next call of the client, down to the client below; the page says which."""
    figure = opened.page.locator("#figure")
    opened.page.evaluate(f"{RUN}.pick(0)")
    figure.focus()
    figure.press("ArrowRight")
    assert "put 2" in opened.page.locator("#operation").inner_text()
    figure.press("ArrowDown")
    assert "process 1" in opened.page.locator("#operation").inner_text()


def test_an_item_can_be_marked_in_the_timeline(opened: Opened) -> None:
    """All calls of the item are ringed, and the timeline shows the time in which they happened."""
    opened.page.get_by_label("Item", exact=True).fill("3")
    opened.page.get_by_role("button", name="Show its life").click()
    opened.page.get_by_role("button", name="Show it in the timeline").click()
    marked = opened.page.evaluate(
        f"{RUN}.marked().map((at) => JSON.parse(document.getElementById('data').textContent)"
        ".figure.calls.value[at])"
    )
    assert marked == [3, 3, 3]
    begin, end = shown_s(opened)
    assert begin <= 0.03
    assert end < 1


def test_a_line_of_the_story_leads_to_its_time(opened: Opened) -> None:
    """The time beside a line shows the timeline around it."""
    line = opened.page.locator(".story li", has_text="is acknowledged")
    assert "put of item 7" in line.inner_text()
    line.get_by_role("button").click()
    begin, end = shown_s(opened)
    assert begin <= 0.074 <= end


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
    opened.page.get_by_text("more example").first.click()
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


@pytest.mark.parametrize("name", [WIPED, STALE])
def test_the_story_of_a_finding(chromium: Browser, tmp_path: Path, name: str) -> None:
    """Above the timeline a reader finds in at most seven lines why the run failed."""
    opened = Opened(chromium, 1280)
    opened.page.goto(page.write(recorded_runs.judged(name, tmp_path)).as_uri())
    opened.page.wait_for_selector("html[data-ready=true]")
    lines = opened.page.locator(".story li span").all_inner_texts()
    assert lines == recorded_runs.story_of(name)
    story, timeline = (opened.page.locator(part).bounding_box() for part in ("#story", "#timeline"))
    assert story is not None
    assert timeline is not None
    assert story["y"] < timeline["y"]
    assert opened.complaints == []
    opened.page.close()


def test_a_valid_run_has_no_story(chromium: Browser, tmp_path: Path) -> None:
    """Where nothing went wrong, the page has no part that explains it, and no finding."""
    opened = Opened(chromium, 1280)
    opened.page.goto(page.write(recorded_runs.judged(TWIN, tmp_path)).as_uri())
    opened.page.wait_for_selector("html[data-ready=true]")
    assert opened.page.locator("#story, #findings").count() == 0
    assert opened.complaints == []
    opened.page.close()


def test_on_paper(chromium: Browser, report: Path, tmp_path: Path) -> None:
    """Printed, the page has its checks unfolded, and no buttons of the timeline."""
    opened = Opened(chromium, 1280)
    opened.page.goto(report.as_uri())
    opened.page.wait_for_selector("html[data-ready=true]")
    opened.page.emulate_media(media="print")
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert not opened.page.get_by_role("button", name="Zoom in").is_visible()
    assert opened.page.locator("details:not([open])").count() == 0
    assert opened.page.locator(".story").is_visible()
    opened.page.close()
