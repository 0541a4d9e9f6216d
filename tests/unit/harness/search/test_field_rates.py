"""Scenarios from field rates: as often as the table says, and the same for the same seed."""

from collections import Counter
from pathlib import Path

import pytest

from harness.commands import new_command
from harness.common.harness_errors import ScenarioError
from harness.scenario import loading, plan
from harness.search import field_rates
from harness.search.field_rates import FieldRate, FieldWork, Table

TABLE = Path(__file__).parents[4] / "scenarios/long/field-rates.toml"
WORK = FieldWork(releases=["3.8.0", "3.9.6"], put_hz=10, producers=2, consumers=2)


def rate(event: str, per_year: float, **more: object) -> FieldRate:
    """Return a rate of kills."""
    about = {"what": "w", "source": "assumed", "fault": {"kill": {}}, "hold_s": 1.0} | more
    return FieldRate(event=event, per_year=per_year, **about)  # type: ignore[arg-type]


def counts(table: Table, *, years: int, seed: int = 1) -> Counter[str]:
    """Return how often each event is drawn."""
    quarters = field_rates.drawn(table, years=years, seed=seed)
    return Counter(one.event for quarter in quarters for one in quarter)


def test_events_are_as_frequent_as_the_table_says() -> None:
    """Within four standard deviations of a Poisson process, over 400 years."""
    table = Table(work=WORK, rate=[rate("often", 12.0), rate("rare", 0.25)])
    drawn = counts(table, years=400)
    assert abs(drawn["often"] - 4800) < 4 * 4800**0.5
    assert abs(drawn["rare"] - 100) < 4 * 100**0.5


def test_planned_events_come_at_regular_intervals() -> None:
    """Four a year are one in each quarter."""
    table = Table(work=WORK, rate=[rate("upgrade", 4.0, planned=True)])
    quarters = field_rates.drawn(table, years=3, seed=1)
    assert [len(quarter) for quarter in quarters] == [1] * 12


def test_one_more_kind_of_event_does_not_move_the_others() -> None:
    """Each has a random stream of its own; another seed draws others."""
    few = Table(work=WORK, rate=[rate("a", 7.0)])
    more = Table(work=WORK, rate=[rate("a", 7.0), rate("b", 3.0)])
    by_quarter = [
        [Counter(one.event for one in quarter)["a"] for quarter in field_rates.drawn(t, **how)]
        for t, how in (
            (few, {"years": 5, "seed": 1}),
            (more, {"years": 5, "seed": 1}),
            (few, {"years": 5, "seed": 2}),
        )
    ]
    assert by_quarter[0] == by_quarter[1] != by_quarter[2]


def test_some_producer_always_goes_on() -> None:
    """Who was killed stays away for the quarter, so the crashes that are too many come later."""
    fault = {"client-crash": {"workload": "put-all", "number": 0}}
    table = Table(work=WORK, rate=[rate("crash", 5.0, fault=fault, hold_s=None)])
    quarters = field_rates.drawn(table, years=20, seed=1)
    assert max(len(quarter) for quarter in quarters[:-1]) == WORK.producers - 1


def test_upgrades_go_round_the_releases() -> None:
    """The first goes to the second release of the table, and one comes back to the first."""
    fault = {"rolling-upgrade": {}}
    upgrade = rate("upgrade", 4.0, fault=fault, hold_s=None, planned=True)
    data = field_rates.scenario(Table(work=WORK, rate=[upgrade]), years=1, seed=1, title="t")
    to = [phase["faults"][0]["rolling-upgrade"]["to"] for phase in data["phases"]]
    assert to == ["3.9.6", "3.8.0", "3.9.6", "3.8.0"]


def test_the_committed_years_are_what_the_table_gives(tmp_path: Path) -> None:
    """scenarios/long/ten-years.yaml was made from the table beside it, and not changed since."""
    made = tmp_path / "made.yaml"
    new_command.new(made, TABLE)
    assert made.read_text() == (TABLE.parent / "ten-years.yaml").read_text()


def test_the_committed_years_are_of_eleven_hundred_events() -> None:
    """Forty of them upgrades; each rate says where it comes from."""
    table = field_rates.load(TABLE)
    planned = plan.make(loading.load(TABLE.parent / "ten-years.yaml"))
    assert table.per_year == pytest.approx(110, abs=1)
    assert abs(len(planned) - 1100) < 4 * 1100**0.5
    assert sum(one.kind == "rolling-upgrade" for one in planned) == 40
    known = (*table.sources, "assumed")
    assert [one.event for one in table.rate if not one.source.startswith(known)] == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("per_year = 8.0", "per_year = 0"), "'software-error': per_year: expected .* got 0"),
        (("per_year = 8.0", 'per_year = "x"'), r"Expected `float`, got `str`"),
        (("[[rate]]", "[[rat]]"), "unknown field"),
        (("fault = { kill = { target", "fault = { kil = { target"), "'software-error': fault: "),
        (("[work]", "[work"), "expected a table of field rates"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    """With the rate, and what was expected."""
    wrong = tmp_path / "rates.toml"
    wrong.write_text(TABLE.read_text().replace(*change, 1))
    with pytest.raises(ScenarioError, match=told):
        field_rates.load(wrong)
