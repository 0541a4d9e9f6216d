"""Metrics and the access log."""

import pytest

from zkmq.rest.server.monitoring import Metrics, redact


@pytest.mark.parametrize(
    ("path", "query", "logged"),
    [
        ("/znodes/v1/a", "", "/znodes/v1/a"),
        ("/znodes/v1/a", "session=secret", "/znodes/v1/a?session=-"),
        ("/znodes/v1/a", "x=1&session=secret&y", "/znodes/v1/a?x=1&session=-&y"),
        ("/znodes/v1/a", "%73ession=secret", "/znodes/v1/a?%73ession=-"),
        ("/zk/sessions/v1/secret", "", "/zk/sessions/v1/-"),
        ("/queues/v1/q/consumers/secret/done", "", "/queues/v1/q/consumers/-/done"),
        ("/znodes/v1/a", "mysession=ok", "/znodes/v1/a?mysession=ok"),
    ],
)
def test_redact(path: str, query: str, logged: str) -> None:
    """9: neither sessions nor consumers can be read from the log."""
    assert redact(path, query) == logged


def test_exposition() -> None:
    """9: counters by method, route and status; cumulative buckets; gauges by endpoint."""
    metrics = Metrics()
    metrics.record("GET", "znodes", 200, 0.002)
    metrics.record("GET", "znodes", 200, 0.3)
    metrics.record("BREW", "znodes", 405, 100)
    text = metrics.exposition([("sessions", "gauge", "Open.", {"/": 3})])
    lines = text.splitlines()
    assert 'zkmq_rest_requests_total{method="GET",route="znodes",status="200"} 2' in lines
    assert 'zkmq_rest_requests_total{method="other",route="znodes",status="405"} 1' in lines
    bucket = 'zkmq_rest_request_seconds_bucket{route="znodes",le='
    assert [line for line in lines if line.startswith(bucket)][1:3] == [
        bucket + '"0.0025"} 1', bucket + '"0.005"} 1']  # fmt: skip
    assert bucket + '"+Inf"} 3' in lines
    assert 'zkmq_rest_request_seconds_count{route="znodes"} 3' in lines
    assert 'sessions{endpoint="/"} 3' in lines
    assert text.endswith("\n")
