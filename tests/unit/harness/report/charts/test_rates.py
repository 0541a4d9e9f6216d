"""Rates, latencies and depth over time."""

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


def puts(took_ms: list[int], begin_ns: int = 0) -> list[dict[str, object]]:
    """Return one put per duration, all begun at about the same time."""
    return [
        event
        for n, ms in enumerate(took_ms)
        for event in op(
            "put",
            begin_ns + n,
            begin_ns + n,
            begin_ns + n + ms * 1_000_000,
            process=begin_ns + n,
        )
    ]


def test_quantiles() -> None:
    """A stretch has the median (the lower one of two) and the 99th percentile of its calls."""
    (found,) = rates.latencies(history(puts(list(range(1, 201))), puts([4] * 5, S // 2)), 1.0)
    assert found.median_ms.tolist() == [100, 4]
    assert found.p99_ms[0] == 198
    assert found.at_s.tolist() == pytest.approx([0.05, 0.55])


def test_a_quantile_of_few_calls_is_not_told() -> None:
    """Four calls have no median, and 99 no 99th percentile: they would be noise."""
    least, p99 = rates.LEAST_FOR_MEDIAN, rates.LEAST_FOR_P99
    for count, known in ((least - 1, (False, False)), (least, (True, False)), (p99, (True, True))):
        (found,) = rates.latencies(history(puts([7] * count)), 1.0)
        assert (found.median_ms[0] == 7, found.p99_ms[0] == 7) == known


def test_depth() -> None:
    """An item waits from its put to its first delivery, and is held until it is done."""
    seen = history(
        op("put", 1, 0, int(0.05 * S)),
        op("put", 2, int(0.06 * S), int(0.09 * S)),  # lost
        op("reserve", 1, int(0.2 * S), int(0.25 * S), process=1),
        op("done", 1, int(0.4 * S), int(0.45 * S), process=1),
        op("put", 3, int(0.6 * S), None),
    )
    found = rates.depth(seen, 1.0)
    at = {round(at_s, 1): place for place, at_s in enumerate(found.at_s.tolist())}

    def seen_at(at_s: float) -> tuple[int, int, int]:
        place = at[at_s]
        return int(found.waiting[place]), int(found.held[place]), int(found.unknown[place])

    assert seen_at(0.0) == (0, 0, 0)
    assert seen_at(0.1) == (2, 0, 0)
    assert seen_at(0.3) == (1, 1, 0)
    assert seen_at(0.5) == (1, 0, 0)
    assert seen_at(0.7) == (1, 0, 1)


@pytest.mark.parametrize("bins", [rates.BINS, rates.QUANTILE_BINS])
@pytest.mark.parametrize("span_s", [0.1, 3, 40.5, 3600, 86_400, 1_000_000])
def test_stretches_are_few(span_s: float, bins: int) -> None:
    """However long a run, it has a bounded number of stretches; hours-long ones after a week."""
    assert span_s / rates.width_s(span_s, bins) <= bins
