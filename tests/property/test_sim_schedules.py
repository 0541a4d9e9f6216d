"""Whatever schedule is drawn, the queue's invariants hold; a schedule always runs the same way."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worlds.memory.network import Fault
from worlds.sim.mutants import WHOLE
from worlds.sim.schedule import (
    CROWD,
    GROUPED,
    PutStep,
    Schedule,
    Strike,
    TakeStep,
    schedules,
    struck,
)
from worlds.sim.simulation import Simulation, simulate

# A drawn schedule is large, and the machine may be busy: neither says anything about the queue.
SIMULATED = settings(
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
BUSY = Schedule(
    seed=5,
    producers=((PutStep(5, batch=1), PutStep(3)), (PutStep(4, batch=2),)),
    consumers=((TakeStep(3, timeout_s=4.0),) * 4, (TakeStep(2, timeout_s=4.0, then="fuse"),) * 3),
    strikes=(
        Strike("producer-0", "append", 4, Fault.LOSE_REPLY),
        Strike("consumer-0", "unclaim", 2, Fault.EXPIRE_AFTER),
        Strike("consumer-1", "claim", 2, "kill"),
        Strike("janitor-0", "read", 9, Fault.CUT),
    ),
    lag_s=1.0,
)


@settings(SIMULATED, max_examples=120)
@given(schedules())
def test_the_invariants_hold_under_any_schedule(schedule: Schedule) -> None:
    """Drops, lost replies, stalls, expiries, kills and stale reads leave the queue right."""
    assert simulate(schedule) == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
@settings(SIMULATED, max_examples=1000)
@given(schedule=schedules(most_strikes=12))
def test_the_invariants_hold_under_many_schedules(part: int, schedule: Schedule) -> None:
    """The same for thousands of schedules with twice the strikes, others in every run."""
    assert simulate(schedule) == []


@settings(SIMULATED, max_examples=40)
@given(struck(GROUPED))
def test_groups_keep_their_order_under_any_strikes(schedule: Schedule) -> None:
    """No two items of a group are held at once, and none is taken before an earlier one."""
    assert simulate(schedule) == []


@pytest.mark.slow
@pytest.mark.parametrize("crowd", [CROWD, WHOLE, GROUPED], ids=["crowd", "whole", "grouped"])
@settings(SIMULATED, max_examples=1000)
@given(data=st.data())
def test_the_invariants_hold_for_busy_crowds(crowd: Schedule, data: st.DataObject) -> None:
    """The same for those who find the mutants, with more strikes than these need."""
    assert simulate(data.draw(struck(crowd, most_strikes=8))) == []


def test_the_answer_of_a_roll_gives_a_put_no_more_time() -> None:
    """A put whose tail has to move on first ends about its deadline like any other."""
    strikes = (
        Strike("producer-0", "append", 1, Fault.LOSE_REQUEST),
        Strike("producer-0", "write", 5, Fault.CUT),
    )
    assert simulate(replace(WHOLE, strikes=strikes)) == []


def test_a_schedule_strikes_and_delivers() -> None:
    """The simulation is not idle: strikes hit, sessions end, and every item is acknowledged."""
    simulation = Simulation(BUSY)
    assert simulation.run() == []
    assert simulation.unstruck == []
    killed = {item.data for item, _ in simulation.told.doubted}
    done = {item.data for item, _ in simulation.told.done} | killed
    assert done >= {payload for call in simulation.told.puts for payload in call.payloads}


def test_a_schedule_runs_the_same_way_again() -> None:
    """What failed once can be looked at: the same schedule gives the same log."""
    first, second = Simulation(BUSY), Simulation(BUSY)
    first.run()
    second.run()
    assert first.world.leader.log == second.world.leader.log
