"""The examples, each with a mistake that is often made. The scenarios `broken-*.yaml` find them."""

from contextlib import suppress
from typing import Any

import crawler
import under_test
import webhooks

from zkmq import Job, Queue
from zkmq.aio import AsyncItem
from zkmq.aio import Queue as AsyncQueue


class Webhooks(under_test.Webhooks):
    """A sender that takes an event for sent, whatever the receiver answered."""

    @staticmethod
    def send(job: Job) -> None:
        """Send, and ignore errors."""
        with suppress(OSError), under_test.responses_closed():
            webhooks.send(job)


class Images(under_test.Images):
    """A pipeline that forgets to say which image an edit is for."""

    @staticmethod
    def edit(queue: Queue, _image: str, name: str) -> Any:
        """Put without a group."""
        return queue.put(name.encode())


class Crawler(under_test.Crawler):
    """A crawler that takes a page for visited that it could not fetch."""

    @staticmethod
    async def visit(queue: AsyncQueue, site: str, page: AsyncItem) -> None:
        """Visit, and ignore errors."""
        with suppress(OSError), under_test.responses_closed():
            await crawler.visit(queue, site, page)
