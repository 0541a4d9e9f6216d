"""availability: how long whoever asked waited until anybody was served, around each fault."""

from collections.abc import Mapping
from typing import Any

import pytest

from harness.checkers.availability import Availability, FaultFigures, measure
from harness.claim import AvailabilityBound, Claim
from harness.common.verdict import Verdict
from harness.history.columns import History
from worlds.histories.by_hand import history, note, op

S = 1_000_000_000
Events = list[dict[str, Any]]
BOUND = Claim(recovery_s=0.5)


def fault(inject_s: float, heal_s: float, *, key: int = 0) -> Events:
    """Return a pause of the leader; the harness stamps the injection before it takes effect."""
    said: Mapping[str, Any] = {"id": key, "name": f"pause-{key}", "outcome": "installed"}
    begin = note("pause", int(inject_s * S), process="nemesis", phase="inject", **said)
    return begin + note("pause", int(heal_s * S), process="nemesis", phase="heal", **said)


def put(
    value: int, begin_s: float, end_s: float | None, *, outcome: str = "ok", process: int = 0
) -> Events:
    """Return one put, in seconds."""
    end_ns = None if end_s is None else int(end_s * S)
    return op("put", value, int(begin_s * S), end_ns, process=process, outcome=outcome)


def steady(first: int, begin_s: float, end_s: float, *, every_s: float = 0.05) -> Events:
    """Return puts of 10 ms each, one every `every_s`."""
    count = round((end_s - begin_s) / every_s)
    return [
        event
        for number in range(count)
        for event in put(
            first + number, begin_s + number * every_s, begin_s + number * every_s + 0.01
        )
    ]


def slipped_through() -> History:
    """One put still succeeds after the injection's stamp; the next one waits for 2.9 s."""
    return history(
        steady(1, 0, 2),
        fault(2.0, 6.0),
        put(101, 2.05, 2.06),
        put(102, 2.1, 5.0),
        steady(200, 5.1, 8),
    )


def on_its_way() -> History:
    """A put of before the fault is answered in it; those that begin in it wait for 2.9 s."""
    return history(
        steady(1, 0, 1.9),
        put(100, 1.99, 2.3),
        fault(2.0, 6.0),
        put(101, 2.1, 5.0, process=1),
        steady(200, 5.1, 8),
    )


def waited_all_along() -> History:
    """The only client asked just before the fault, and waits until 5.0."""
    return history(steady(1, 0, 1.9), fault(2.0, 6.0), put(101, 1.99, 5.0), steady(200, 5.1, 8))


def refused_at_once() -> History:
    """Every put of 2.9 s fails in 10 ms: none of them waits, and no client is served."""
    refused = [put(100 + n, 2.1 + n * 0.1, 2.11 + n * 0.1, outcome="fail") for n in range(29)]
    return history(steady(1, 0, 2), fault(2.0, 6.0), *refused, steady(200, 5.0, 8))


def many_wait() -> History:
    """Ten clients ask, one each 300 ms, and all are answered at 5.0."""
    waiting = [put(100 + n, 2.1 + n * 0.28, 5.0, process=n + 1) for n in range(10)]
    return history(steady(1, 0, 2), fault(2.0, 6.0), *waiting, steady(200, 5.1, 8))


@pytest.mark.parametrize(
    "run", [slipped_through, on_its_way, waited_all_along, refused_at_once, many_wait]
)
def test_an_outage_of_2_9_s_is_over_a_bound_of_half_a_second(run: Any) -> None:
    """What was on its way, or slipped through, does not end the outage that the fault makes."""
    result = Availability().check(run(), BOUND)
    assert (result.verdict, result.reasons) == (Verdict.INVALID, ("slow-recovery",))
    (of_fault,) = figures(run())
    assert 2.9 <= (of_fault.after_inject_s or 0) <= 3.05
    assert of_fault.unavailable_s == of_fault.after_inject_s
    assert measure(run()).longest_gap_s == pytest.approx(2.95, abs=0.1)


def figures(given: History) -> tuple[FaultFigures, ...]:
    """Return what was measured of each fault."""
    return measure(given).faults


def quick() -> History:
    """One put takes 400 ms, and all others 10 ms."""
    return history(steady(1, 0, 2), fault(2.0, 6.0), put(101, 2.02, 2.42), steady(200, 2.45, 8))


def slow_beside_quick() -> History:
    """One client waits for 3 s, while another is served all the while."""
    return history(fault(2.0, 6.0), put(101, 2.1, 5.1, process=9), steady(200, 0, 8))


def nobody_asks() -> History:
    """The puts end before the fault, and the next client comes long after it."""
    return history(steady(1, 0, 2), fault(2.1, 6.0), steady(200, 20, 21))


def dies_in_a_call() -> History:
    """The only client is killed in a call; the next one comes 3 s later, and is served."""
    killed = note("session-end", int(2.5 * S), process=7, alive_until_ns=S, why="killed")
    return history(
        steady(1, 0, 2),
        fault(2.0, 6.0),
        put(101, 2.1, None, process=7),
        killed,
        steady(200, 5.0, 8),
    )


@pytest.mark.parametrize("run", [quick, slow_beside_quick])
def test_a_correct_recovery_is_not_called_slow(run: Any) -> None:
    """A slow call beside others that are served is no outage."""
    result = Availability().check(run(), BOUND)
    assert (result.verdict, result.reasons) == (Verdict.VALID, ())


def test_an_outage_that_begins_after_the_heal_counts_until_the_next_injection() -> None:
    """A heal can strike too; what comes after the next injection is of that one."""
    struck = history(
        steady(1, 0, 7), fault(2.0, 6.0), put(201, 7.0, 9.0), steady(300, 9.1, 9.9),
        fault(10.0, 14.0, key=1), put(401, 10.1, 13.1), steady(500, 13.2, 16),
    )  # fmt: skip
    first, second = figures(struck)
    assert (first.after_inject_s, first.after_heal_s) == (0.01, 2.0)
    assert (second.after_inject_s, second.after_heal_s) == (3.0, 0.01)


def test_recovery_that_nobody_saw_is_unknown() -> None:
    """Where no call succeeded after the last heal, a bound on recovery was not tested."""
    unseen = history(steady(1, 0, 2), fault(2.1, 6.0), put(101, 6.1, 6.2, outcome="fail"))
    result = Availability().check(unseen, BOUND)
    assert (result.verdict, result.reasons) == (Verdict.UNKNOWN, ("recovery-not-seen",))
    assert Availability().check(unseen, Claim()).verdict is Verdict.VALID


@pytest.mark.parametrize("run", [nobody_asks, dies_in_a_call])
def test_a_recovery_in_which_nobody_asks_is_no_outage_and_not_seen(run: Any) -> None:
    """Pauses and deaths of the clients say nothing: neither that it was slow, nor quick."""
    result = Availability().check(run(), BOUND)
    assert (result.verdict, result.reasons) == (Verdict.UNKNOWN, ("recovery-not-seen",))


def test_whoever_asks_within_the_bound_sees_the_recovery() -> None:
    """The first call comes 17.9 s after the fault and is served at once."""
    assert Availability().check(nobody_asks(), Claim(recovery_s=15)).verdict is Verdict.UNKNOWN
    assert Availability().check(nobody_asks(), Claim(recovery_s=20)).verdict is Verdict.VALID


def test_what_is_answered_after_the_heal_was_not_available_during_the_fault() -> None:
    """Puts that hang through a cut of the majority, and succeed after its heal, break no bound."""
    hung = [put(100 + n, 2.05 + n * 0.1, 6.1, process=n + 1) for n in range(30)]
    run = history(steady(1, 0, 2), fault(2.0, 6.0), *hung, steady(200, 6.2, 8))
    claim = Claim(availability=AvailabilityBound(during="pause", max_fraction=0.0))
    assert figures(run)[0].fraction == 0.0
    assert Availability().check(run, claim).verdict is Verdict.VALID


def test_a_fault_that_was_over_before_the_first_call_hides_no_success() -> None:
    """A run whose clients came late is measured from their first call to their last."""
    judged = history(fault(0.5, 1.0), steady(1, 2, 4))
    assert measure(judged).fraction == 1.0
    assert Availability().check(judged, Claim()).verdict is Verdict.VALID


def test_only_an_injection_that_was_installed_is_a_fault() -> None:
    """One that failed, and the report of a heal, change nothing that clients saw."""
    said: Mapping[str, Any] = {"id": 1, "name": "pause-1"}
    failed = note("pause", 3 * S, process="nemesis", phase="inject", outcome="failed", **said)
    status = note("pause", 4 * S, process="nemesis", phase="status", outcome="installed", **said)
    assert figures(history(steady(1, 0, 5), failed, status)) == ()


def test_where_nothing_succeeds_it_is_unknown() -> None:
    """Without a bound, a run in which no call succeeded says nothing of availability."""
    barren = history(put(1, 0, 1, outcome="fail"), put(2, 2, 3, outcome="fail"))
    result = Availability().check(barren, Claim())
    assert (result.verdict, result.reasons) == (Verdict.UNKNOWN, ("nothing-succeeded",))


def test_a_call_that_takes_no_time_is_an_outage_of_none() -> None:
    """Zero is a measurement; None says that nobody asked."""
    assert measure(history(put(1, 1, 1))).longest_gap_s == 0.0


def test_outages_of_puts_are_told_one_by_one() -> None:
    """Those of half a second or more; a look at an empty queue ends none of them."""
    empty = op("reserve", None, int(3.0 * S), int(3.01 * S), process=9)
    given = history(steady(1, 0, 2), put(101, 2.0, 4.5), empty, put(102, 4.6, 4.9), put(103, 5, 6))
    told = [(o.begin_ns / S, o.length_s) for o in measure(given).put_outages]
    assert told == [(2.0, 2.5), (5.0, 1.0)]


def test_one_outage_of_several_clients_is_told_once() -> None:
    """From its first call to its end."""
    given = history(put(1, 0, 3, process=0), put(2, 1, 3.2, process=1), put(3, 2, 3.1, process=2))
    told = [(o.begin_ns / S, o.length_s) for o in measure(given).put_outages]
    assert told == [(0.0, 3.1)]
