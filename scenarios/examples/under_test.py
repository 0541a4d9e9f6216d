"""The examples of this folder as subjects of scenarios: their own put, and their own handler.

What an example does outside (an HTTP request, a file, a mail) hands the item to the client, which
then calls `done` or `release`; a release is a request that is answered with 503, or an error.
"""

import json
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import crawler
import images
import webhooks

from harness.clients.event_loop import EventLoop
from harness.clients.subject import Applied, Note, SubjectConfig, value_of
from harness.clients.worked_subject import LOOK_S, WorkedSubject
from harness.history.record import Value
from zkmq import ClosedError, Job, Queue
from zkmq.aio import AsyncItem
from zkmq.tree.item_view import ItemView
from zkmq.tree.raw_copy import decode

SITE = "http://site.example/"
END_WITHIN_S = 10.0
PLACES = ("items", "claims", "partial", "dead", "delayed", "purged")
ONE_AT_A_TIME = {"concurrency": 1, "prefetch": 0, "retry_s": 0.0, "stop_on": ()}


class Web:
    """All that the URLs of one process lead to: a proxy on loopback, which answers 200 or 503."""

    def __init__(self, answer: Callable[[str, Any, bytes], bool]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(200 if answer(self.path, self.headers, data) else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_GET  # noqa: N815 - the same

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        proxy = {"http": f"http://127.0.0.1:{self._server.server_port}"}
        opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxy))
        urllib.request.install_opener(opener)

    def close(self) -> None:
        """Stop, and close the port."""
        urllib.request.install_opener(None)  # the next call makes Python's own
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def responses_closed() -> Iterator[None]:
    """Close the connection of an error answer now, and not when Python finds it unused."""
    try:
        yield
    except HTTPError as error:
        error.close()
        raise


def places_of(
    nodes: Mapping[str, bytes], root: str, value: Callable[[bytes], Value]
) -> dict[str, list[Value]]:
    """Sort a raw copy of a queue's tree into places; `value` reads it from an example's data."""
    found = decode(nodes, root)
    return {place: [value(data) for _, data in getattr(found, place)] for place in PLACES}


class ZkmqExample(WorkedSubject):
    """An example that works with `queue.work`, on a thread."""

    def __init__(self, config: SubjectConfig, note: Note) -> None:
        super().__init__(config, config.path)
        try:
            self._queue = self.connect(
                config.hosts,
                config.path,
                order=config.order,
                deadline_s=config.deadline_s,
                connection={"session_timeout_s": config.session_timeout_s},
            )
        except BaseException:
            self._operator.close()
            raise
        self._thread: threading.Thread | None = None

    def connect(self, hosts: str, path: str, **settings: Any) -> Queue:
        """Open the queue as the example does."""
        raise NotImplementedError

    def handle(self, job: Job) -> None:
        """Do what the example does with one item."""
        raise NotImplementedError

    @property
    def session(self) -> str | None:
        """The session of the example's queue."""
        id = self._queue.session_id
        return None if id is None else f"0x{id:x}"

    def start(self) -> None:
        """Start the example's worker."""

        def work() -> None:
            with suppress(ClosedError):  # which is how a client ends it
                self._queue.work(self.handle, **ONE_AT_A_TIME)

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Give back what the worker has, and end the session."""
        self.let_go()
        self._queue.close()
        until_s = time.monotonic() + END_WITHIN_S
        while self._thread and self._thread.is_alive() and time.monotonic() < until_s:
            self.let_go()
            self._thread.join(LOOK_S)


class Webhooks(ZkmqExample):
    """The web-hook sender: each delivery is a request that a receiver got."""

    def __init__(self, config: SubjectConfig, note: Note) -> None:
        super().__init__(config, note)
        self._jobs: dict[str, Job] = {}
        self._web = Web(self._received)

    @staticmethod
    def places(nodes: Mapping[str, bytes], root: str) -> dict[str, list[Value]]:
        """Sort a raw copy of the tree: an event that nobody took ten times is a dead letter."""
        return places_of(nodes, root, lambda event: json.loads(event)["value"])

    connect = staticmethod(webhooks.connect)
    send = staticmethod(webhooks.send)

    def put(self, value: Value, priority: int) -> Applied:
        """Notify of an event."""
        webhooks.notify(self._queue, "http://receiver.example/hook", {"value": value})
        return Applied()

    def handle(self, job: Job) -> None:
        """Send an event."""
        self._jobs = {job.id: job}
        with responses_closed():
            self.send(job)

    def end(self) -> None:
        """End the receiver too."""
        try:
            super().end()
        finally:
            self._web.close()

    def _received(self, _url: str, headers: Any, data: bytes) -> bool:
        return self.work_on(json.loads(data)["value"], self._jobs[headers["Idempotency-Key"]])


class Images(ZkmqExample):
    """The image pipeline: each delivery is an edit, and the group is the image."""

    def __init__(self, config: SubjectConfig, note: Note) -> None:
        super().__init__(config, note)
        self._folder = tempfile.TemporaryDirectory()

    connect = staticmethod(images.connect)
    edit = staticmethod(images.edit)

    def put(self, value: Value, priority: int) -> Applied:
        """Ask for an edit of the one image that there is without groups."""
        return self.put_in_group(value, priority, "image")

    def put_in_group(self, value: Value, priority: int, group: str) -> Applied:
        """Ask for an edit of an image."""
        self.edit(self._queue, group, f"{value}")
        return Applied()

    def handle(self, job: Job) -> None:
        """Make an edit."""
        value = value_of(job.data)
        images.EDITS[str(value)] = partial(self._edited, value, job)
        file = Path(self._folder.name) / f"{job.group}.pgm"
        if not file.exists():
            images.write(file, "", [[0]])
        try:
            images.make(Path(self._folder.name), job)
        finally:
            del images.EDITS[str(value)]

    def end(self) -> None:
        """Remove the images too."""
        try:
            super().end()
        finally:
            self._folder.cleanup()

    def _edited(self, value: Value, job: Job, rows: images.Rows) -> images.Rows:
        if not self.work_on(value, job):
            raise OSError("the client gives the edit back")
        return rows


class Crawler(WorkedSubject):
    """The crawler: each delivery is a page that is fetched."""

    def __init__(self, config: SubjectConfig, note: Note) -> None:
        super().__init__(config, config.path)
        self._within_s = config.deadline_s + END_WITHIN_S
        self._pages: dict[str, AsyncItem] = {}
        self._web = Web(self._fetched)
        self._loop = EventLoop()
        connecting = crawler.connect(
            config.hosts,
            config.path,
            order=config.order,
            deadline_s=config.deadline_s,
            connection={"session_timeout_s": config.session_timeout_s},
        )
        try:
            self._queue = self._loop.wait(connecting, self._within_s)
        except BaseException:
            self._close_loop()
            self._operator.close()
            raise

    visit = staticmethod(crawler.visit)

    @staticmethod
    def places(nodes: Mapping[str, bytes], root: str) -> dict[str, list[Value]]:
        """Sort a raw copy of the tree: a page that was given back three times is a dead letter."""
        return places_of(nodes, root, lambda link: value_of(link.removeprefix(SITE.encode())))

    @property
    def session(self) -> str | None:
        """The session of the crawler's queue."""
        id = self._queue.session_id
        return None if id is None else f"0x{id:x}"

    def put(self, value: Value, priority: int) -> Applied:
        """Find a link."""
        link = f"{SITE}{value}"
        putting = self._queue.put(link.encode(), dedup_id=link)
        self._loop.wait(putting, self._within_s)
        return Applied()

    def start(self) -> None:
        """Crawl."""

        async def visit(page: AsyncItem) -> None:
            self._pages[page.data.decode()] = page
            with responses_closed():
                await self.visit(self._queue, SITE, page)

        self._loop.begin(self._queue.work(visit, **ONE_AT_A_TIME))

    def end(self) -> None:
        """End the crawl, the session and the site."""
        try:
            self.let_go()
            closing = self._loop.begin(self._queue.close())
            until_s = time.monotonic() + END_WITHIN_S
            while not closing.done() and time.monotonic() < until_s:
                self.let_go()
                time.sleep(LOOK_S)
        finally:
            self._close_loop()

    def _fetched(self, url: str, _headers: Any, _data: bytes) -> bool:
        item: ItemView = self._pages[url]
        return self.work_on(value_of(url.removeprefix(SITE).encode()), item)

    def _close_loop(self) -> None:
        self._web.close()
        self._loop.close()
