"""The calls of section 11, as an HTTP client makes them."""

import base64
import json
from collections.abc import Sequence
from typing import Any

from integration.rest.exchange import Answer, Rest

JSON = "application/json"


class HttpQueue:
    """The calls of section 11, one method each."""

    def __init__(self, rest: Rest, hosts: str, name: str = "q") -> None:
        self.rest, self.hosts = rest, hosts
        self.path = f"/{name}"
        self.base = f"/queues/v1/{name}"

    def post(self, below: str, value: Any, **headers: str) -> Answer:
        """POST JSON."""
        return self.rest.post(
            f"{self.base}/{below}", json.dumps(value).encode(), Content_Type=JSON, **headers
        )

    def put(self, *payloads: bytes, priority: int = 100) -> Answer:
        """Put payloads together."""
        items = [{"data64": b64(data), "priority": priority} for data in payloads]
        return self.post("items", items)

    def consumer(self, session_s: float = 60) -> str:
        """Open a consumer."""
        answer = self.post("consumers", {"session_s": session_s})
        assert answer.status == 201, answer
        return str(answer.json()["consumer"])

    def reserve(self, consumer: str, n: int = 1, **more: Any) -> list[dict[str, Any]]:
        """Reserve; empty for 204."""
        answer = self.post(f"consumers/{consumer}/reserve", {"n": n, "sync": True, **more})
        assert answer.status in (200, 204), answer
        return answer.json() if answer.status == 200 else []

    def take(self, consumer: str, n: int = 1, **more: Any) -> list[bytes]:
        """Reserve and tell the payloads."""
        return [base64.b64decode(item["data64"]) for item in self.reserve(consumer, n, **more)]

    def end(self, consumer: str, verb: str, items: Sequence[dict[str, Any]], **more: Any) -> Answer:
        """Do done, release, touch or bury."""
        return self.post(
            f"consumers/{consumer}/{verb}", {"ids": [item["name"] for item in items], **more}
        )

    def stats(self) -> Any:
        """Counts."""
        return self.rest.get(f"{self.base}/stats").json()


def b64(data: bytes) -> str:
    """Base64."""
    return base64.b64encode(data).decode()
