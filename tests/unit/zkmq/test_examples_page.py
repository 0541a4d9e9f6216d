"""docs/examples.md: its programs are those of scenarios/examples/, and do what they say."""

import importlib.util
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import HTTPError

import pytest

from worlds import pages
from worlds.wire.zookeeper import WireZooKeeper
from zkmq import Job

EXAMPLES = pages.DOCS.parent / "scenarios" / "examples"
SHOWN = {
    "webhooks.py": "examples.md",
    "images.py": "examples.md",
    "crawler.py": "asyncio.md",
    "shop.py": "celery.md",
}
ONCE = {"retry_s": 0, "idle_s": 0}


@pytest.fixture
def server() -> Iterator[WireZooKeeper]:
    """Give a server in memory."""
    with WireZooKeeper() as one:
        yield one


@pytest.mark.parametrize(("file", "page"), SHOWN.items())
def test_what_is_shown_is_the_program(file: str, page: str) -> None:
    """A page shows a program as it stands in its file, and the page of examples names it."""
    assert (EXAMPLES / file).read_text() in pages.blocks(page, "python")
    assert f"`{file}`" in (pages.DOCS / "examples.md").read_text()


def test_every_program_has_its_scenario_and_its_control() -> None:
    """Each runs under faults, and a variant with a mistake must be found; the page names it."""
    text = (pages.DOCS / "examples.md").read_text()
    for name in (file.removesuffix(".py") for file in SHOWN):
        assert "kill: {target: leader}" in (EXAMPLES / f"{name}.yaml").read_text()
        assert "expect: invalid" in (EXAMPLES / f"broken-{name}.yaml").read_text()
        assert f"`broken-{name}`" in text


def program(file: str) -> ModuleType:
    """Import a program from its file."""
    spec = importlib.util.spec_from_file_location(file.removesuffix(".py"), EXAMPLES / file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Receiver(BaseHTTPRequestHandler):
    """Takes web-hooks; answers the first one with 503."""

    got: list[tuple[str, Any]]

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.headers["Idempotency-Key"], json.loads(data)))
        self.send_response(503 if len(self.got) == 1 else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_web_hook_is_sent_until_it_is_taken(server: WireZooKeeper) -> None:
    """An event that the receiver refuses is sent again, with the same key, and then is gone."""
    webhooks = program("webhooks.py")
    handler = type("Handler", (Receiver,), {"got": []})

    def send(job: Job) -> None:
        try:
            webhooks.send(job)
        except HTTPError as error:
            error.close()  # now, and not in another test
            raise

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as receiver,
        webhooks.connect(server.address) as queue,
    ):
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        put = webhooks.notify(queue, f"http://127.0.0.1:{receiver.server_port}/", {"order": 7})
        worked = queue.work(send, **ONCE)
        receiver.shutdown()
    assert (worked.done, worked.retried) == (1, 1)
    assert handler.got == [(put.name, {"order": 7})] * 2


def test_edits_are_made_once_and_in_order(server: WireZooKeeper, tmp_path: Path) -> None:
    """Edits that do not commute are made in the order of their puts, by many handlers, and an edit
    that was made, whose worker died before it could acknowledge, is not made again.
    """
    images = program("images.py")
    rows = [[1, 2, 3], [4, 5, 6]]
    edits = ["turn", "mirror", "invert", "turn"]
    expected = rows
    for edit in edits:
        expected = images.EDITS[edit](expected)
    assert expected != images.EDITS["turn"](
        images.EDITS["turn"](images.invert(images.mirror(rows)))
    )
    with images.connect(server.address) as queue:
        for name in ("cat", "dog"):
            images.write(tmp_path / f"{name}.pgm", "", rows)
        for edit in edits:
            for name in ("cat", "dog"):
                images.edit(queue, name, edit)
        (first,) = queue.reserve(1, sync=True).items
        images.make(tmp_path, first)
        queue.release(first)
        worked = queue.work(partial(images.make, tmp_path), concurrency=4, **ONCE)
    assert (worked.done, worked.retried) == (8, 0)
    assert {name: images.read(tmp_path / f"{name}.pgm")[1] for name in ("cat", "dog")} == {
        "cat": expected, "dog": expected
    }  # fmt: skip
