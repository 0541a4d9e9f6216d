"""An item that was taken away again before its own delivery was answered: no second owner."""

from pathlib import Path
from typing import Any

import pytest

from harness.checkers.evidence.holds import holds
from harness.claim import Claim
from harness.clients.client import Client
from harness.clients.subject import Reserved, Taken
from harness.common.run_clock import Clock
from harness.common.verdict import Verdict
from harness.history.columns import History
from harness.history.record import HistoryWriter, merge
from harness.judge import judge
from worlds.histories.by_hand import drained, history, note, op, returned

# The slow one's claim takes effect and its session ends; another gets the item, and then it has
# its answer.
SLOW = op("reserve", 1, 10, 60, process=1, consumer="c1", n=1)
OTHER = [
    *op("reserve", 1, 30, 35, process=2, consumer="c2", n=1),
    *op("done", 1, 40, 45, process=2, consumer="c2"),
]
PUT = op("put", 1, 0, 5)


@pytest.mark.parametrize(
    "gone",
    [note("hold-lost", 59, consumer="c1", values=[1]), returned(1, 25, 1)],
    ids=["hold-lost", "returned"],
)
def test_what_was_gone_before_its_answer_was_held_at_no_sure_time(gone: Any) -> None:
    """The item went from one to the other, though the first was answered last."""
    run = history(PUT, SLOW, gone, OTHER, drained(70, 80))
    judgement = judge(run, Claim(level="stale"))
    assert Verdict.INVALID not in {result.verdict for result in judgement.results}
    (slow,) = (place for place, row in enumerate(holds(run).row) if run.complete_ns[row] == 60)
    assert holds(run).over_ns[slow] == 10


def test_a_hold_that_was_lost_after_its_answer_still_counts() -> None:
    """Two have the item for sure, whatever is said of one of them later."""
    late = note("hold-lost", 90, consumer="c1", values=[1])
    first = op("reserve", 1, 10, 15, process=1, consumer="c1", n=1)
    stolen = history(PUT, first, OTHER, op("done", 1, 46, 48, process=1, consumer="c1"), late)
    judgement = judge(stolen, Claim(level="stale"), checkers=["ownership"])
    assert judgement.verdict is Verdict.INVALID


class Forgetful:
    """A subject whose registration is gone when its reserve is answered."""

    takes = False
    most: int | None = None
    session = "0xb"
    consumer = producer = None

    def reserve(self, n: int, timeout_s: float, *, sync: bool) -> Reserved:
        """Tell whose items they were."""
        return Reserved(items=(Taken(value=1),), consumer="c1")

    def close(self) -> None:
        """End."""


def test_a_delivery_is_recorded_under_the_name_it_was_made_to(tmp_path: Path) -> None:
    """Else nobody could tell whose loss a `hold-lost` note is about."""
    with HistoryWriter(tmp_path / "parts/0.jsonl") as writer:
        client = Client(
            connect=lambda _: Forgetful(),  # type: ignore[arg-type,return-value]  # all it needs
            history=writer,
            clock=Clock(),
            process=1,
            report=lambda _: None,
            puts_over=lambda: True,
        )
        client.reserve()
    merge(tmp_path / "parts", tmp_path / "history.jsonl")
    run = History.load(tmp_path / "history.jsonl")
    assert run.registrations[0]["consumer"] == ["c1"]
