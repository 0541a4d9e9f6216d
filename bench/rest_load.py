"""A load generator for the gateway: connections that each send one request after the other.

Bare sockets and no HTTP library, so that it does not become what is measured. Prints one line of
JSON: requests per second, the 50th and 99th percentile in ms, and its own CPU use.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field


@dataclass
class Load(asyncio.Protocol):
    """One connection that sends a request, waits for the answer, and sends the next."""

    request: bytes
    stop_s: float
    done: "asyncio.Future[None]"
    latencies_s: list[float] = field(default_factory=list)
    received: bytes = b""
    sent_s: float = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the measurement if the gateway hung up."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the gateway hung up"))

    def send(self) -> None:
        """Send the next request, or end."""
        self.sent_s = time.perf_counter()
        if self.sent_s < self.stop_s:
            self.transport.write(self.request)
        else:
            self.done.set_result(None)
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Wait for the end of an answer; anything but success ends the measurement."""
        self.received += data
        head, blank, body = self.received.partition(b"\r\n\r\n")
        if not blank or len(body) < _length(head):
            return
        if head[9:10] != b"2":
            self.done.set_exception(RuntimeError(f"not a success: {self.received[:300]!r}"))
            self.transport.close()
            return
        self.latencies_s.append(time.perf_counter() - self.sent_s)
        self.received = b""
        self.send()


async def run(port: int, request: bytes, connections: int, seconds: float) -> dict[str, float]:
    """Send for some seconds; return what the module's docstring says."""
    loop = asyncio.get_running_loop()
    began_s, cpu_s = time.perf_counter(), time.process_time()
    loads = [Load(request, began_s + seconds, loop.create_future()) for _ in range(connections)]
    for load in loads:
        await loop.create_connection(lambda load=load: load, "127.0.0.1", port)
    await asyncio.gather(*(load.done for load in loads))
    elapsed_s = time.perf_counter() - began_s
    latencies_s = sorted(each for load in loads for each in load.latencies_s)
    return {
        "rate": len(latencies_s) / elapsed_s,
        "p50_ms": 1000 * latencies_s[len(latencies_s) // 2],
        "p99_ms": 1000 * latencies_s[len(latencies_s) * 99 // 100],
        "load_cpu": (time.process_time() - cpu_s) / elapsed_s,
    }


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.find(b"\r\ncontent-length:")
    if at < 0:
        return 0
    end = lower.find(b"\r\n", at + 2)
    return int(lower[at + 17 : end if end > 0 else None])


if __name__ == "__main__":
    port_, connections_, seconds_ = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    result = asyncio.run(run(port_, sys.stdin.buffer.read(), connections_, seconds_))
    print(json.dumps(result))
