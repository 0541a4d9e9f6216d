"""The site of all runs."""

import asyncio
import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.campaign import outcome_file
from harness.campaign.outcome_file import Ended
from harness.report import page, serve
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
    with outcome_file.opened(runs, "nightly", command="run", work=[], tasks=2) as file:
        lost = {"verdict": "invalid", "cause": "lost", "run": BAD}
        file.ended(Ended(task="1", name="seed/b", at="20260102T000000.000Z", **lost))
    (runs / "latest").symlink_to(BAD)
    (runs.parent / "secret").write_text("secret")
    return runs


class Site:
    """A client of the site, without a socket."""

    def __init__(self, runs: Path, host: str = "127.0.0.1") -> None:
        self._application, self._host = serve.application(runs), host

    def get(self, path: str, *, method: str = "get", **settings: Any) -> httpx.Response:
        """Ask for one page."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._application)
            base = f"http://{self._host}"
            async with httpx.AsyncClient(transport=transport, base_url=base) as client:
                return await client.request(method, path, **settings)

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


def test_a_campaign_leads_to_its_runs(site: Site) -> None:
    """The list names it, its page has the cause and the first red run; another name is 404."""
    assert 'href="/campaigns/nightly"' in site.get("/campaigns").text
    text = site.get("/campaigns/nightly").text
    assert "1 of 2 done" in text
    assert f'href="/runs/{BAD}/report.html"' in text
    for name in ("none", "%2e%2e%2fseed"):
        assert site.get(f"/campaigns/{name}").status_code == 404


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


def digests(text: str) -> set[str]:
    """Return the digests of the scripts in a page, as its policy names them."""
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert text.count("<script") == len(scripts) + text.count('<script type="application/json"')
    raw = (hashlib.sha256(script.encode()).digest() for script in scripts)
    return {f"'sha256-{base64.b64encode(digest).decode()}'" for digest in raw}


@pytest.mark.parametrize(
    ("path", "scripts"),
    [
        ("/", 1),
        ("/scenarios", 1),
        ("/causes", 1),
        ("/campaigns", 1),
        ("/campaigns/nightly", 1),
        (f"/compare?run={GOOD}&run={BAD}", 3),
    ],
)
def test_no_script_but_our_own_may_run(site: Site, path: str, scripts: int) -> None:
    """The policy names each script of the page by its digest, and allows none besides."""
    answer = site.get(path)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    (allowed,) = re.findall(r"script-src ([^;]*)", policy)
    assert set(allowed.split()) == digests(answer.text)
    assert len(digests(answer.text)) == scripts


def test_a_complaint_runs_no_script(site: Site) -> None:
    """A page that answers a bad request may run nothing at all."""
    answer = site.get("/compare")
    assert "<script" not in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "key", ["verdict", "scenario", "reason", "release", "words", "sort", "page"]
)
def test_what_a_url_says_is_text(site: Site, key: str) -> None:
    """No filter can break out of the page."""
    answer = site.get("/", params={key: '"><script>alert(1)</script>'})
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize("path", ["/", "/scenarios", "/causes", "/campaigns"])
def test_an_empty_folder(tmp_path: Path, path: str) -> None:
    """Without runs there is a page that says so."""
    text = Site(tmp_path).get(path).text
    assert "harness run" in text or "none was judged" in text


def test_only_reading(site: Site) -> None:
    """No page can be asked to change anything."""
    for method in ("post", "put", "delete"):
        assert site.get("/", method=method).status_code == 405
