"""The simulation bites: each precaution of the queue, once taken away, is missed somewhere."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.strategies import SearchStrategy

from worlds.crash_points.checks import Reason, Violation
from worlds.crash_points.weakened import MUTANTS, Mutant
from worlds.sim.group_mutants import GROUP_MUTANTS
from worlds.sim.mutants import SIM_MUTANTS, WHOLE, SimMutant
from worlds.sim.schedule import CROWD, GROUPED, Schedule, struck
from worlds.sim.simulation import Simulation

SEARCH = settings(
    max_examples=1000,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
Judge = Callable[[Simulation], list[Violation]]
# The search finds each of these from 1, too, but only after many schedules.
BEGINS = {
    "done without the fence": 4,
    "no ticket": 2,
    "reserve in two steps": 4,
    "what vanished had no group": 2,
}


def found(
    mutant: Mutant | SimMutant,
    among: SearchStrategy[Schedule],
    judge: Judge = Simulation.run,
    search: settings = SEARCH,
) -> Schedule:
    """Find a schedule that shows it; hypothesis raises NoSuchExample if it finds none."""

    def shows(schedule: Schedule) -> bool:
        return any(wrong.reason is mutant.reason for wrong in judge(Simulation(schedule)))

    random = Random(BEGINS.get(mutant.name, 1))
    return find(among, shows, settings=search, random=random)


def at_every_zxid(simulation: Simulation) -> list[Violation]:
    """What the ledger alone has to say."""
    simulation.run()
    return simulation.ledger.wrong


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_found_for_the_expected_reason(mutant: Mutant) -> None:
    """What clients were told and what is left show it, without a look at the log in between."""
    with mutant.applied():
        assert found(mutant, struck(CROWD))


@pytest.mark.parametrize("mutant", SIM_MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_of_what_few_clients_do_is_found(mutant: SimMutant) -> None:
    """Upgrades, ids, times to run, purges and last deliveries, each without its precaution."""

    def wrong(simulation: Simulation) -> list[Violation]:
        return [*simulation.run(), *simulation.ledger.wrong]

    with mutant.applied():
        assert found(mutant, struck(WHOLE), wrong)


@pytest.mark.parametrize("mutant", GROUP_MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_of_groups_is_found(mutant: SimMutant) -> None:
    """Two items of a group at once, or one before an earlier one, without each precaution."""
    with mutant.applied():
        assert found(mutant, struck(GROUPED), at_every_zxid)


def test_the_whole_crowd_is_right_without_mutants() -> None:
    """What finds them finds nothing in the queue as it is, and it is not idle."""
    simulation = Simulation(WHOLE)
    assert [*simulation.run(), *simulation.ledger.wrong] == []
    assert simulation.ledger.raised
    assert any(call.duplicate for call in simulation.told.puts)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("reserve in two steps", Reason.LOST), ("the original's _move", Reason.DUPLICATED)],
)
def test_the_ledger_sees_what_heals(name: str, reason: Reason) -> None:
    """An item that is in no place, or in two, is seen even if all comes right in the end."""
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    with mutant.applied():
        assert reason in {wrong.reason for wrong in at_every_zxid(Simulation(Schedule()))}
