"""Translate kazoo's errors to HTTP statuses (rest.md 6)."""

from kazoo import exceptions as zk
from kazoo.handlers.threading import KazooTimeoutError

from zkmq.rest.http.http_errors import HttpError
from zkmq.zookeeper.session.kazoo_connection import ServerError

RETRY = {"Retry-After": "1"}

_STATUSES: tuple[tuple[type[Exception], int, str], ...] = (
    (zk.NoNodeError, 404, "not found"),
    (zk.NodeExistsError, 409, "already exists"),
    (zk.NotEmptyError, 409, "not empty"),
    (zk.BadVersionError, 412, "bad version"),
    (zk.BadArgumentsError, 400, "bad arguments"),
    (zk.InvalidACLError, 400, "bad arguments: ACL"),
    (zk.NoChildrenForEphemeralsError, 400, "bad arguments: an ephemeral node has no children"),
    (ValueError, 400, "bad arguments"),  # kazoo's own path rules, stricter than ZooKeeper's
    (zk.AuthFailedError, 401, "authentication failed"),
    (zk.NoAuthError, 403, "not permitted to the gateway's own ZooKeeper credentials"),
    (zk.NotReadOnlyCallError, 503, "ZooKeeper is read-only at present; nothing was changed"),
)
# After these errors, a request that was sent may have taken effect, or may yet.
_UNKNOWN: tuple[tuple[type[Exception], int, str], ...] = (
    (zk.ConnectionLoss, 503, "connection to ZooKeeper lost"),
    (zk.SessionExpiredError, 503, "ZooKeeper session expired"),
    (zk.SessionMovedError, 503, "ZooKeeper session moved"),
    (zk.OperationTimeoutError, 504, "ZooKeeper timed out"),
    (zk.RequestTimeoutError, 504, "ZooKeeper timed out"),
    (KazooTimeoutError, 504, "ZooKeeper timed out"),
    (TimeoutError, 504, "no answer from ZooKeeper in time"),
)


def http_error(error: Exception, subject: str, *, changes: bool) -> HttpError:
    """Turn kazoo's error into an answer.

    `changes` says that the request was a write. Its outcome is unknown if the connection broke.
    """
    for kind, status, text in _STATUSES:
        if isinstance(error, kind):
            headers = RETRY if status == 503 else None
            return HttpError(status, f"{subject} {text}", headers=headers)
    for kind, status, text in _UNKNOWN:
        if isinstance(error, kind):
            return _unknown(status, f"{subject} {text}", changes=changes)
    if isinstance(error, zk.KazooException | ServerError):
        return HttpError(502, f"{subject} failed in ZooKeeper ({getattr(error, 'code', '?')})")
    return HttpError(500, f"{subject} failed in the gateway")


def not_connected(subject: str) -> HttpError:
    """Return the answer for a request that was not sent, because ZooKeeper cannot be reached."""
    return HttpError(503, f"{subject} ZooKeeper is not reachable; nothing was sent", headers=RETRY)


def _unknown(status: int, message: str, *, changes: bool) -> HttpError:
    headers = RETRY if status == 503 else None
    if not changes:
        return HttpError(status, message, headers=headers)
    message += "; outcome unknown: it may have taken effect, or may yet"
    return HttpError(status, message, headers=headers, extra={"outcome": "unknown"})
