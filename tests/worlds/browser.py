"""The system's Chromium, for tests of pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDTHS = {1280: 900, 390: 844}


def need_chromium() -> None:
    """Skip with the reason where there is none."""
    if not CHROMIUM.is_file():
        pytest.skip(f"{CHROMIUM}: expected the Debian package chromium, got none")


@contextmanager
def started() -> Iterator[Browser]:
    """Start a browser, and end it."""
    need_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield browser
        browser.close()


class Opened:
    """A page, what its console complained of, and what it asked of which address."""

    def __init__(self, browser: Browser, width: int) -> None:
        self.page: Page = browser.new_page(viewport={"width": width, "height": WIDTHS[width]})
        self.page.set_default_timeout(60_000)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._asked)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            self.requests.append(request.url)


# Returns the texts whose contrast with what is behind them is under the 4.5 of WCAG AA (3 for
# large ones). A colour behind is the nearest ancestor's that is opaque.
LOW_CONTRAST = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const part = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const element of document.querySelectorAll("body *:not(svg *):not(script):not(style)")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const style = getComputedStyle(element);
    if (!own || !element.checkVisibility() || element.disabled) continue;
    const [a, b] = [light(rgb(style.color)), light(behind(element))].sort((x, y) => y - x);
    const needed = parseFloat(style.fontSize) >= 24 ? 3 : 4.5;
    if ((a + 0.05) / (b + 0.05) < needed) low.push(element.textContent.trim().slice(0, 40));
  }
  return low;
}"""
# Returns what a screen reader cannot name, and headings that skip a level.
UNNAMED = """() => {
  const bad = [];
  for (const control of document.querySelectorAll("button, input:not([type=hidden]), select, a")) {
    const name = control.getAttribute("aria-label") || control.textContent.trim()
      || [...(control.labels ?? [])].map((l) => l.textContent.trim()).join("");
    if (!name) bad.push(control.outerHTML.slice(0, 60));
  }
  let level = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
    const now = Number(heading.tagName[1]);
    if (now > level + 1) bad.push(`${heading.tagName} after H${level}: ${heading.textContent}`);
    level = now;
  }
  if (document.querySelectorAll("h1").length !== 1) bad.push("not exactly one h1");
  if (!document.documentElement.lang) bad.push("no language");
  return bad;
}"""
