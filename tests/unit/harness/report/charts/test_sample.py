"""What is drawn of a history that is too big to draw."""

from typing import Any

import numpy as np
import pytest

from harness.history.columns import OK, History
from harness.report.charts import sample
from worlds.histories.by_hand import history, op


def results(*witnesses: dict[str, Any]) -> dict[str, Any]:
    """Return results with one check and these witnesses."""
    return {
        "checks": [{"name": "x", "verdict": "invalid", "reasons": [], "witnesses": list(witnesses)}]
    }


def witness(seen: History, row: int) -> dict[str, Any]:
    """Return a witness that shows one row."""
    call = seen.operation(row).as_json()
    return {"sentence": "", "operations": [call], "values": [call["value"]]}


@pytest.fixture(scope="module")
def big() -> History:
    """Return 3,000 puts, a hundredth of which failed and one of which was slow."""
    return history(
        *(
            op(
                "put",
                n,
                100 * n,
                100 * n + (99 if n == 1234 else 5),
                process=n % 7,
                outcome="fail" if n % 100 == 0 else "ok",
            )
            for n in range(3000)
        )
    )


def test_a_small_history_is_drawn_whole(big: History) -> None:
    """Nothing is left out where everything has room."""
    none = np.zeros(len(big), np.bool_)
    assert len(sample.rows_to_draw(big, none, 3000)) == 3000


def test_a_big_history_keeps_to_its_limit(big: History) -> None:
    """Where not all have room, no more than the limit are drawn, in order."""
    rows = sample.rows_to_draw(big, np.zeros(len(big), np.bool_), 1000)
    assert 900 <= len(rows) <= 1000
    assert (np.diff(rows) > 0).all()


@pytest.mark.parametrize("row", [0, 1, 777, 2999])
def test_a_witness_is_never_left_out(big: History, row: int) -> None:
    """A witness is drawn, and so is all else about its item, whatever the limit."""
    always = sample.witness_rows(big, results(witness(big, row)))
    assert row in sample.rows_to_draw(big, always, 600)
    assert row in sample.rows_to_draw(big, always, 0)


def test_what_failed_and_what_was_slow_is_kept(big: History) -> None:
    """Of healthy history the dull part is left out first."""
    rows = sample.rows_to_draw(big, np.zeros(len(big), np.bool_), 700)
    assert set(np.flatnonzero(big.outcome != OK)) <= set(rows)
    assert 1234 in rows


def test_a_witness_brings_its_items_other_calls() -> None:
    """Calls about an item in a witness belong to it, those about other items do not."""
    seen = history(
        op("put", 1, 0, 5),
        op("put", 2, 6, 9),
        op("reserve", 1, 10, 12, process=1),
        op("done", 1, 13, 14, process=1),
    )
    assert sample.witness_rows(seen, results(witness(seen, 0))).tolist() == [
        True,
        False,
        True,
        True,
    ]


def test_lives_of_witnesses_come_first(big: History) -> None:
    """The items to tell of begin with those asked for, and keep to the limit with others."""
    told = sample.values_to_tell(big, [2999, 5], 100)
    assert told[:2] == [2999, 5]
    assert len(told) == len(set(told)) == 100


def test_all_lives_where_they_fit(big: History) -> None:
    """Every item's life is told where there is room."""
    assert len(sample.values_to_tell(big, [], 5000)) == 3000


def test_an_item_that_is_not_there_is_left_out(big: History) -> None:
    """A witness's value that no operation carries is no row to draw."""
    assert sample.values_to_tell(big, ["no such item"], 10)
    assert not sample.of_values(big, ["no such item"]).any()
