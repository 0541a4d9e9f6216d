"""Rates and latencies over time."""

import pytest

from harness.report.charts import rates
from worlds.histories.by_hand import history, op

S = 1_000_000_000


def test_calls_are_counted_when_they_end() -> None:
    """A put counts in the stretch of its answer, and unknown ones in that of their beginning."""
    seen = history(op("put", 1, 0, int(0.55 * S)), op("put", 2, int(0.2 * S), None, process=1))
    found = {rate.what: rate for rate in rates.rates(seen, 1.0)}
    assert found["put"].per_s.nonzero()[0].tolist() == [5]
    assert found["put"].per_s[5] == pytest.approx(10)
    assert found["unknown"].per_s.nonzero()[0].tolist() == [2]


def test_an_empty_reserve_delivers_nothing() -> None:
    """A reserve that found nothing is no delivery, and its latency is not one of a delivery."""
    seen = history(op("reserve", None, 0, S // 2))
    assert rates.rates(seen, 1.0) == []
    assert rates.latencies(seen, 1.0) == []


def test_median_and_worst() -> None:
    """Each stretch has the median (the lower one of two) and the worst of what began in it."""
    ms = (1, 9, 2)
    seen = history(
        *(op("put", n, n, n + m * 1_000_000, process=n) for n, m in enumerate(ms)),
        op("put", 9, S // 2, S // 2 + 4_000_000, process=9),
    )
    (found,) = rates.latencies(seen, 1.0)
    assert found.median_ms.tolist() == [2, 4]
    assert found.worst_ms.tolist() == [9, 4]
    assert found.at_s.tolist() == pytest.approx([0.05, 0.55])


@pytest.mark.parametrize("span_s", [0.1, 3, 40.5, 3600, 86_400, 1_000_000])
def test_stretches_are_few(span_s: float) -> None:
    """However long a run, it has a bounded number of stretches; hours-long ones after a week."""
    assert span_s / rates.width_s(span_s) <= rates.BINS
