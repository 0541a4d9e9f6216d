"""The checks after a crash point find what is wrong, for its reason, and nothing else."""

from collections.abc import Sequence
from typing import Any

import pytest

from worlds.crash_points.checks import Ended, Found, Outcome, Reason, alternatives, violations
from worlds.crash_points.client import Client
from worlds.crash_points.operation import DEAD, NOWHERE, Consumed, Operation
from worlds.proxy.protocol import Opcode, Reply, Request
from worlds.proxy.protocol import Operation as Sub
from worlds.proxy.proxy import Exchange

ROOT = "/q"
A, NEW = b"a", b"new"
PUT = Operation(name="put", call=Client.close, adds=(NEW,), before={NEW: NOWHERE})
BURY = Operation(name="bury", call=Client.close, after={A: DEAD})
MANY = Operation(
    name="put-many",
    call=Client.close,
    adds=(b"n0", b"n1", b"n2", b"n3"),
    before={},
    write_size=2,
)


def consumed(payload: bytes, id_: str = "item-100-0000000000-0000000000", **rest: Any) -> Consumed:
    """A consumed item."""
    return Consumed(payload, id_, rest.get("delivery", 1), rest.get("claims", 1), rest.get("zxid"))


def found(*items: Consumed, put: Sequence[bytes] = (A,), **rest: Any) -> Found:
    """What was found, with all that is not given empty."""
    empty = {"names": [], "places": {}, "registrations": [], "journal": [], "expired": {}}
    return Found(
        put=list(put),
        consumed=list(items),
        drains=[list(items)],
        root=ROOT,
        **{**empty, **rest},
    )


def about(path: str, zxid: int, session: int, *, ephemeral: bool = False) -> Exchange:
    """A multi of one creation that the server carried out."""
    request = Request(1, Opcode.MULTI, (Sub(Opcode.CREATE, path, ephemeral),))
    return Exchange(1, session, request, Reply(1, zxid, 0, (path,)))


OK, FAIL, UNKNOWN = Outcome(Ended.OK), Outcome(Ended.FAIL), Outcome(Ended.UNKNOWN)
TOLD, TOLD_NOT = (Outcome(Ended.UNKNOWN, settled=(took,)) for took in (True, False))
OTHER = "item-100-0000000000-0000000001"
NEW_ONCE, A_ONCE = consumed(NEW, OTHER), consumed(A)
ACTIVE = f"{ROOT}/consumers/c/active"
CLAIM = f"{ROOT}/consumers/c/item/x"


@pytest.mark.parametrize(
    ("operation", "outcome", "seen", "reason"),
    [
        pytest.param(PUT, OK, found(A_ONCE, NEW_ONCE, put=[A, NEW]), None, id="put"),
        pytest.param(PUT, OK, found(A_ONCE, put=[A, NEW]), Reason.LOST, id="put-lost"),
        pytest.param(PUT, FAIL, found(A_ONCE, put=[A, NEW]), None, id="not-put"),
        pytest.param(
            PUT, FAIL, found(A_ONCE, NEW_ONCE, put=[A, NEW]), Reason.PHANTOM, id="put-phantom"
        ),
        pytest.param(PUT, UNKNOWN, found(A_ONCE, put=[A, NEW]), None, id="unknown-not"),
        pytest.param(PUT, UNKNOWN, found(A_ONCE, NEW_ONCE, put=[A, NEW]), None, id="unknown-done"),
        pytest.param(
            PUT, TOLD, found(A_ONCE, put=[A, NEW]), Reason.RESOLVE, id="told-put-but-is-not"
        ),
        pytest.param(
            PUT,
            TOLD_NOT,
            found(A_ONCE, NEW_ONCE, put=[A, NEW]),
            Reason.RESOLVE,
            id="told-not-put-but-is",
        ),
        pytest.param(
            PUT,
            OK,
            found(consumed(NEW), NEW_ONCE, put=[NEW]),
            Reason.DUPLICATED,
            id="two-items-of-one-put",
        ),
        pytest.param(BURY, OK, found(A_ONCE, A_ONCE), Reason.OWNED_TWICE, id="consumed-twice"),
        pytest.param(
            BURY, OK, found(A_ONCE, places={"dead": [A]}), Reason.DUPLICATED, id="in-two-places"
        ),
        pytest.param(BURY, OK, found(A_ONCE), Reason.MISPLACED, id="not-where-it-was-put"),
        pytest.param(
            PUT,
            OK,
            found(A_ONCE, put=[A], registrations=["/q/consumers/c"], places={}),
            Reason.LEFT_BEHIND,
            id="registration-left",
        ),
        pytest.param(
            PUT,
            OK,
            found(consumed(A, delivery=1, claims=2)),
            Reason.DELIVERY_COUNT,
            id="stale-count",
        ),
        pytest.param(
            PUT,
            OK,
            found(consumed(A, OTHER, zxid=9), consumed(NEW, zxid=3), put=[A, NEW]),
            Reason.ORDER,
            id="younger-first",
        ),
        pytest.param(
            PUT, OK, found(A_ONCE, names=[OTHER, OTHER]), Reason.REUSED_NAME, id="name-twice"
        ),
        pytest.param(
            PUT,
            OK,
            found(
                A_ONCE,
                journal=[about(ACTIVE, 5, 7, ephemeral=True), about(CLAIM, 9, 8)],
                expired={7: 8},
            ),
            Reason.ACK_AFTER_EXPIRY,
            id="write-after-expiry",
        ),
        pytest.param(
            PUT,
            OK,
            found(
                A_ONCE,
                journal=[about(ACTIVE, 5, 7, ephemeral=True), about(CLAIM, 6, 7)],
                expired={7: 8},
            ),
            None,
            id="write-before-expiry",
        ),
    ],
)
def test_each_wrong_has_its_reason(
    operation: Operation, outcome: Outcome, seen: Found, reason: Reason | None
) -> None:
    """A hand-made finding is judged valid, or wrong for one reason."""
    reasons = {violation.reason for violation in violations(operation, outcome, seen)}
    assert reasons == ({reason} if reason else set())


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        pytest.param(Outcome(Ended.OK), [4], id="all"),
        pytest.param(Outcome(Ended.FAIL), [0], id="none"),
        pytest.param(Outcome(Ended.FAIL, applied=2), [2], id="partly"),
        pytest.param(Outcome(Ended.UNKNOWN), [0, 1, 2, 3, 4], id="any"),
        pytest.param(Outcome(Ended.UNKNOWN, applied=2), [2, 3, 4], id="at-least"),
        pytest.param(
            Outcome(Ended.UNKNOWN, applied=0, settled=(True, False)), [2], id="asked-for-each"
        ),
    ],
)
def test_several_writes_take_effect_from_the_first_on(outcome: Outcome, counts: list[int]) -> None:
    """What a caller of put_many may believe is how many of the first are put."""
    places = alternatives(MANY, outcome)
    assert [4 - len(each) for each in places] == counts
