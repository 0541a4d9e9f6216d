"""`harness serve` in a browser: from the table to a comparison and to a report."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser

from harness.campaign import outcome_file
from harness.campaign.outcome_file import Ended
from harness.report import page, serve
from worlds import browser
from worlds.browser import LOW_CONTRAST, UNNAMED, WIDTHS, Opened
from worlds.histories.judged_runs import judged, lives

STARTED_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium."""
    with browser.started() as started:
        yield started


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two runs."""
    runs = tmp_path_factory.mktemp("runs")
    for name, lost in (("seed/good/1-1", []), ("seed/bad/2-1", [2])):
        add(runs, name, lost)
    with outcome_file.opened(runs, "nightly", command="run", work=[], tasks=9) as file:
        lost_it = {"verdict": "invalid", "cause": "lost", "run": "seed/bad/2-1", "worker": "0"}
        file.ended(Ended(task="2", name="seed/bad", at="20260101T000000.000Z", **lost_it))
        file.ended(Ended(task="1", name="seed/good", verdict="valid", at="20260101T000900.000Z"))
        file.began("3", "1 at tls://127.0.0.1:40000", 2)
    return runs


@pytest.fixture(scope="module")
def address(runs: Path) -> Iterator[str]:
    """Serve two runs on a free port of loopback."""
    with _serving(runs) as listening:
        yield listening


def add(runs: Path, name: str, lost: Sequence[int]) -> None:
    """Make a run with its report."""
    (runs / name).mkdir(parents=True)
    page.write(judged(runs / name, lives(lost=lost)))


class _serving:  # noqa: N801 -- reads as a verb
    """A server in a thread for as long as the context lasts."""

    def __init__(self, runs: Path) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(serve.application(runs), log_level="error", ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))

    def __enter__(self) -> str:
        self._thread.start()
        deadline_s = time.monotonic() + STARTED_WITHIN_S
        while not self._server.started:
            assert time.monotonic() < deadline_s, "the server did not start"
            time.sleep(0.01)
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_from_the_table_to_a_comparison_and_a_report(
    chromium: Browser, address: str, width: int
) -> None:
    """Two runs are ticked and compared, and one is opened, without a complaint on the way."""
    opened = Opened(chromium, width)
    at = opened.page
    at.goto(f"{address}/")
    _is_sound(opened)
    for name in ("seed/good/1-1", "seed/bad/2-1"):
        at.get_by_label(f"compare {name}").check()
    at.get_by_role("button", name="Compare").press("Enter")
    at.get_by_role("heading", name="Two runs side by side").wait_for()
    at.wait_for_selector("html[data-ready=true]")
    _is_sound(opened)
    assert at.locator("#figure-0 canvas, #figure-1 canvas").count() == 8
    at.evaluate("document.getElementById('figure-0').run.show(0.01, 0.05)")
    assert at.evaluate("document.getElementById('figure-1').run.range()") == [0.01, 0.05]
    at.get_by_role("link", name="seed/bad/2-1").first.click()
    at.wait_for_selector("html[data-ready=true]")
    assert "Item 2 was acknowledged" in at.locator("h1").inner_text()
    assert opened.complaints == []
    assert all(asked.startswith(address) for asked in opened.requests)
    at.close()


@pytest.mark.parametrize("path", ["scenarios", "causes", "campaigns", "campaigns/nightly"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_other_pages(chromium: Browser, address: str, width: int, path: str) -> None:
    """They fit the screen, can be read, and run no script that the policy forbids."""
    opened = Opened(chromium, width)
    opened.page.goto(f"{address}/{path}")
    _is_sound(opened)
    assert opened.complaints == []
    opened.page.close()


def test_a_heading_sorts_and_a_filter_filters(chromium: Browser, address: str) -> None:
    """With the keyboard alone; the address says what is shown, so it can be sent to others."""
    opened = Opened(chromium, 1280)
    at = opened.page
    at.goto(f"{address}/")
    at.get_by_role("link", name="lost", exact=True).press("Enter")
    at.wait_for_url("**/?sort=-lost")
    assert at.locator("th[aria-sort=descending]").inner_text().startswith("lost")
    at.get_by_label("Reason").select_option("lost")
    at.get_by_role("button", name="Show", exact=True).press("Enter")
    at.wait_for_url("**reason=lost**")
    assert at.get_by_role("row").filter(has_text="seed/bad").count() == 1
    assert at.get_by_role("row").filter(has_text="seed/good").count() == 0
    at.close()


def test_the_table_is_live(chromium: Browser, tmp_path: Path) -> None:
    """A run that is made meanwhile appears by itself, and what is ticked stays ticked."""
    add(tmp_path, "seed/good/1-1", [])
    with _serving(tmp_path) as address:
        opened = Opened(chromium, 1280)
        at = opened.page
        at.goto(f"{address}/")
        at.get_by_label("compare seed/good/1-1").check()
        add(tmp_path, "seed/bad/3-1", [2])
        at.get_by_label("compare seed/bad/3-1").wait_for()
        assert at.get_by_label("compare seed/good/1-1").is_checked()
        assert not at.get_by_label("compare seed/bad/3-1").is_checked()
        assert opened.complaints == []
    at.get_by_text("does not answer").wait_for()
    at.close()


def _is_sound(opened: Opened) -> None:
    assert opened.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert opened.page.evaluate(LOW_CONTRAST) == []
    assert opened.page.evaluate(UNNAMED) == []
