"""A web-hook sender: `python webhooks.py localhost:2181` sends what `notify` puts.

The event is posted until the receiver answers with 2xx. A receiver may get an event twice, and
knows it by the Idempotency-Key. After ten deliveries it is a dead letter, which `zkmq redrive` or
`zkmq kick` bring back.
"""

import json
import sys
import urllib.request
from typing import Any

from zkmq import Job, Put, Queue


def connect(hosts: str, path: str = "/webhooks", **settings: Any) -> Queue:
    return Queue.connect(hosts, path, max_deliveries=10, **settings)


def notify(queue: Queue, url: str, event: Any) -> Put:
    """Let an event be sent. When this returns, a majority of the servers has it on disk."""
    data = json.dumps(event).encode()
    return queue.put(data, headers={"url": url}, content_type="application/json")


def send(job: Job) -> None:
    """Post an event. Any answer but 2xx raises, so that it is sent again later."""
    headers = {"Content-Type": str(job.content_type), "Idempotency-Key": job.id}
    request = urllib.request.Request(job.headers["url"], job.data, headers)
    with urllib.request.urlopen(request, timeout=10):
        pass


def main(hosts: str) -> None:
    with connect(hosts) as queue:
        print(queue.work(send, concurrency=8, retry_s=1))


if __name__ == "__main__":
    main(sys.argv[1])
