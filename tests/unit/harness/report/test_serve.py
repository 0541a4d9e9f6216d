"""The site of all runs."""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.report import index, page, serve
from worlds.histories.judged_runs import judged, lives

GOOD, BAD, OPEN = "seed/a/20260101T000000.000Z-7", "seed/b/20260102T000000.000Z-7", "c/20260103-1"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a valid run, an invalid one with a report, and one not judged."""
    runs = tmp_path_factory.mktemp("runs")
    for name, lost in ((GOOD, []), (BAD, [2])):
        (runs / name).mkdir(parents=True)
        folder = judged(runs / name, lives(lost=lost), came_to_its_end=True)
        folder.scenario.write_text(f"description: {name}\nseed: 7\n")
    page.write(folder)
    (folder.logs / "node-1.log").write_text("<b>log</b>")
    (runs / OPEN).mkdir(parents=True)
    (runs / OPEN / "scenario.yaml").write_text("description: x\n")
    (runs / "latest").symlink_to(BAD)
    (runs.parent / "secret").write_text("secret")
    return runs


class Site:
    """A client of the site, without a socket."""

    def __init__(self, runs: Path, host: str = "127.0.0.1") -> None:
        self._application, self._host = serve.application(runs), host

    def get(self, path: str, **settings: Any) -> httpx.Response:
        """Ask for one page."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._application)
            base = f"http://{self._host}"
            async with httpx.AsyncClient(transport=transport, base_url=base) as client:
                return await client.get(path, **settings)

        return asyncio.run(ask())


@pytest.fixture
def site(runs: Path) -> Site:
    """Return a client that uses the name that browsers use."""
    return Site(runs)


def names(text: str) -> list[str]:
    """Return the runs of the table, in order."""
    return re.findall(r'name="run" value="(.*?)"', text)


def test_all_runs_newest_first(site: Site) -> None:
    """Each run is there once, the one that `latest` points to as well."""
    assert names(site.get("/").text) == [OPEN, BAD, GOOD]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("verdict=invalid", [BAD]),
        ("verdict=valid", [GOOD]),
        ("verdict=unknown", []),
        ("verdict=not+judged", [OPEN]),
        ("words=SEED", [BAD, GOOD]),
        ("words=seed&verdict=valid", [GOOD]),
    ],
)
def test_filter(site: Site, query: str, shown: list[str]) -> None:
    """By verdict, by words of the name, and by both."""
    assert names(site.get(f"/?{query}").text) == shown


def test_a_run_leads_to_its_report(site: Site) -> None:
    """The link is there where a report is, and leads to it; the logs are plain text."""
    text = site.get("/").text
    assert f'href="/runs/{BAD}/report.html"' in text
    assert f'href="/runs/{GOOD}/report.html"' not in text
    assert "Item 2 was acknowledged" in site.get(f"/runs/{BAD}/report.html").text
    log = site.get(f"/runs/{BAD}/logs/node-1.log")
    assert log.headers["content-type"].startswith("text/plain")


def test_compare(site: Site) -> None:
    """What differs between two runs is marked, what is the same is not."""
    text = site.get("/compare", params={"run": [GOOD, BAD]}).text
    differing = re.findall(r'<tr class="differs"><th scope="row">(.*?) \(differs\)', text)
    assert {"verdict", "lost", "total-queue", "delivered"} <= set(differing)
    assert not {"seed", "attempted"} & set(differing)
    assert f"-description: {GOOD}\n+description: {BAD}" in text


@pytest.mark.parametrize(
    ("chosen", "why"),
    [([], "got 0"), ([GOOD], "got 1"), ([GOOD, OPEN], "judged"), ([GOOD, "../secret"], "judged")],
)
def test_what_cannot_be_compared(site: Site, chosen: list[str], why: str) -> None:
    """Anything but two judged runs of this folder is refused, with the reason."""
    answer = site.get("/compare", params={"run": chosen})
    assert answer.status_code == 400
    assert why in answer.text


@pytest.mark.parametrize("path", ["/runs/../secret", "/runs/%2e%2e/secret", "/runs/..%2fsecret"])
def test_nothing_outside_is_served(site: Site, path: str) -> None:
    """No path leads out of the folder of runs."""
    assert site.get(path).status_code == 404


def test_only_loopback_names_are_answered(runs: Path) -> None:
    """A page elsewhere whose name was made to mean loopback gets nothing."""
    assert Site(runs, "evil.example").get("/").status_code == 400


def test_scripts_have_no_place(site: Site) -> None:
    """The table and the comparison run no script, and may not."""
    answer = site.get("/")
    assert "<script" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_an_empty_folder(tmp_path: Path) -> None:
    """Without runs the page says how to make one."""
    assert "harness run" in index.table(index.find(tmp_path))
