"""Several runs added up: losses, outages by cause, downtime a year with its bounds."""

import math
from typing import Any

import pytest

from harness.common.harness_errors import ScenarioError
from harness.report import endurance
from harness.search.field_rates import FieldRate, FieldWork, Table

S = 1_000_000_000
WORK = FieldWork(releases=["3.9.6"], put_hz=10, producers=1, consumers=1)


def table(**per_year: float) -> Table:
    """Return a table with these rates."""
    about: dict[str, Any] = {"what": "w", "source": "assumed", "fault": {"kill": {}}}
    return Table(
        work=WORK, rate=[FieldRate(event=e, per_year=n, **about) for e, n in per_year.items()]
    )


def fault(name: str, inject_s: float, heal_s: float | None = None, **more: Any) -> dict[str, Any]:
    """Return a row of results.json."""
    heal_ns = None if heal_s is None else int(heal_s * S)
    row = {"fault": "kill", "name": name, "what": f"kill node {name}", "outcome": "installed"}
    return row | {"inject_ns": int(inject_s * S), "heal_ns": heal_ns} | more


def run(
    faults: list[dict[str, Any]],
    outages: list[tuple[float, float]],
    *,
    loss: str = "valid",
    **counts: int | None,
) -> dict[str, Any]:
    """Return a results.json with outages of (begin, length)."""
    told = [{"begin_ns": int(begin_s * S), "length_s": s} for begin_s, s in outages]
    return {
        "as_expected": True,
        "counts": {"acknowledged": 3000, "lost": 0, "duplicated": 0} | counts,
        "faults": faults,
        "checks": [
            {"name": "availability", "verdict": "valid", "details": {"put_outages": told}},
            {"name": "total-queue", "verdict": loss},
        ],
    }


def by_event(total: endurance.Endurance) -> dict[str, tuple[float, ...]]:
    """Return the outages of each kind of event."""
    return {event.name: event.outages_s for event in total.events}


def test_downtime_a_year_is_rate_times_mean_outage() -> None:
    """Each kind by its own rate, however often the runs had it."""
    faults = [fault("crash-1", 10, 12), fault("crash-2", 20, 22), fault("freeze-3", 30, 32)]
    total = endurance.add_up(
        {"a": run(faults, [(10.1, 1.0), (20.1, 3.0), (30.1, 5.0)])}, table(crash=4.0, freeze=0.5)
    )
    assert by_event(total) == {"crash": (1.0, 3.0), "freeze": (5.0,)}
    assert total.downtime_s == pytest.approx(4 * 2.0 + 0.5 * 5.0)
    assert total.years == pytest.approx(3 / 4.5)
    assert total.longest is not None
    assert (total.longest.length_s, total.longest.cause) == (5.0, "kill node freeze-3")


def test_the_interval_holds_what_a_binomial_says() -> None:
    """Half of 100 injections stop the puts for a second: four a year cost 2 s, give or take 0.4."""
    faults = [fault(f"crash-{n}", 10.0 * n + 1, 10 * n + 2) for n in range(100)]
    outages = [(10.0 * n + 1.1, 1.0) for n in range(0, 100, 2)]
    total = endurance.add_up({"a": run(faults, outages)}, table(crash=4.0))
    spread_s = 1.96 * 4 * math.sqrt(0.25 / 100)
    assert total.between_s == pytest.approx((2 - spread_s, 2 + spread_s), abs=0.1)


@pytest.mark.parametrize(
    ("begin_s", "cause"),
    [
        (10.5, "a"),  # in force
        (12.5, "a"),  # healed, and nothing else came
        (19.8, "b"),  # the put was on its way when the next one came
        (19.0, "a"),  # too early for the next one
        (21.9, "b"),
        (9.8, "a"),  # the put was on its way when the first one came
        (3.0, None),
    ],
)
def test_an_outage_is_put_down_to_one_fault(begin_s: float, cause: str | None) -> None:
    """To the one in force, or just injected; before any of them to none."""
    faults = [fault("a-1", 10, 12), fault("b-2", 20, 22)]
    total = endurance.add_up({"a": run(faults, [(begin_s, 0.7)])}, table(a=1.0, b=1.0))
    blamed = [name for name, outages_s in by_event(total).items() if sum(outages_s)]
    assert blamed == ([] if cause is None else [cause])
    assert total.without_cause_s == (0.7 if cause is None else 0.0)


def test_what_did_not_take_effect_counts_for_nothing() -> None:
    """A skipped fault neither has a cost nor makes a year."""
    faults = [fault("a-1", 10, 12), fault("a-2", 20, None, outcome="skipped")]
    total = endurance.add_up({"a": run(faults, [])}, table(a=1.0))
    assert (total.faults, total.years) == (1, 1.0)


def test_events_that_no_run_had_are_told() -> None:
    """Their cost is not known, so the downtime is without it."""
    total = endurance.add_up({"a": run([fault("a-1", 1, 2)], [])}, table(a=1.0, rare=0.1))
    assert total.missing == {"rare": 0.1}


def test_an_event_that_is_not_in_the_table_is_shown_and_not_counted() -> None:
    """As of other scenarios, whose faults have other names."""
    total = endurance.add_up(
        {"a": run([fault("a-1", 1, 2), fault("other", 5, 6)], [(5.1, 2.0)])}, table(a=1.0)
    )
    assert by_event(total)["other"] == (2.0,)
    assert (total.downtime_s, total.years) == (0.0, 1.0)


def test_the_bound_on_loss_is_three_in_all_that_were_acknowledged() -> None:
    """If one is lost there is no such bound."""
    good = run([fault("a-1", 1, 2)], [])
    bad = run([fault("a-1", 1, 2)], [], loss="invalid", lost=1)
    assert endurance.add_up({"a": good, "b": good}, table(a=1.0)).one_in == 2000
    assert endurance.add_up({"a": good, "b": bad}, table(a=1.0)).one_in is None


def test_a_run_whose_losses_nobody_knows_adds_nothing_to_the_bound() -> None:
    """Its acknowledged items may be lost: a drain that gave up, or a record that is not whole."""
    good = run([fault("a-1", 1, 2)], [])
    unknown = run([fault("a-1", 1, 2)], [], loss="unknown", lost=None)
    total = endurance.add_up({"a": good, "b": unknown}, table(a=1.0))
    assert (total.counts["acknowledged"], total.one_in) == (6000, 1000)
    assert endurance.add_up({"b": unknown}, table(a=1.0)).one_in is None
    del good["checks"][1]
    assert endurance.add_up({"a": good}, table(a=1.0)).one_in is None


def test_a_run_of_an_older_release_is_to_be_judged_anew() -> None:
    """Its results do not tell the outages of puts."""
    old = run([fault("a-1", 1, 2)], [])
    del old["checks"][0]["details"]["put_outages"]
    with pytest.raises(ScenarioError, match="`harness check old` judges it anew"):
        endurance.add_up({"old": old}, table(a=1.0))
