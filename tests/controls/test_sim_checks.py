"""The checks after a simulation find what was tampered with, for its reason."""

from collections.abc import Callable

import pytest

from worlds.crash_points.checks import Ended, Reason
from worlds.sim.checks import judged
from worlds.sim.schedule import PutStep, Schedule
from worlds.sim.simulation import Simulation
from zkmq.zookeeper.store import Create


def acknowledged_another(simulation: Simulation) -> None:
    """A client was told that it acknowledged what nobody did."""
    item, path = simulation.told.done[0]
    simulation.told.done[0] = (item, f"{path}.999")


def put_in_another_order(simulation: Simulation) -> None:
    """The first put had returned only after the second began, says the clock: turn it round."""
    first, second = simulation.told.puts[:2]
    first.began_s, first.ended_s, second.began_s, second.ended_s = (
        second.began_s, second.ended_s, first.began_s, first.ended_s
    )  # fmt: skip


def left_a_segment(simulation: Simulation) -> None:
    """A drained segment is still there."""
    path = "/queue/items/100/0000009999"
    simulation.world.leader.multi(1, [Create(path)])


def said_it_failed(simulation: Simulation) -> None:
    """A producer was told that its item was certainly not put."""
    simulation.told.puts[0].outcome.ended = Ended.FAIL


def delivered_again(simulation: Simulation) -> None:
    """Two clients were told that an item was theirs."""
    simulation.told.done.append(simulation.told.done[0])


def forgot_an_acknowledgement(simulation: Simulation) -> None:
    """An item went, and nobody acknowledged it."""
    simulation.told.done.pop()


def counted_wrong(simulation: Simulation) -> None:
    """A first delivery was delivered as the second."""
    simulation.told.done[0][0].delivery += 1


@pytest.mark.parametrize(
    ("tamper", "reason"),
    [
        (acknowledged_another, Reason.MISPLACED),
        (put_in_another_order, Reason.ORDER),
        (left_a_segment, Reason.LEFT_BEHIND),
        (said_it_failed, Reason.PHANTOM),
        (delivered_again, Reason.OWNED_TWICE),
        (forgot_an_acknowledgement, Reason.LOST),
        (counted_wrong, Reason.DELIVERY_COUNT),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_was_tampered_with_is_found(
    tamper: Callable[[Simulation], None], reason: Reason
) -> None:
    """A run that is right is wrong for this reason once one thing in it is changed."""
    simulation = Simulation(Schedule(producers=((PutStep(pause_s=1.0), PutStep()),)))
    assert simulation.run() == []
    tamper(simulation)
    wrong = judged(simulation.told, simulation.ledger, simulation.world, simulation.drained)
    assert reason in {violation.reason for violation in wrong}
