"""A crawler: `python crawler.py localhost:2181 http://localhost:8000/` visits a site.

Each page is an item. A page that cannot be fetched comes back later, and is a dead letter after
three deliveries. New links are put before the page is acknowledged, so a crash loses none;
`dedup_id` lets each link in once an hour.
"""

import asyncio
import re
import sys
import urllib.parse
import urllib.request
from functools import partial
from typing import Any

from zkmq.aio import AsyncItem, Queue


async def connect(hosts: str, path: str = "/crawler", **settings: Any) -> Queue:
    return await Queue.connect(hosts, path, max_deliveries=3, **settings)


def fetch(url: str) -> str:
    """Fetch a page; this blocks, so it runs on a thread."""
    with urllib.request.urlopen(url, timeout=10) as response:
        return str(response.read().decode(errors="replace"))


async def visit(queue: Queue, site: str, page: AsyncItem) -> None:
    url = page.data.decode()
    text = await asyncio.to_thread(fetch, url)
    links = [urllib.parse.urljoin(url, link) for link in re.findall('href="(.*?)"', text)]
    near = [link for link in links if link.startswith(site)]
    await asyncio.gather(*(queue.put(link.encode(), dedup_id=link) for link in near))
    print(url, len(near))


async def crawl(hosts: str, site: str) -> None:
    async with await connect(hosts) as queue:
        await queue.put(site.encode(), dedup_id=site)
        print(await queue.work(partial(visit, queue, site), concurrency=20, retry_s=0.2, idle_s=2))


if __name__ == "__main__":
    asyncio.run(crawl(sys.argv[1], sys.argv[2]))
