"""Every exception of kazoo has its status."""

import inspect

import pytest
from kazoo import exceptions as zk
from kazoo.handlers.threading import KazooTimeoutError

from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.http.statuses import http_error, not_connected

CODES: dict[type[Exception], int] = {
    zk.NoNodeError: 404,
    zk.NodeExistsError: 409,
    zk.NotEmptyError: 409,
    zk.BadVersionError: 412,
    zk.BadArgumentsError: 400,
    zk.InvalidACLError: 400,
    zk.NoChildrenForEphemeralsError: 400,
    zk.AuthFailedError: 401,
    zk.NoAuthError: 403,
    zk.NotReadOnlyCallError: 503,
    zk.ConnectionLoss: 503,
    zk.SessionExpiredError: 503,
    zk.ConnectionClosedError: 503,
    zk.SessionMovedError: 503,
    zk.OperationTimeoutError: 504,
    zk.RequestTimeoutError: 504,
}
EVERY = [
    kind
    for _, kind in inspect.getmembers(zk, inspect.isclass)
    if issubclass(kind, zk.KazooException)
]


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_kazoo(kind: type[Exception]) -> None:
    """6: the table of the contract; every other exception of ZooKeeper is 502."""
    error = http_error(kind(), "/a", changes=True)
    assert error.status == CODES.get(kind, 502)
    assert error.message.startswith("/a ")
    assert "Error" not in error.message


@pytest.mark.parametrize(
    ("error", "status"),
    [(TimeoutError(), 504), (KazooTimeoutError(), 504), (ValueError(), 400), (KeyError(), 500)],
)
def test_others(error: Exception, status: int) -> None:
    """6: our own deadline is 504, kazoo's path rules 400, anything else our fault."""
    assert http_error(error, "/a", changes=False).status == status


@pytest.mark.parametrize("kind", [zk.ConnectionLoss, zk.SessionExpiredError, TimeoutError])
def test_unknown_outcome(kind: type[Exception]) -> None:
    """6: a write without an answer says that its outcome is unknown; a read has none."""
    write, read = (http_error(kind(), "/a", changes=changes) for changes in (True, False))
    assert write.extra == {"outcome": "unknown"}
    assert "unknown" in write.message
    assert read.extra == {}


def test_retry_after() -> None:
    """6: 503 says when to come again, 504 and the others do not."""

    def has(error: HttpError) -> bool:
        return "Retry-After" in error.headers

    assert has(not_connected("/a"))
    assert has(http_error(zk.ConnectionLoss(), "/a", changes=True))
    assert not has(http_error(TimeoutError(), "/a", changes=True))


def test_not_connected_is_definite() -> None:
    """6: what was never sent has no unknown outcome."""
    assert not_connected("/a").extra == {}
