"""strictly-increasing does not judge two producers whose calls overlap."""

from harness.checkers.ordering.strictly_increasing import StrictlyIncreasing
from harness.claim import Claim
from harness.history.columns import History


def test_a_call_lasts_until_its_completion() -> None:
    """A producer that still waits for an answer when another begins is concurrent with it."""
    lines = [(0, 0, "invoke", 1), (1, 1, "invoke", 2), (2, 1, "ok", 2), (3, 0, "ok", 1)]
    history = History.from_events(
        {"time_ns": at, "process": process, "type": kind, "f": "put", "value": value}
        for at, process, kind, value in lines
    )
    assert StrictlyIncreasing().unmet(history, Claim()) == "one producer at a time"
