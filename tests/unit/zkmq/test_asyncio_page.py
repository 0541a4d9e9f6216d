"""docs/asyncio.md: its examples are run with real threads, on a server in memory."""

import functools
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from worlds import pages
from worlds.wire.zookeeper import WireZooKeeper

pytestmark = pytest.mark.medium

PAGE = pages.DOCS / "asyncio.md"
SITE = {
    "index.html": '<a href="a.html">a</a> <a href="b.html">b</a> <a href="http://other/">x</a>',
    "a.html": '<a href="b.html">b</a> <a href="index.html">home</a> <a href="gone.html">gone</a>',
    "b.html": "no link",
}


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, *_: object) -> None:
        pass


def test_the_examples_say_what_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every `>>>` of the page, one after the other."""
    test = pages.session(PAGE)
    assert len(test.examples) > 8
    with pages.all_in_memory(monkeypatch):
        failed, tried = pages.typed_in(test)
    assert (failed, tried) == (0, len(test.examples))


def test_the_crawler_visits_every_page_once(tmp_path: Path) -> None:
    """The page's crawler visits a small site, and puts aside the page that is not there."""
    site = tmp_path / "site"
    site.mkdir()
    for name, text in SITE.items():
        (site / name).write_text(text)
    handler = functools.partial(QuietHandler, directory=str(site))
    with (
        WireZooKeeper() as server,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web,
    ):
        threading.Thread(target=web.serve_forever, daemon=True).start()
        (text,) = pages.blocks("asyncio.md", "python")
        (tmp_path / "crawler.py").write_text(text.replace("retry_s=0.2", "retry_s=0"))
        start = f"http://127.0.0.1:{web.server_address[1]}/"
        done = subprocess.run(
            [sys.executable, "crawler.py", server.address, start],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        web.shutdown()
    assert done.returncode == 0, done.stderr
    *visited, worked = done.stdout.splitlines()
    pairs = sorted((line.split()[0].removeprefix(start), int(line.split()[1])) for line in visited)
    assert pairs == [("", 2), ("a.html", 3), ("b.html", 0), ("index.html", 2)]
    assert worked == (
        "Worked(done=4, retried=2, dead=1, lost=0, unknown=0, given_back=0, still_held=0)"
    )
