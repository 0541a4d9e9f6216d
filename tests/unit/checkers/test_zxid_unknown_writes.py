"""What has no zxid, and must all the same be after what was over before it began."""

import pytest

from harness.checkers import Claim
from harness.checkers.zxid import Zxid
from harness.verdict import Verdict
from worlds.histories_random import as_history
from worlds.oracle import NEVER, Op, legal


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
    result = Zxid().check(as_history(ops), Claim(order="linearizable"))
    assert result.reasons == reasons
    assert result.verdict is (Verdict.INVALID if reasons else Verdict.VALID)
