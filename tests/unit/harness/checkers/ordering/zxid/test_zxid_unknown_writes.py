"""What has no zxid is in no place that what has one leaves no room for."""

import pytest

from harness.checkers.ordering.zxid import Zxid
from harness.claim import Claim
from harness.common.verdict import Verdict
from worlds.histories.oracle import NEVER, Op, legal
from worlds.histories.random import as_history


@pytest.mark.parametrize(
    ("read_zxid", "reasons"), [(30, ("false-empty",)), (40, ())], ids=["of that state", "later"]
)
def test_an_unknown_write_is_in_no_state_that_was_left_before_it(
    read_zxid: int, reasons: tuple[str, ...]
) -> None:
    """It cannot have taken what a reader of an older state, however late, found missing."""
    ops = [
        Op(f="put", process=1, begin=0, end=1, value=7, zxid=10),
        Op(f="reserve", process=2, begin=2, end=3, value=7, zxid=20),
        Op(f="crash", process=2, begin=4, end=5, zxid=30),
        Op(f="reserve", process=4, begin=6, end=9, zxid=read_zxid),
        Op(f="reserve", process=3, begin=6, end=NEVER, outcome="info"),
    ]
    assert legal(ops) is (reasons == ())
    result = Zxid().check(as_history(ops), Claim(level="linearizable"))
    assert result.reasons == reasons
    assert result.verdict is (Verdict.INVALID if reasons else Verdict.VALID)


@pytest.mark.parametrize(
    ("between", "reasons"),
    [
        pytest.param([], ("double-ownership",), id="at-once"),
        pytest.param(
            [Op(f="release", process=7, begin=11, end=11, value=1, zxid=230)], (), id="given-back"
        ),
    ],
)
def test_nothing_lies_between_two_deliveries_of_one_transaction(
    between: list[Op], reasons: tuple[str, ...]
) -> None:
    """A session whose end nobody knows has not ended in the middle of a transaction."""
    ops = [
        Op(f="put", process=1, begin=0, end=1, value=1, zxid=130),
        Op(f="reserve", process=7, begin=11, end=11, value=1, zxid=230),
        *between,
        Op(f="reserve", process=9, begin=9, end=11, value=1, zxid=230),
        Op(f="crash", process=7, begin=11, end=NEVER),
    ]
    assert legal(ops) is (reasons == ())
    result = Zxid().check(as_history(ops), Claim(level="linearizable"))
    assert result.reasons == reasons
