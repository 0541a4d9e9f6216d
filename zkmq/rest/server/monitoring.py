"""Prometheus metrics and the access log of the gateway (rest.md 9)."""

import json
import logging
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import unquote

from zkmq.rest.resources.rest_call import RestCall

access_log = logging.getLogger("zkmq.rest.access")

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_KNOWN_METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"})
_SECRET_SEGMENT = re.compile("(/sessions/v1/|/consumers/)[^/?]+")


class Metrics:
    """The counts and latencies of the requests that this process answered."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets: Counter[tuple[str, int]] = Counter()
        self._seconds: Counter[str] = Counter()

    def record(self, method: str, route: str, status: int, elapsed_s: float) -> None:
        """Count one answer; `route` is a resource's name, never a path."""
        method = method if method in _KNOWN_METHODS else "other"
        self._requests[method, route, status] += 1
        self._buckets[route, bisect_left(_BUCKETS_S, elapsed_s)] += 1
        self._seconds[route] += elapsed_s  # type: ignore[assignment]  # a Counter of floats

    def exposition(self, gauges: Iterable[tuple[str, str, str, Mapping[str, float]]]) -> str:
        """Return the text that Prometheus scrapes.

        `gauges` are (name, type, help, value by endpoint).
        """
        lines = [*self._request_lines(), *self._latency_lines()]
        for name, kind, text, values in gauges:
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
            lines += [f'{name}{{endpoint="{where}"}} {value:g}' for where, value in values.items()]
        return "\n".join(lines) + "\n"

    def _request_lines(self) -> Iterator[str]:
        name = "zkmq_rest_requests_total"
        yield f"# HELP {name} Requests answered."
        yield f"# TYPE {name} counter"
        for (method, route, status), count in sorted(self._requests.items()):
            yield f'{name}{{method="{method}",route="{route}",status="{status}"}} {count}'

    def _latency_lines(self) -> Iterator[str]:
        name = "zkmq_rest_request_seconds"
        yield f"# HELP {name} Time from the request's first line to the answer's last byte."
        yield f"# TYPE {name} histogram"
        for route, seconds in sorted(self._seconds.items()):
            count = 0
            for bucket, bound in enumerate([*_BUCKETS_S, None]):
                count += self._buckets[route, bucket]
                le = "+Inf" if bound is None else f"{bound:g}"
                yield f'{name}_bucket{{route="{route}",le="{le}"}} {count}'
            yield f'{name}_sum{{route="{route}"}} {seconds:.6f}'
            yield f'{name}_count{{route="{route}"}} {count}'


def log_access(call: RestCall, request_id: str, route: str, status: int, elapsed_s: float) -> None:
    """Log one request as a line of JSON, without session ids, consumers or credentials."""
    if not access_log.isEnabledFor(logging.INFO):
        return
    client = call.scope.get("client")
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "id": request_id,
        "client": client[0] if client else None,
        "method": call.method,
        "path": redact(call.path, call.scope["query_string"].decode("latin-1")),
        "route": route,
        "status": status,
        "ms": round(elapsed_s * 1000, 3),
    }
    access_log.info(json.dumps(line))


def redact(path: str, query: str) -> str:
    """Return a request target without the ids with which a reader could act for the client."""
    path = _SECRET_SEGMENT.sub(r"\1-", path)
    query = "&".join(map(_redacted, query.split("&")))
    return f"{path}?{query}" if query else path


def _redacted(parameter: str) -> str:
    name, _, _ = parameter.partition("=")
    return f"{name}=-" if unquote(name) == "session" else parameter
