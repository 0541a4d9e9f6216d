"""How long phases should take, for the live view."""

from typing import Any

import pytest

from harness.scenario import estimate, loading, plan

PUTS = {"put-all": {"count": 100, "rate_hz": 10}}
LATER = {"put-all": {"count": 100, "first": 101}}


@pytest.mark.parametrize(
    ("phase", "needed_s"),
    [
        ({"workload": [PUTS]}, 10.0),
        ({"workload": [PUTS, {"check-all": {"rate_hz": 5}}]}, 10.0),
        ({"workload": [{"put-all": {"count": 100}}]}, None),
        (
            {
                "workload": [
                    PUTS,
                    {
                        "ack-before-write": {
                            "count": 50,
                            "first": 201,
                            "rate_hz": 10,
                            "after": "put-all",
                        }
                    },
                ]
            },
            15.0,
        ),
        ({"faults": [{"kill": {}, "first_s": 2, "down_s": 5}]}, 7.0),
        ({"faults": [{"kill": {}}, {"heal": "all"}]}, None),
        ({"faults": [{"kill": {}, "first_s": 2, "down_s": 5}, {"heal": "all"}]}, None),
        ({"workload": [PUTS], "faults": [{"kill": {}, "first_s": 30, "down_s": 5}]}, 10.0),
    ],
)
def test_a_phase_takes_what_its_paced_puts_take(phase: Any, needed_s: float | None) -> None:
    """Paced puts one after the other, or the faults of a phase without clients; else unknown."""
    loaded = loading.of({"description": "x", "phases": [phase, {"workload": [LATER]}]})
    planned = [p for p in plan.make(loaded) if p.phase == 0]
    assert estimate.phase_s(loaded.phases[0], planned) == needed_s


@pytest.mark.parametrize(("needed", "left"), [([1.0, 2.0], 3.0), ([1.0, None], None), ([], 0.0)])
def test_what_is_left_is_known_if_every_part_is(
    needed: list[float | None], left: float | None
) -> None:
    """A sum with an unknown part is unknown."""
    assert estimate.left_s(needed) == left
