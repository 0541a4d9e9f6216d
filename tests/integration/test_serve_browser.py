"""`harness serve` in a browser: from the table to a comparison and to a report."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser

from harness.report import page, serve
from worlds import browser
from worlds.browser import LOW_CONTRAST, UNNAMED, WIDTHS, Opened
from worlds.histories.judged_runs import judged, lives

STARTED_WITHIN_S = 10.0


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium."""
    with browser.started() as started:
        yield started


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve two runs on a free port of loopback."""
    runs = tmp_path_factory.mktemp("runs")
    for name, lost in (("seed/good/1-1", []), ("seed/bad/2-1", [2])):
        (runs / name).mkdir(parents=True)
        page.write(judged(runs / name, lives(lost=lost)))
    with _serving(runs) as listening:
        yield listening


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
    _is_sound(opened)
    at.get_by_role("link", name="seed/bad/2-1").first.click()
    at.wait_for_selector("html[data-ready=true]")
    assert "Item 2 was acknowledged" in at.locator("h1").inner_text()
    assert opened.complaints == []
    assert all(asked.startswith(address) for asked in opened.requests)
    at.close()


def _is_sound(opened: Opened) -> None:
    assert opened.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert opened.page.evaluate(LOW_CONTRAST) == []
    assert opened.page.evaluate(UNNAMED) == []
